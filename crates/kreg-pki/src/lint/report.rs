//! Findings of several sources as one document.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::finding::{Client, Finding, Severity};

/// What was looked at, and what is wrong with it, errors first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Report {
    /// What was looked at.
    pub looked_at: Vec<String>,
    /// What was found.
    pub findings: Vec<Row>,
    /// How many findings are errors.
    pub errors: usize,
    /// How many are warnings.
    pub warnings: usize,
}

/// A finding, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Which of the things that were looked at, in a word or two.
    pub source: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Which rule: the name of a [`Code`](super::Code), or one of the source's own.
    pub code: &'static str,
    /// What it is about, in words.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// TLS clients that refuse the registry for it.
    pub refused_by: BTreeSet<Client>,
}

impl Report {
    /// Sorts and counts the findings.
    #[must_use]
    pub fn new(looked_at: Vec<String>, mut findings: Vec<Row>) -> Self {
        findings.sort_by_key(|row| row.severity);
        let errors = findings.iter();
        let errors = errors.filter(|row| row.severity == Severity::Error).count();
        Self {
            looked_at,
            warnings: findings.len() - errors,
            errors,
            findings,
        }
    }
}

impl Row {
    /// Findings of [`Lint`](super::Lint) in one source.
    pub fn all(source: &'static str, findings: Vec<Finding>) -> impl Iterator<Item = Self> {
        findings.into_iter().map(move |finding| Self {
            source,
            severity: finding.severity,
            code: finding.code.as_str(),
            subject: finding.subject,
            message: finding.message,
            remedy: finding.remedy,
            refused_by: finding.refused_by,
        })
    }
}

/// Each finding on lines of its own, then how many there are.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.findings {
            writeln!(f, "{row}")?;
        }
        let count = |number, what| match number {
            1 => format!("1 {what}"),
            _ => format!("{number} {what}s"),
        };
        write!(
            f,
            "{}, {} in {}",
            count(self.errors, "error"),
            count(self.warnings, "warning"),
            self.looked_at.join(", ")
        )
    }
}

/// The finding, who refuses for it, and what to do, each on a line.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({}): {}: {}",
            self.severity, self.code, self.source, self.subject, self.message
        )?;
        if !self.refused_by.is_empty() {
            let names: Vec<_> = self.refused_by.iter().map(Client::to_string).collect();
            write!(f, "\n  refused by {}", names.join(", "))?;
        }
        write!(f, "\n  remedy: {}", self.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Code;
    use super::*;

    #[test]
    fn errors_come_first_and_are_counted() {
        let warning = Finding::new(Code::LongLived, "CN=r", "10 years", []);
        let error = Finding::new(Code::CaAsLeaf, "CN=r", "CA:TRUE", [Client::Rustls]);
        let rows = Row::all("files", vec![warning, error]).collect();
        let report = Report::new(vec!["a.crt".to_owned(), "ca.crt".to_owned()], rows);
        assert_eq!((report.errors, report.warnings), (1, 1));
        assert_eq!(
            serde_json::to_value(&report.findings[0]).unwrap(),
            serde_json::json!({
                "source": "files", "severity": "error", "code": "ca-as-leaf", "subject": "CN=r",
                "message": "CA:TRUE", "remedy": Code::CaAsLeaf.remedy(), "refusedBy": ["rustls"]
            })
        );
        let text = report.to_string();
        assert!(
            text.starts_with(
                "error ca-as-leaf (files): CN=r: CA:TRUE\n  refused by rustls\n  remedy: "
            ),
            "{text}"
        );
        assert!(
            text.ends_with("\n1 error, 1 warning in a.crt, ca.crt"),
            "{text}"
        );
    }
}
