//! `kreg nodes script`: the programs as nodes run them, to be read, or piped to `sh` there.

use clap::{Args, ValueEnum};
use kreg_nodes::{NodeProgram, ProbeRequest};
use tokio::task::block_in_place;

use super::nodes::{held_trust, open};
use crate::args::NodesArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet;
use crate::output;
use crate::session::Session;
use crate::spec;

#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    /// Which one
    #[arg(value_enum, default_value_t = What::Trust)]
    what: What,

    /// The same as `untrust`
    #[arg(long, hide = true)]
    undo: bool,

    #[command(flatten)]
    target: NodesArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Puts in place what `nodes trust` would; asks the nodes what they are, and so needs them
    Trust,
    /// Takes back what kreg wrote; needs no cluster where --name says which registry
    Untrust,
    /// Reads facts, writes nothing
    Probe,
}

pub(crate) async fn run(app: &App, args: &ScriptArgs) -> Result<Ending, Error> {
    let target = &args.target;
    match args.what {
        What::Untrust => untrust(app, target).await,
        What::Trust if args.undo => untrust(app, target).await,
        What::Trust => trust(app, target).await,
        What::Probe => {
            let (session, _) = open(app, target).await?;
            let request = ProbeRequest::new(&held_trust(&session).await?);
            output::line(NodeProgram::probe(&request).script())?;
            Ok(Ending::Done)
        }
    }
}

/// By the registry's name alone if it is given: the cluster may be gone.
async fn untrust(app: &App, args: &NodesArgs) -> Result<Ending, Error> {
    let target = &args.target;
    let instance = if target.name.is_some() || app.config.registry.name.is_some() {
        kreg::nodes::instance(&spec::place(app, target)?)?
    } else {
        let session = Session::open_to_remove(app, target).await?;
        kreg::nodes::instance(session.registry.place())?
    };
    output::line(NodeProgram::undo(&instance).script())?;
    Ok(Ending::Done)
}

/// The program of each node; they differ where the nodes do.
async fn trust(app: &App, args: &NodesArgs) -> Result<Ending, Error> {
    let (session, nodes) = open(app, args).await?;
    let trust = held_trust(&session).await?;
    let planned = block_in_place(|| nodes.access().programs(&trust));
    // One after the other they would all run on whichever node they are piped to.
    if planned.programs.len() > 1 {
        let groups = planned.programs.iter();
        let groups = groups.map(|(_, names)| format!("\n- {}", names.join(", ")));
        return Err(Error::usage(format!(
            "these nodes need programs of their own:{}",
            groups.collect::<String>()
        ))
        .help("say which with --node, one of a line's"));
    }
    for (program, _) in &planned.programs {
        output::line(program)?;
    }
    // Should all this be piped into a shell, they do nothing there.
    for remark in planned.remarks() {
        output::line(&remark)?;
    }
    fleet::judge(&planned.refused, "cannot be planned").map(|()| Ending::Done)
}
