//! `kreg nodes trust|untrust|status|script`.

use kreg_nodes::{FileStatus, NodeProgram, Receipt, State, Trust};
use serde::Serialize;

use crate::app::App;
use crate::args::{NodesArgs, NodesCommand};
use crate::config::Backend;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct Outcome {
    nodes: Vec<Receipt>,
}

pub(crate) async fn run(app: &App, command: &NodesCommand) -> Result<Ending, Error> {
    match command {
        NodesCommand::Trust(args) => {
            let (session, nodes) = open(app, args).await?;
            nodes.must_be_all()?;
            let trust = held_trust(&session).await?;
            let step = app.progress.step("trust on the nodes");
            nodes.enter().await?;
            let receipts = nodes.trust(&trust);
            step.done("");
            finish(app, receipts, "not done", done)
        }
        NodesCommand::Untrust(args) => {
            let (session, nodes) = open(app, args).await?;
            nodes.must_be_all()?;
            let instance = fleet::instance(&session.spec)?;
            let step = app.progress.step("trust on the nodes");
            let receipts = nodes.untrust(&instance);
            if receipts.iter().all(Receipt::is_ok) {
                nodes.leave().await?;
            }
            step.done("");
            finish(app, receipts, "not put back as it was", done)
        }
        NodesCommand::Status(args) => {
            let (session, nodes) = open(app, args).await?;
            let trust = held_trust(&session).await?;
            let step = app.progress.step(format!("nodes by {}", nodes.way()));
            let receipts = nodes.status(&trust);
            step.done("");
            let drift = receipts
                .iter()
                .any(|receipt| receipt.state == State::Changed);
            let ending = finish(app, receipts, "could not be looked at", found)?;
            Ok(if drift { Ending::Pending } else { ending })
        }
        NodesCommand::Script { target, undo } => script(app, target, *undo).await,
    }
}

async fn open(app: &App, args: &NodesArgs) -> Result<(Session, Nodes), Error> {
    let session = Session::open(app, &args.target, true).await?;
    let nodes = Nodes::new(&session, &session.facts, &args.nodes)?;
    Ok((session, nodes))
}

async fn held_trust(session: &Session) -> Result<Trust, Error> {
    let state = session.existing().await?;
    match (state.cluster_ip, &state.ca_bundle_pem) {
        (Some(address), Some(bundle)) => {
            fleet::trust(&session.settings, &session.spec, address, bundle)
        }
        _ => Err(
            Error::failed("the registry has no address or no certificate yet")
                .help("run `kreg up`"),
        ),
    }
}

fn finish(
    app: &App,
    nodes: Vec<Receipt>,
    what: &str,
    words: fn(&Receipt) -> String,
) -> Result<Ending, Error> {
    let outcome = Outcome { nodes };
    output::print(app.global.output, "Nodes", &outcome, |outcome| {
        table(&outcome.nodes, words)
    })?;
    fleet::judge(&outcome.nodes, what)?;
    Ok(Ending::Done)
}

/// What was done to a node.
fn done(receipt: &Receipt) -> String {
    output::word(&receipt.state)
}

/// What was seen on a node, where nothing was done.
pub(super) fn found(receipt: &Receipt) -> String {
    match receipt.state {
        State::Unchanged => "yes".to_owned(),
        State::Changed => "not as it should".to_owned(),
        _ => output::word(&receipt.state),
    }
}

/// One row a node; shared with `status`.
pub(super) fn table(receipts: &[Receipt], words: fn(&Receipt) -> String) -> String {
    let row = |receipt: &Receipt| {
        [
            receipt.node.clone(),
            receipt.address.clone(),
            words(receipt),
            detail(receipt),
        ]
    };
    output::table(
        ["NODE", "ADDRESS", "TRUST", "DETAIL"],
        receipts.iter().map(row),
    )
}

/// Why it is not well, or which files are concerned.
fn detail(receipt: &Receipt) -> String {
    let files = || {
        let changed = receipt
            .files
            .iter()
            .filter(|file| file.status != FileStatus::Unchanged);
        let paths: Vec<_> = changed.map(|file| file.path.as_str()).collect();
        paths.join(", ")
    };
    receipt.reason.clone().unwrap_or_else(files)
}

/// The program of each node; they differ where the nodes do.
async fn script(app: &App, args: &NodesArgs, undo: bool) -> Result<Ending, Error> {
    let (session, nodes) = open(app, args).await?;
    if undo {
        output::line(NodeProgram::undo(&fleet::instance(&session.spec)?).script())?;
        return Ok(Ending::Done);
    }
    let trust = held_trust(&session).await?;
    if session.settings.nodes.backend == Backend::DaemonSet {
        output::line(NodeProgram::agent(&trust).script())?;
        return Ok(Ending::Done);
    }
    let mut refused = Vec::new();
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    for outcome in nodes.plan(&trust) {
        let name = outcome.node.name.clone();
        match outcome.result {
            Ok(plan) => {
                let apply = NodeProgram::apply(&plan).script().to_owned();
                let program = match NodeProgram::restart(&plan) {
                    Some(restart) => format!(
                        "{}\n# then, if that ends with 0:\n{apply}",
                        restart.script()
                    ),
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
    for (program, names) in &shown {
        if shown.len() > 1 {
            output::line(&format!("# for {}", names.join(", ")))?;
        }
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
