//! `kreg nodes admit`: nodes that wait with the startup taint prove their pull, and lose it.

use clap::Args;
use kreg::{Admission, Admitting};

use crate::args::NodesArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::Session;
use crate::signals::shutdown_signal;
use crate::startup_taint::TaintArgs;

#[derive(Debug, Args)]
pub(crate) struct AdmitArgs {
    /// Go on, for nodes that join later, until Ctrl-C or SIGTERM
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    taint: TaintArgs,

    #[command(flatten)]
    target: NodesArgs,
}

pub(crate) async fn run(app: &App, args: &AdmitArgs) -> Result<Ending, Error> {
    let taint = args.taint.taint(&app.config)?.unwrap_or_default();
    let session = Session::open(app, &args.target.target, true).await?;
    let nodes = Admitting {
        only: args.target.nodes.clone(),
        skip: session.settings.nodes.skip.clone(),
        watch: args.watch,
        timeout: Some(session.settings.timeout),
    };
    let registry = &session.registry;
    let admitted = registry.admit_nodes(taint, &nodes, shutdown_signal, &session.on);
    let all = admitted.await?;
    output::print(app.global.output, "Admission", &all, text)?;
    judge(&all)
}

fn text(all: &Admission) -> String {
    let rows = all
        .lifted
        .iter()
        .map(|node| [node.clone(), "lifted".to_owned(), String::new()]);
    let kept = all.kept.iter();
    let kept = kept.map(|kept| [kept.node.clone(), "kept".to_owned(), kept.reason.clone()]);
    let rows: Vec<_> = rows.chain(kept).collect();
    if rows.is_empty() {
        return format!("no node was found that waits with the taint {}", all.key);
    }
    output::table(["NODE", "TAINT", "WHY"], rows)
}

fn judge(all: &Admission) -> Result<Ending, Error> {
    if all.kept.is_empty() {
        return Ok(Ending::Done);
    }
    let kept = all.kept.iter();
    let lines = kept.map(|kept| format!("\n- {}: {}", kept.node, kept.reason));
    let lines: String = lines.collect();
    let message = format!("not proven, so they keep the taint {}:{lines}", all.key);
    Err(Error::new(Ending::Partial, message)
        .help("`kreg nodes status` tells what each lacks; `kreg nodes trust`, or its agent, brings it")
        .told())
}
