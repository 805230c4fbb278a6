//! The proof as it is shown and judged.

use kreg::{Scope, Standing};
use kreg_verify::{CheckReport, Report, Status, Verdict};

use serde::Serialize;

use crate::error::{Ending, Error, Tried as _};
use crate::fixes;
use crate::output;
use crate::session::Session;
use crate::signals::{end_by_signals, shutdown_signal};

/// What was found; as a document, its report.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Proof {
    report: Report,
    /// What the registry logged about it, if it does not hold.
    #[serde(skip)]
    complaints: Vec<String>,
}

impl From<kreg::Proof> for Proof {
    fn from(proof: kreg::Proof) -> Self {
        Self {
            report: fixes::worded(proof.report),
            complaints: proof.complaints,
        }
    }
}

/// The proof as a part of a command that goes on after it.
pub(crate) async fn prove(
    session: &Session,
    standing: &Standing,
    scope: Scope,
) -> Result<Proof, Error> {
    let proof = prove_last(session, standing, scope).await;
    end_by_signals(true);
    proof
}

/// The proof as the end of a command: a signal ends it, and it clears up by itself.
pub(crate) async fn prove_last(
    session: &Session,
    standing: &Standing,
    scope: Scope,
) -> Result<Proof, Error> {
    end_by_signals(false);
    let scope = Scope {
        timeout: Some(session.settings.timeout),
        ..scope
    };
    let proved = session
        .registry
        .prove(standing, scope, shutdown_signal(), &session.on);
    Ok(proved.await?.into())
}

impl Proof {
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn holds(&self) -> bool {
        self.report.verdict == Verdict::Pass
    }

    pub(crate) fn to_json(&self) -> Result<serde_json::Value, Error> {
        serde_json::to_value(&self.report).tried("cannot write the proof as JSON")
    }

    /// One line a check, and under a failed one what was seen.
    pub(crate) fn table(&self) -> String {
        let rows = self.report.checks.iter().map(|check| {
            let mark = match check.status {
                Status::Pass => "✓",
                Status::Fail => "✗",
                _ => "-",
            };
            [
                mark.to_owned(),
                check.name.clone(),
                check.node.clone().unwrap_or_default(),
                format!("{:.2} s", check.seconds),
                short(check),
            ]
        });
        let mut text = output::table(["", "CHECK", "NODE", "TIME", "FOUND"], rows);
        for failure in self.report.failures() {
            text.push_str(&format!("\n\n{}", detail(failure)));
        }
        output::coloured(&text)
    }

    /// After the result was printed.
    pub(crate) fn judge(&self) -> Result<Ending, Error> {
        if self.holds() {
            return Ok(Ending::Done);
        }
        let failures = self.report.failures();
        let mut lines: Vec<_> = failures.map(|check| format!("- {check}")).collect();
        if lines.is_empty() {
            lines.push(match self.report.interrupted {
                true => "- it was interrupted".to_owned(),
                false => "- no check came to a result, so nothing is shown".to_owned(),
            });
        }
        if !self.complaints.is_empty() {
            lines.push("the registry's own log says:".to_owned());
            lines.extend(self.complaints.iter().map(|text| format!("- {text}")));
        }
        Err(Error::new(
            Ending::ProofFailed,
            format!("the proof does not hold:\n{}", lines.join("\n")),
        )
        .help("`kreg doctor` names the cause and the way out")
        .told())
    }
}

/// What was found, on the rest of one line; a failure stands below in whole, all of it in reports.
fn short(check: &CheckReport) -> String {
    let line = check.message.lines().next().unwrap_or_default();
    let room = match check.status {
        Status::Fail => 80,
        _ => 110,
    };
    match line.char_indices().nth(room) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

fn detail(check: &CheckReport) -> String {
    let mut text = format!("✗ {}: {}", check.title, check.message);
    for evidence in &check.evidence {
        text.push_str(&format!(
            "\n  {}: {}",
            evidence.label,
            evidence.text.replace('\n', "\n    ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use kreg_verify::Outcome;

    use super::*;

    fn proof(verdict: Verdict, checks: &[(&str, Option<&str>, Status, &str)]) -> Proof {
        let mut report = Report::new("r:5000".to_owned(), String::new(), String::new());
        report.verdict = verdict;
        report.checks = checks
            .iter()
            .map(|(name, node, status, message)| {
                let outcome = match status {
                    Status::Pass => Outcome::pass(*message),
                    Status::Fail => Outcome::fail(*message),
                    _ => Outcome::skipped(*message),
                };
                let title = format!("claim of {name}");
                CheckReport::new(name, title, *node, outcome.with("event", "a\nb"), 0.25)
            })
            .collect();
        Proof {
            report,
            complaints: vec!["level=error".to_owned()],
        }
    }

    #[test]
    fn the_table_has_a_line_a_check_and_a_failure_in_whole_below() {
        let long = format!("x509: {}\nsecond line", "very ".repeat(40));
        let proof = proof(
            Verdict::Fail,
            &[
                ("tls", None, Status::Pass, "valid"),
                ("node-pull", Some("w1"), Status::Fail, &long),
                ("delete", None, Status::Skipped, "deletion is off"),
            ],
        );
        let text = anstream::adapter::strip_str(&proof.table()).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("CHECK") && lines[0].contains("FOUND"));
        for (line, words) in [
            (lines[1], &["✓", "tls", "0.25 s", "valid"] as &[_]),
            (lines[2], &["✗", "node-pull", "w1", "x509: very", "…"]),
            (lines[3], &["-", "delete", "deletion is off"]),
        ] {
            let all = words.iter().all(|word| line.contains(word));
            assert!(all, "{words:?}: {line}");
            assert!(line.chars().count() < 130, "{line}");
        }
        let below = lines[4..].join("\n");
        assert_eq!(
            below,
            format!("\n✗ claim of node-pull: {long}\n  event: a\n    b")
        );
    }

    #[test]
    fn what_showed_nothing_is_told_so_and_ends_with_4() {
        let error = proof(Verdict::Fail, &[("cleanup", None, Status::Pass, "")])
            .judge()
            .unwrap_err();
        assert_eq!(error.ending(), Ending::ProofFailed);
        assert!(error.message().contains("nothing is shown"), "{error}");
        let good = proof(Verdict::Pass, &[("tls", None, Status::Pass, "")]);
        assert_eq!(good.judge().unwrap(), Ending::Done);
        let failed = proof(Verdict::Fail, &[("tls", None, Status::Fail, "expired")]);
        let told = failed.judge().unwrap_err().message().to_owned();
        assert!(
            told.contains("expired") && told.contains("level=error"),
            "{told}"
        );
        assert!(!told.contains("nothing is shown"), "{told}");
    }
}
