//! `kreg nodes script`: the programs as nodes run them, to be read, or piped to `sh` there.

use clap::{Args, ValueEnum};
use kreg_nodes::{InstanceId, NodeAccess, NodeProgram, ProbeRequest, Receipt, Trust};
use tokio::task::block_in_place;

use super::nodes::{held_trust, open};
use crate::args::{NodesArgs, TargetArgs};
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
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
    let instance = match is_named(app, &args.target) {
        true => {
            let place = spec::place(app, &args.target)?;
            InstanceId::new(place.instance())
                .tried("the registry's name cannot name a journal on the nodes")?
        }
        false => {
            let session = Session::open_to_remove(app, &args.target).await?;
            kreg::nodes::instance(session.registry.place())?
        }
    };
    output::line(NodeProgram::undo(&instance).script())?;
    Ok(Ending::Done)
}

fn is_named(app: &App, target: &TargetArgs) -> bool {
    target.name.is_some() || app.config.registry.name.is_some()
}

/// The program of each node; they differ where the nodes do.
async fn trust(app: &App, args: &NodesArgs) -> Result<Ending, Error> {
    let (session, nodes) = open(app, args).await?;
    let trust: Trust = held_trust(&session).await?;
    if let Some(program) = nodes.resident(&trust) {
        output::line(program.script())?;
        return Ok(Ending::Done);
    }
    let mut refused: Vec<Receipt> = Vec::new();
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    let access: &dyn NodeAccess = &nodes;
    for outcome in block_in_place(|| access.plan(&trust)) {
        let name = outcome.node.name.clone();
        match outcome.result {
            Ok(plan) => {
                let apply = NodeProgram::apply(&plan).script().to_owned();
                // Each ends the shell that runs it.
                let program = match NodeProgram::restart(&plan) {
                    Some(restart) => format!("(\n{}\n) && (\n{apply}\n)", restart.script()),
                    None => apply,
                };
                match shown.iter_mut().find(|(text, _)| *text == program) {
                    Some((_, names)) => names.push(name),
                    None => shown.push((program, vec![name])),
                }
            }
            Err(receipt) => refused.push(*receipt),
        }
    }
    // One after the other they would all run on whichever node they are piped to.
    if let [_, _, ..] = shown.as_slice() {
        let groups: Vec<_> = shown
            .iter()
            .map(|(_, names)| format!("- {}", names.join(", ")))
            .collect();
        return Err(Error::usage(format!(
            "these nodes need programs of their own:\n{}",
            groups.join("\n")
        ))
        .help("say which with --node, one of a line's"));
    }
    for (program, _) in &shown {
        output::line(program)?;
    }
    for receipt in &refused {
        // No program: as a comment, should all this be piped into a shell.
        if let Some(snippet) = &receipt.snippet {
            let lines = snippet.lines().map(|line| format!("\n#   {line}"));
            output::line(&format!(
                "# for {}, to be set by its own means:{}",
                receipt.node,
                lines.collect::<String>()
            ))?;
        }
    }
    fleet::judge(&refused, "cannot be planned").map(|()| Ending::Done)
}
