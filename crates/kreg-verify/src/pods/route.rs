//! The way from a node to the registry, as far as its kubelet's own words show it.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::attempt::{Attempt, Seen};
use super::end::End;
use super::events::{root_cause, telling};
use crate::check::{Check, Context, Outcome};
use crate::pull_failure::PullFailure;

/// The check that tells more.
const PULL: &str = "node-pull";

/// One node knows where the registry is and gets an answer there, whatever the answer is.
///
/// Nobody but the node can show that, and without a shell on it only by its kubelet: it is judged by
/// the same Pod as [`super::NodePull`]. A registry that refuses the password was reached; of one whose certificate the node
/// refuses, its kubelet does not know who it is.
#[derive(Clone, Debug)]
pub struct NodeRoute {
    attempt: Arc<Attempt>,
}

impl NodeRoute {
    /// The name of this kind of check.
    pub const NAME: &'static str = "node-route";

    pub(super) fn new(attempt: Arc<Attempt>) -> NodeRoute {
        NodeRoute { attempt }
    }
}

impl Check for NodeRoute {
    fn name(&self) -> &str {
        NodeRoute::NAME
    }

    fn title(&self) -> String {
        format!(
            "{} finds the registry and reaches it",
            self.attempt.node.name
        )
    }

    fn node(&self) -> Option<&str> {
        Some(&self.attempt.node.name)
    }

    fn after(&self) -> &[&str] {
        &["push"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match self.attempt.seen(context).await {
                Ok(seen) => judge(seen),
                Err(outcome) => outcome,
            }
        })
    }
}

fn judge(seen: &Seen) -> Outcome {
    if let Some(pulled) = seen.events.iter().find(|line| line.starts_with("Pulled: ")) {
        return Outcome::pass("by the registry's name, as its image was pulled")
            .with("kubelet event", pulled.as_str());
    }
    let words = match &seen.end {
        End::Exited(_) => return Outcome::pass("by the registry's name, as its image ran"),
        End::PullFailed(_, words) | End::TimedOut(words) => telling(&seen.events).unwrap_or(words),
        End::Stuck(words) | End::Lost(words) => words,
    };
    let kind = match (PullFailure::of(words), &seen.end) {
        (PullFailure::Other, End::PullFailed(kind, _)) => *kind,
        (kind, _) => kind,
    };
    let outcome = match kind {
        PullFailure::NoSuchHost | PullFailure::Unreachable => {
            Outcome::fail(format!("{}; {}", root_cause(words), kind.meaning()))
                .repaired_by(kind.remedy())
        }
        // A stranger at a wrong address answers so, too.
        PullFailure::Certificate | PullFailure::HttpForHttps => Outcome::skipped(format!(
            "something answers, and this node does not believe that it is the registry; see {}: {}",
            PULL,
            root_cause(words)
        )),
        PullFailure::Other => Outcome::skipped(format!(
            "its kubelet does not say; see {}: {}",
            PULL,
            root_cause(words)
        )),
        _ => Outcome::pass(format!("reached; the answer was: {}", root_cause(words))),
    };
    match telling(&seen.events) {
        Some(event) => outcome.with("kubelet event", event),
        None => outcome,
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
