//! The proof for one node: pulled there by its kubelet, run there, and the right line printed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::attempt::{Attempt, Seen};
use super::end::End;
use super::events::{root_cause, telling};
use super::nodes::NodeFacts;
use super::pulls::NodePulls;
use super::route::NodeRoute;
use crate::check::{Check, Context, Outcome};
use crate::pull_failure::PullFailure;

/// One node pulls the fresh image by its digest and runs it.
#[derive(Clone, Debug)]
pub struct NodePull {
    attempt: Arc<Attempt>,
}

impl NodePull {
    /// The name of this kind of check.
    pub const NAME: &'static str = "node-pull";

    /// The check for this node by a Pod as `pulls` says; `number` tells a run's Pods apart.
    #[must_use]
    pub fn new(node: NodeFacts, number: usize, pulls: NodePulls) -> NodePull {
        NodePull {
            attempt: Arc::new(Attempt::new(node, number, pulls)),
        }
    }

    /// The check of the way that the pull takes, by the same Pod.
    #[must_use]
    pub fn route(&self) -> NodeRoute {
        NodeRoute::new(Arc::clone(&self.attempt))
    }

    fn judge(&self, context: &Context, seen: &Seen) -> Outcome {
        let pulls = &self.attempt.pulls;
        let line = context.image.line();
        let mut outcome = judge(&seen.end, &seen.log, &line, &seen.events, pulls.timeout);
        for event in &seen.events {
            outcome = outcome.with("kubelet event", event.as_str());
        }
        if let Some(id) = &seen.image_id {
            outcome = outcome.with("image on the node", id.as_str());
        }
        let node = &self.attempt.node;
        outcome
            .with(
                "node",
                format!("{}, kubelet {}", node.runtime, node.kubelet),
            )
            .with("pod", format!("{}/{}", pulls.namespace, seen.pod))
    }
}

impl Check for NodePull {
    fn name(&self) -> &str {
        NodePull::NAME
    }

    fn title(&self) -> String {
        format!("{} pulls the image and runs it", self.attempt.node.name)
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
                Ok(seen) => self.judge(context, seen),
                Err(outcome) => outcome,
            }
        })
    }
}

fn judge(end: &End, log: &str, line: &str, events: &[String], limit: Duration) -> Outcome {
    match end {
        End::Exited(0) if log == line => {
            let pulled = events.iter().find(|event| event.starts_with("Pulled: "));
            let took = pulled
                .and_then(|event| event.split(" in ").nth(1))
                .and_then(|rest| rest.split(' ').next());
            Outcome::pass(match took {
                Some(took) => format!(
                    "pulled in {}, ran, printed its nonce",
                    took.trim_end_matches('.')
                ),
                None => "pulled, ran, printed its nonce".to_owned(),
            })
        }
        End::Exited(0) => Outcome::fail(format!(
            "the container ended well, but its log is {:?} instead of {:?}",
            log.trim_end(),
            line.trim_end()
        )),
        End::Exited(code) => Outcome::fail(format!(
            "the image was pulled, but the container ended with code {code}; can this node run containers?"
        )),
        End::Stuck(words) => Outcome::fail(format!("the pod cannot run: {words}")),
        End::PullFailed(kind, message) => {
            let words = telling(events).unwrap_or(message);
            let kind = match PullFailure::of(words) {
                PullFailure::Other => *kind,
                told => told,
            };
            Outcome::fail(format!(
                "the pull failed: {}; {}",
                root_cause(words),
                kind.meaning()
            ))
            .repaired_by(kind.remedy())
        }
        End::TimedOut(words) => {
            let words = telling(events).unwrap_or(words);
            Outcome::fail(format!(
                "not done after {} s: {}",
                limit.as_secs(),
                root_cause(words)
            ))
        }
        End::Lost(words) => Outcome::fail(words.clone()),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
