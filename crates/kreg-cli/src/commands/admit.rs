//! `kreg nodes admit`: nodes that wait with the startup taint prove their pull, and lose it.
//!
//! What runs on nodes has no right in the cluster, so that an agent cannot vouch for itself: the person who runs this has it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use kreg::{Admission, PULL, Scope, Waiting};
use serde::Serialize;

use crate::app::App;
use crate::args::NodesArgs;
use crate::error::{Ending, Error};
use crate::output;
use crate::proof;
use crate::session::Session;
use crate::signals::shutdown_signal;
use crate::startup_taint::TaintArgs;

/// Between two looks at the nodes.
const LOOK: Duration = Duration::from_secs(3);
/// The longest between two proofs of a node that does not prove itself.
const LONGEST: Duration = Duration::from_secs(60);

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
    session.existing().await?;
    let registry = &session.registry;
    let (mut lifted, mut patience) = (Vec::new(), Patience::default());
    let mut waiting = registry.waiting(taint.clone()).await?;
    let end = shutdown_signal();
    tokio::pin!(end);
    loop {
        let skip = &session.settings.nodes.skip;
        let only = &args.target.nodes;
        waiting.retain(|one| {
            let meant = only.is_empty() || only.contains(&one.node);
            let due = !args.watch || patience.is_over(&one.node);
            meant && due && one.ready && !skip.contains(&one.node)
        });
        if !waiting.nodes().is_empty() {
            // A proof that was begun is ended: it clears up by itself, also on Ctrl-C.
            match round(&session, &waiting).await {
                Ok(done) => {
                    for node in &done.lifted {
                        patience.forget(node);
                    }
                    for kept in done.kept {
                        patience.tried(&kept.node, kept.reason);
                    }
                    lifted.extend(done.lifted);
                }
                Err(error) if args.watch => {
                    app.progress.note(words(&error));
                    for one in waiting.nodes() {
                        patience.tried(&one.node, error.message().to_owned());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if !args.watch {
            break;
        }
        tokio::select! {
            () = &mut end => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        match registry.still_waiting(taint.clone()).await {
            Ok(again) => {
                patience.of_these(&again);
                waiting = again;
            }
            Err(error) => {
                app.progress.note(words(&error.into()));
                waiting.retain(|_| false);
            }
        }
    }
    let all = Outcome {
        key: taint.key().to_owned(),
        lifted,
        kept: patience.kept(),
    };
    output::print(app.global.output, "Admission", &all, text)?;
    judge(&all)
}

/// What became of all nodes, as `-o json` prints it.
#[derive(Debug, Serialize)]
struct Outcome {
    key: String,
    lifted: Vec<String>,
    kept: Vec<Kept>,
}

#[derive(Debug, Serialize)]
struct Kept {
    node: String,
    reason: String,
}

/// One proof for all of them, with the certificates and the password of now.
async fn round(session: &Session, waiting: &Waiting) -> Result<Admission, Error> {
    let standing = session.registry.standing().await?;
    let nodes = waiting.nodes().iter().map(|one| one.node.clone());
    let scope = Scope {
        nodes: nodes.collect(),
        only: vec![PULL.to_owned()],
        ..Scope::default()
    };
    let proof = proof::prove_last(session, &standing, scope).await?;
    let admitted = session.registry.admit(waiting, proof.report(), &session.on);
    Ok(admitted.await?)
}

fn words(error: &Error) -> String {
    let words = std::iter::once(error.message());
    let words = words.chain(error.causes().iter().map(String::as_str));
    words.collect::<Vec<_>>().join(": ")
}

/// Nodes that did not prove themselves are asked again, each time later.
#[derive(Debug, Default)]
struct Patience(BTreeMap<String, Tried>);

#[derive(Debug)]
struct Tried {
    last: Instant,
    pause: Duration,
    reason: String,
}

impl Patience {
    fn is_over(&self, node: &str) -> bool {
        let tried = self.0.get(node);
        tried.is_none_or(|tried| tried.last.elapsed() >= tried.pause)
    }

    fn tried(&mut self, node: &str, reason: String) {
        let pause = self.0.get(node).map_or(LOOK, |tried| tried.pause * 2);
        let tried = Tried {
            last: Instant::now(),
            pause: pause.min(LONGEST),
            reason,
        };
        self.0.insert(node.to_owned(), tried);
    }

    fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }

    /// A node that has no taint any more is nobody's to wait for.
    fn of_these(&mut self, waiting: &Waiting) {
        let has = |node: &String| waiting.nodes().iter().any(|one| one.node == *node);
        self.0.retain(|node, _| has(node));
    }

    fn kept(self) -> Vec<Kept> {
        let kept = self.0.into_iter();
        kept.map(|(node, tried)| Kept {
            node,
            reason: tried.reason,
        })
        .collect()
    }
}

fn text(all: &Outcome) -> String {
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

fn judge(all: &Outcome) -> Result<Ending, Error> {
    if all.kept.is_empty() {
        return Ok(Ending::Done);
    }
    let lines: Vec<_> = all
        .kept
        .iter()
        .map(|kept| format!("- {}: {}", kept.node, kept.reason))
        .collect();
    let message = format!(
        "not proven, so they keep the taint {}:\n{}",
        all.key,
        lines.join("\n")
    );
    Err(Error::new(Ending::Partial, message)
        .help("`kreg nodes status` tells what each lacks; `kreg nodes trust`, or its agent, brings it")
        .told())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_asked_again_and_each_time_later() {
        let mut patience = Patience::default();
        assert!(patience.is_over("a"));
        let mut pauses = Vec::new();
        for _ in 0..7 {
            patience.tried("a", "why".to_owned());
            pauses.push(patience.0["a"].pause.as_secs());
        }
        assert_eq!(pauses, [3, 6, 12, 24, 48, 60, 60]);
        assert!(!patience.is_over("a") && patience.is_over("b"));
        patience.forget("a");
        assert!(patience.is_over("a") && patience.kept().is_empty());
    }
}
