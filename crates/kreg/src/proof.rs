//! What a proof found.

use kreg_verify::{Report, Verdict};
use serde::Serialize;

/// What was found; in JSON, its report.
#[derive(Debug, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Proof {
    /// Check by check.
    pub report: Report,
    /// What the registry logged about it, if the proof does not hold.
    #[serde(skip)]
    pub complaints: Vec<String>,
}

impl Proof {
    /// Whether every check passed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.report.verdict == Verdict::Pass
    }

    /// Why it does not hold: each failure and what the registry logged, a line each; none if it holds.
    #[must_use]
    pub fn objections(&self) -> Vec<String> {
        if self.holds() {
            return Vec::new();
        }
        let failures = self.report.failures();
        let mut lines: Vec<_> = failures.map(|check| format!("- {check}")).collect();
        if lines.is_empty() {
            let why = if self.report.interrupted {
                "- it was interrupted"
            } else {
                "- no check came to a result, so nothing is shown"
            };
            lines.push(why.to_owned());
        }
        if !self.complaints.is_empty() {
            lines.push("the registry's own log says:".to_owned());
            lines.extend(self.complaints.iter().map(|text| format!("- {text}")));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use kreg_verify::{CheckReport, Outcome};

    use super::*;

    fn objections(verdict: Verdict, name: &str, outcome: Outcome) -> Vec<String> {
        let mut report = Report::new("r:5000".to_owned(), String::new(), String::new());
        report.verdict = verdict;
        let title = format!("claim of {name}");
        report.checks = vec![CheckReport::new(name, title, None, outcome, 0.25)];
        let complaints = vec!["level=error".to_owned()];
        Proof { report, complaints }.objections()
    }

    #[test]
    fn what_showed_nothing_says_so_and_what_failed_says_what() {
        let shown = |lines: Vec<String>| lines.join("\n");
        let nothing = shown(objections(Verdict::Fail, "cleanup", Outcome::pass("")));
        assert!(nothing.contains("nothing is shown"), "{nothing}");
        assert!(objections(Verdict::Pass, "tls", Outcome::pass("")).is_empty());
        let failed = shown(objections(Verdict::Fail, "tls", Outcome::fail("expired")));
        assert!(
            failed.contains("expired") && failed.contains("level=error"),
            "{failed}"
        );
        assert!(!failed.contains("nothing is shown"), "{failed}");
    }
}
