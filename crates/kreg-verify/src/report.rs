//! The result of a verification, for people and for programs.

#[cfg(feature = "reports")]
pub(crate) mod file;
#[cfg(feature = "reports")]
mod html;
#[cfg(feature = "reports")]
pub(crate) mod junit;
#[cfg(feature = "reports")]
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::{CLEANUP, Evidence, Outcome, Status};
use crate::remedy::Remedy;

/// The name of this document's form; a form that old readers would misread gets another.
pub const SCHEMA: &str = "kreg/v1";

/// What `kind` says in the document.
const KIND: &str = "VerifyReport";

/// Everything that a verification found, in the order in which checks are listed.
///
/// Serialises to one JSON object with `"schema": "kreg/v1"` and `"kind": "VerifyReport"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    schema: String,
    kind: String,
    /// The registry, as in image references.
    pub registry: String,
    /// The probe image, `host:port/repository@sha256:...`.
    pub image: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// How long it took in all, in seconds.
    pub seconds: f64,
    /// The answer to "does it work?".
    pub verdict: Verdict,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Each check, node by node where it is about nodes.
    pub checks: Vec<CheckReport>,
}

/// The answer to "does it work?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No check failed, at least one passed beside the clearing up, and nothing cut it short.
    Pass,
    /// Anything else: what was not shown is not claimed.
    Fail,
}

/// One check's result. `Display` gives one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its stable name, such as `tls`.
    pub name: String,
    /// The claim in words.
    pub title: String,
    /// About which node, if about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What became of it.
    pub status: Status,
    /// What was seen, or why not and what to do.
    pub message: String,
    /// How long it took, in seconds, to the millisecond.
    pub seconds: f64,
    /// What was observed on the way.
    #[serde(default)]
    pub evidence: Vec<Evidence>,
    /// What repairs it, where kreg can do that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

impl Report {
    /// A report without checks about this registry and probe image, both as in image references;
    /// `started` is RFC 3339, UTC. Add to [`Report::checks`], then call [`Report::conclude`].
    #[must_use]
    pub fn new(registry: String, image: String, started: String) -> Report {
        Report {
            schema: SCHEMA.to_owned(),
            kind: KIND.to_owned(),
            registry,
            image,
            started,
            seconds: 0.0,
            verdict: Verdict::Fail,
            interrupted: false,
            checks: Vec::new(),
        }
    }

    /// Sets the time that it took in all, and the verdict by the checks and by
    /// [`Report::interrupted`].
    pub fn conclude(&mut self, seconds: f64) {
        self.seconds = milliseconds(seconds);
        self.verdict = verdict(&self.checks, self.interrupted);
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks
            .iter()
            .filter(|check| check.status == Status::Fail)
    }

    /// The names of nodes about which a check failed, each once, in the report's order.
    #[must_use]
    pub fn failed_nodes(&self) -> Vec<&str> {
        unique(self.failures())
    }

    /// The checks that are about no node, in the report's order.
    pub fn of_registry(&self) -> impl Iterator<Item = &CheckReport> {
        self.checks.iter().filter(|check| check.node.is_none())
    }

    /// The checks about this node, in the report's order.
    pub fn of_node<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a CheckReport> {
        self.checks
            .iter()
            .filter(move |check| check.node.as_deref() == Some(node))
    }

    /// The names of every node that a check is about, each once, in the report's order.
    #[must_use]
    pub fn nodes(&self) -> Vec<&str> {
        unique(self.checks.iter())
    }

    /// How many checks passed, failed and were skipped.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |status| {
            self.checks
                .iter()
                .filter(|check| check.status == status)
                .count()
        };
        (
            count(Status::Pass),
            count(Status::Fail),
            count(Status::Skipped),
        )
    }
}

fn unique<'a>(checks: impl Iterator<Item = &'a CheckReport>) -> Vec<&'a str> {
    let mut nodes = Vec::new();
    for node in checks.filter_map(|check| check.node.as_deref()) {
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    nodes
}

fn verdict(checks: &[CheckReport], interrupted: bool) -> Verdict {
    let is = |check: &CheckReport, status| check.status == status;
    let failed = checks.iter().any(|check| is(check, Status::Fail));
    // That nothing is left of a proof proves nothing by itself.
    let mut own = checks.iter().filter(|check| check.name != CLEANUP);
    let passed = own.any(|check| is(check, Status::Pass));
    if !interrupted && passed && !failed {
        Verdict::Pass
    } else {
        Verdict::Fail
    }
}

impl CheckReport {
    /// What a check by this name and with this claim found; `seconds` is kept to the millisecond.
    #[must_use]
    pub fn new(
        name: &str,
        title: impl Into<String>,
        node: Option<&str>,
        outcome: Outcome,
        seconds: f64,
    ) -> CheckReport {
        CheckReport {
            name: name.to_owned(),
            title: title.into(),
            node: node.map(str::to_owned),
            status: outcome.status,
            message: outcome.message,
            seconds: milliseconds(seconds),
            evidence: outcome.evidence,
            remedy: outcome.remedy,
        }
    }
}

pub(crate) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::Pass => "pass",
            Status::Fail => "FAIL",
            Status::Skipped => "skip",
        })
    }
}

impl fmt::Display for CheckReport {
    /// `pass    0.03 s  tls  ...`, with the node after the name where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<4} {:>7.2} s  {}",
            self.status, self.seconds, self.name
        )?;
        if let Some(node) = &self.node {
            write!(f, " {node}")?;
        }
        let one_line = self
            .message
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        write!(f, "  {one_line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, node: Option<&str>) -> CheckReport {
        CheckReport::new("node-pull", "a claim", node, outcome, 1.236_4)
    }

    #[test]
    fn only_passes_make_a_pass_and_nothing_makes_none() {
        let (pass, fail, skip) = (Outcome::pass(""), Outcome::fail(""), Outcome::skipped(""));
        let of = |outcomes: &[&Outcome], interrupted| {
            let checks: Vec<_> = outcomes.iter().map(|o| check((*o).clone(), None)).collect();
            verdict(&checks, interrupted)
        };
        assert_eq!(of(&[&pass, &skip], false), Verdict::Pass);
        assert_eq!(of(&[&pass, &fail], false), Verdict::Fail);
        assert_eq!(of(&[&skip], false), Verdict::Fail);
        assert_eq!(of(&[], false), Verdict::Fail);
        assert_eq!(of(&[&pass], true), Verdict::Fail);
        let mut cleanup = check(pass.clone(), None);
        cleanup.name = CLEANUP.to_owned();
        let skipped = check(skip.clone(), None);
        assert_eq!(verdict(&[cleanup.clone()], false), Verdict::Fail);
        assert_eq!(verdict(&[skipped, cleanup], false), Verdict::Fail);
    }

    #[test]
    fn a_check_is_one_line() {
        let failed = check(Outcome::fail("x509:\n  unknown authority"), Some("w1"));
        assert_eq!(
            failed.to_string(),
            "FAIL    1.24 s  node-pull w1  x509: unknown authority"
        );
    }

    #[test]
    fn the_document_says_its_form_and_comes_back_as_it_was() {
        let mut report = Report::new(
            "r:5000".into(),
            "r:5000/a@sha256:0".into(),
            "2026-01-01T00:00:00Z".into(),
        );
        report.checks = vec![check(
            Outcome::fail("no").with("event", "Failed"),
            Some("w1"),
        )];
        report.conclude(2.0);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], "kreg/v1");
        assert_eq!(json["kind"], "VerifyReport");
        assert_eq!(json["verdict"], "fail");
        assert_eq!(json["checks"][0]["status"], "fail");
        assert_eq!(json["checks"][0]["seconds"], 1.236);
        assert_eq!(json["checks"][0]["evidence"][0]["text"], "Failed");
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
        assert_eq!(report.failed_nodes(), ["w1"]);
        assert_eq!(report.counts(), (0, 1, 0));
    }
}
