//! The proof as it is shown and judged.

use kreg::{Scope, Standing};
use kreg_verify::{Report, Verdict};

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
        output::coloured(&self.report.to_text())
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

#[cfg(test)]
mod tests {
    use kreg_verify::{CheckReport, Outcome};

    use super::*;

    fn proof(verdict: Verdict, name: &str, outcome: Outcome) -> Proof {
        let mut report = Report::new("r:5000".to_owned(), String::new(), String::new());
        report.verdict = verdict;
        let title = format!("claim of {name}");
        report.checks = vec![CheckReport::new(name, title, None, outcome, 0.25)];
        Proof {
            report,
            complaints: vec!["level=error".to_owned()],
        }
    }

    #[test]
    fn what_showed_nothing_is_told_so_and_ends_with_4() {
        let error = proof(Verdict::Fail, "cleanup", Outcome::pass(""))
            .judge()
            .unwrap_err();
        assert_eq!(error.ending(), Ending::ProofFailed);
        assert!(error.message().contains("nothing is shown"), "{error}");
        let good = proof(Verdict::Pass, "tls", Outcome::pass(""));
        assert_eq!(good.judge().unwrap(), Ending::Done);
        let failed = proof(Verdict::Fail, "tls", Outcome::fail("expired"));
        let told = failed.judge().unwrap_err().message().to_owned();
        assert!(
            told.contains("expired") && told.contains("level=error"),
            "{told}"
        );
        assert!(!told.contains("nothing is shown"), "{told}");
    }
}
