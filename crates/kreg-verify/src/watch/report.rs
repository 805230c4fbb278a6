//! What a watch counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pods::PullEnd;
use crate::pull_failure::PullFailure;
use crate::report::{SCHEMA, Verdict, milliseconds};

const KIND: &str = "WatchReport";

/// Everything that a watch counted, node by node.
///
/// Serialises to one JSON object with `"schema": "kreg/v1"` and `"kind": "WatchReport"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchReport {
    schema: String,
    kind: String,
    /// The registry, as in image references.
    pub registry: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// How long it has gone on, in seconds.
    pub seconds: f64,
    /// Seconds between two beats.
    pub every: f64,
    /// Pass if on every node at least one pull passed, and none failed.
    pub verdict: Verdict,
    /// Each node, in order of name.
    pub nodes: Vec<NodeTally>,
    /// The images that were pushed on the way.
    pub pushes: PushTally,
    /// Pods that would not go at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// One node's pulls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTally {
    /// Its name.
    pub node: String,
    /// Pulls that ended well: the image came and ran.
    pub passed: u64,
    /// Pulls that failed at least once; the kubelet's own second try does not make them good.
    pub failed: u64,
    /// Attempts that say nothing about the registry: no Pod could be started, or it was taken away.
    pub undecided: u64,
    /// Beats that were missed because the one before was not done.
    pub late: u64,
    /// Failures and undecided attempts by cause.
    pub causes: BTreeMap<String, u64>,
    /// Seconds of all passed pulls together, from a Pod's creation to its end.
    pub total_seconds: f64,
    /// The slowest of them.
    pub slowest_seconds: f64,
    /// The words of the last one that did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_words: Option<String>,
}

/// The images that were pushed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushTally {
    /// Those that went in.
    pub pushed: u64,
    /// Those that did not.
    pub failed: u64,
    /// The latter by cause.
    pub causes: BTreeMap<String, u64>,
    /// The words of the last one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_words: Option<String>,
}

/// How one pull ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pull {
    /// It came and ran, after this time.
    Passed(Duration),
    /// It did not come: cause and words.
    Failed(String, String),
    /// Nothing is known: cause and words.
    Undecided(String, String),
}

impl Pull {
    pub(super) fn of(end: PullEnd, took: Duration) -> Pull {
        match end {
            PullEnd::Ran => Pull::Passed(took),
            PullEnd::Failed(kind, words) => Pull::Failed(kind.word().to_owned(), words),
            // What hangs in the pull is a failure of the pull; what never came to one is not.
            PullEnd::Hung(words) => Pull::Failed("timeout".to_owned(), words),
            PullEnd::TimedOut(words) if PullFailure::of(&words) != PullFailure::Other => {
                Pull::Failed(PullFailure::of(&words).word().to_owned(), words)
            }
            PullEnd::TimedOut(words) => Pull::undecided("timeout", words),
            PullEnd::NoPod(words) => Pull::undecided("pod", words),
        }
    }

    pub(super) fn undecided(cause: &str, words: impl Into<String>) -> Pull {
        Pull::Undecided(cause.to_owned(), words.into())
    }
}

impl WatchReport {
    pub(super) fn new(
        registry: String,
        started: String,
        every: Duration,
        nodes: &[&str],
    ) -> WatchReport {
        let tally = |node: &&str| NodeTally {
            node: (*node).to_owned(),
            ..NodeTally::default()
        };
        WatchReport {
            schema: SCHEMA.to_owned(),
            kind: KIND.to_owned(),
            registry,
            started,
            seconds: 0.0,
            every: every.as_secs_f64(),
            verdict: Verdict::Fail,
            nodes: nodes.iter().map(tally).collect(),
            pushes: PushTally::default(),
            left: Vec::new(),
        }
    }

    /// Pulls of all nodes: passed, failed, undecided.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&NodeTally) -> u64| self.nodes.iter().map(of).sum();
        (
            sum(|node| node.passed),
            sum(|node| node.failed),
            sum(|node| node.undecided),
        )
    }

    pub(super) fn count(&mut self, name: &str, pull: &Pull) {
        let Some(node) = self.nodes.iter_mut().find(|node| node.node == name) else {
            return;
        };
        let (cause, words) = match pull {
            Pull::Passed(took) => {
                node.passed += 1;
                node.total_seconds = milliseconds(node.total_seconds + took.as_secs_f64());
                node.slowest_seconds = node.slowest_seconds.max(milliseconds(took.as_secs_f64()));
                return;
            }
            Pull::Failed(cause, words) => {
                node.failed += 1;
                (cause, words)
            }
            Pull::Undecided(cause, words) => {
                node.undecided += 1;
                (cause, words)
            }
        };
        *node.causes.entry(cause.clone()).or_default() += 1;
        node.last_words = Some(words.clone());
    }

    pub(super) fn late(&mut self, name: &str, beats: u64) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.node == name) {
            node.late += beats;
        }
    }

    pub(super) fn at(&mut self, elapsed: Duration) {
        self.seconds = milliseconds(elapsed.as_secs_f64());
        // A node of which nothing is known is none that works.
        let well = |node: &NodeTally| node.passed > 0 && node.failed == 0;
        self.verdict = match !self.nodes.is_empty() && self.nodes.iter().all(well) {
            true => Verdict::Pass,
            false => Verdict::Fail,
        };
    }

    pub(super) fn conclude(&mut self, elapsed: Duration, left: Vec<String>) {
        self.at(elapsed);
        self.left = left;
    }
}

impl PushTally {
    pub(super) fn fail(&mut self, cause: &str, words: &str) {
        self.failed += 1;
        *self.causes.entry(cause.to_owned()).or_default() += 1;
        self.last_words = Some(words.to_owned());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::watch) fn report() -> WatchReport {
        let every = Duration::from_secs(2);
        let mut report = WatchReport::new("r:5000".into(), "now".into(), every, &["a", "b"]);
        for (node, pull) in [
            ("a", Pull::Passed(Duration::from_millis(1500))),
            ("a", Pull::Passed(Duration::from_millis(500))),
            ("b", Pull::Failed("unreachable".into(), "refused".into())),
            ("b", Pull::undecided("pod", "no \"room\"\\\n")),
        ] {
            report.count(node, &pull);
        }
        report.late("b", 3);
        report.pushes.pushed = 4;
        report.pushes.fail("http-503", "busy");
        report.conclude(Duration::from_secs(10), Vec::new());
        report
    }

    #[test]
    fn only_failed_pulls_make_it_fail_and_a_node_without_any_is_not_good() {
        let mut report = report();
        assert_eq!(report.counts(), (2, 1, 1));
        assert_eq!(report.verdict, Verdict::Fail);
        let mut verdict_of = |passed: u64, failed: u64| {
            (report.nodes[1].passed, report.nodes[1].failed) = (passed, failed);
            report.conclude(Duration::from_secs(10), Vec::new());
            report.verdict
        };
        assert_eq!(verdict_of(1, 0), Verdict::Pass, "undecided is no failure");
        assert_eq!(verdict_of(0, 0), Verdict::Fail, "nothing passed on b");
        assert_eq!(verdict_of(1, 1), Verdict::Fail);
        report.nodes.clear();
        report.conclude(Duration::from_secs(10), Vec::new());
        assert_eq!(report.verdict, Verdict::Fail);
    }

    #[test]
    fn causes_are_counted_and_the_document_comes_back() {
        let report = report();
        let (a, b) = (&report.nodes[0], &report.nodes[1]);
        assert_eq!(
            (a.passed, a.total_seconds, a.slowest_seconds),
            (2, 2.0, 1.5)
        );
        assert_eq!(
            (b.causes["unreachable"], b.causes["pod"], b.late),
            (1, 1, 3)
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["kind"], "WatchReport");
        assert_eq!(json["nodes"][1]["lastWords"], "no \"room\"\\\n");
        assert_eq!(serde_json::from_value::<WatchReport>(json).unwrap(), report);
    }

    #[test]
    fn how_a_pod_ended_decides_what_is_counted() {
        let took = Duration::from_secs(1);
        let of = |end| Pull::of(end, took);
        assert_eq!(of(PullEnd::Ran), Pull::Passed(took));
        let refused = PullEnd::Failed(PullFailure::Unauthorized, "401".into());
        assert_eq!(
            of(refused),
            Pull::Failed("unauthorized".into(), "401".into())
        );
        let hangs = PullEnd::TimedOut("dial tcp: i/o timeout".into());
        assert!(matches!(of(hangs), Pull::Failed(cause, _) if cause == "unreachable"));
        let silent = PullEnd::Hung("Pulling: Pulling image".into());
        assert!(matches!(of(silent), Pull::Failed(cause, _) if cause == "timeout"));
        let idle = PullEnd::TimedOut("ContainerCreating".into());
        assert!(matches!(of(idle), Pull::Undecided(..)));
        assert!(matches!(
            of(PullEnd::NoPod("quota".into())),
            Pull::Undecided(..)
        ));
    }
}
