//! `kreg nodes trust|untrust|status|admit|script`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use kreg::nodes::split;
use kreg_nodes::{Receipt, State, Trust};
use serde::{Deserialize, Serialize};

use super::script;
use crate::args::NodesArgs;
use crate::choices::{Backend, text_of};
use crate::context::App;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::Session;

/// Arguments of what works on nodes.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Only the nodes that are not done in this result of an earlier run with `-o json`; `-` for stdin
    #[arg(long, value_name = "FILE|-", conflicts_with = "nodes")]
    only_failed: Option<PathBuf>,

    #[command(flatten)]
    target: NodesArgs,
}

/// Arguments of `trust`.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Replace files that kreg did not write; they are kept, and come back with `kreg nodes untrust` and `kreg down`
    #[arg(long)]
    adopt: bool,

    #[command(flatten)]
    work: WorkArgs,
}

/// What became of each node; of an earlier result, as much as tells which nodes were not done.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    nodes: Vec<Receipt>,
}

impl WorkArgs {
    /// The nodes that are to be done.
    async fn open(&self, app: &App, to_remove: bool) -> Result<(Session, Nodes), Error> {
        let failed = self.only_failed.as_deref().map(failed).transpose()?;
        let target = &self.target.target;
        let session = if to_remove {
            Session::open_to_remove(app, target).await?
        } else {
            Session::open(app, target, true).await?
        };
        let only = match failed {
            None => self.target.nodes.clone(),
            // One program is every agent's, and does nothing where all is well.
            Some(_) if session.settings.nodes.backend == Backend::DaemonSet => Vec::new(),
            Some(failed) => still_there(app, &session, &failed)?,
        };
        let nodes = Nodes::new(&session, &only)?;
        Ok((session, nodes))
    }
}

/// Nodes may have left the cluster since they failed.
fn still_there(app: &App, session: &Session, names: &[String]) -> Result<Vec<String>, Error> {
    let (there, gone) = split(session.registry.facts(), names);
    for name in &gone {
        app.progress
            .note(format!("{name} is not a node of this cluster any more"));
    }
    if there.is_empty() {
        return Err(nothing_to_do(format!(
            "of the nodes that failed none is in this cluster any more: {}",
            gone.join(", ")
        )));
    }
    Ok(there)
}

fn nothing_to_do(why: String) -> Error {
    Error::usage(why).help("there is nothing to do again")
}

/// What an earlier run had to leave undone, by its own words: they say it wherever this runs.
fn failed(file: &Path) -> Result<Vec<String>, Error> {
    let name = file.display();
    let text = text_of(file).tried(format!("cannot read the earlier result {name}"))?;
    let earlier: Outcome = serde_json::from_str(&text).map_err(|cause| {
        Error::usage(format!("{name} is not a result of kreg"))
            .because(&cause)
            .help("give what `kreg nodes trust -o json`, `untrust -o json` or `up -o json` printed")
    })?;
    let bad = earlier.nodes.into_iter().filter(|node| !node.is_ok());
    let names: Vec<String> = bad.map(|node| node.node).collect();
    if names.is_empty() {
        return Err(nothing_to_do(format!("no node failed in {name}")));
    }
    Ok(names)
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// Make every node trust the registry that is up
    Trust(TrustArgs),
    /// Put every node back as it was
    Untrust(WorkArgs),
    /// What every node holds, and what is missing
    Status(NodesArgs),
    /// Take the startup taint off nodes that prove their pull; with --watch of those that join later, too
    Admit(super::admit::AdmitArgs),
    /// Print the program that would run as root on a node, to be read first, or piped to `sh` there
    Script(super::script::ScriptArgs),
}

pub(crate) async fn run(app: &App, command: &NodesCommand) -> Result<Ending, Error> {
    match command {
        NodesCommand::Trust(args) => {
            let (session, nodes) = args.work.open(app, false).await?;
            nodes.must_be_all()?;
            let trust = held_trust(&session).await?.with_adopt(args.adopt);
            let registry = &session.registry;
            let receipts = registry.put_trust_on(nodes.access(), &trust, &session.on)?;
            finish(app, receipts, "not done", done)
        }
        NodesCommand::Untrust(args) => {
            let (session, nodes) = args.open(app, true).await?;
            nodes.must_be_all()?;
            let registry = &session.registry;
            let receipts = registry.take_trust_off(nodes.access(), &session.on)?;
            for name in nodes.skipped() {
                app.progress.note(format!(
                    "{name} was not looked at: nodes.skip leaves it out"
                ));
            }
            let by_hand = nodes.hand_work(&receipts, registry.place());
            finish(app, receipts, "not put back as it was", done).map_err(|e| e.help_if(by_hand))
        }
        NodesCommand::Status(args) => {
            let (session, nodes) = open(app, args).await?;
            let trust = held_trust(&session).await?;
            let registry = &session.registry;
            let receipts = registry.look_at_trust(nodes.access(), &trust, &session.on);
            let mut states = receipts.iter().map(|receipt| receipt.state);
            let drift = states.any(|state| state == State::Changed);
            let ending = finish(app, receipts, "could not be looked at", found)?;
            Ok(if drift { Ending::Pending } else { ending })
        }
        NodesCommand::Admit(args) => super::admit::run(app, args).await,
        NodesCommand::Script(args) => script::run(app, args).await,
    }
}

pub(super) async fn open(app: &App, args: &NodesArgs) -> Result<(Session, Nodes), Error> {
    let session = Session::open(app, &args.target, true).await?;
    let nodes = Nodes::new(&session, &args.nodes)?;
    Ok((session, nodes))
}

pub(super) async fn held_trust(session: &Session) -> Result<Trust, Error> {
    let trust = session.registry.trust().await?;
    Ok(trust.with_restart(session.settings.nodes.allow_runtime_restart))
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
    receipt.state.to_string()
}

/// What was seen on a node, where nothing was done.
pub(super) fn found(receipt: &Receipt) -> String {
    match receipt.state {
        State::Unchanged => "yes".to_owned(),
        State::Changed => "not as it should".to_owned(),
        other => other.to_string(),
    }
}

/// One row a node; shared with `status`.
pub(super) fn table(receipts: &[Receipt], words: fn(&Receipt) -> String) -> String {
    let row = |receipt: &Receipt| {
        [
            receipt.node.clone(),
            receipt.address.clone(),
            words(receipt),
            receipt.detail(),
        ]
    };
    output::table(
        ["NODE", "ADDRESS", "TRUST", "DETAIL"],
        receipts.iter().map(row),
    )
}
