//! The proof: what is asked of kreg-verify, and how its report is shown and judged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kreg_auth::{Credentials, ExposeSecret as _, PullSecret};
use kreg_k8s::{Names, Place, Profile, RegistryState};
use kreg_verify::{
    CheckReport, NodePulls, NodeTrust, Report, Status, Target, Verdict, Verification, VerifyError,
};
use tokio::task::AbortHandle;

use crate::app::App;
use crate::commands::verify::told_to_end;
use crate::error::{Ending, Error, Tried as _};
use crate::fixes;
use crate::output;
use crate::session::Session;
use crate::spec;

/// What the proof needs of the registry's secrets.
pub(crate) struct Keys<'a> {
    pub(crate) bundle_pem: &'a str,
    pub(crate) credentials: &'a Credentials,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Proof {
    report: Report,
    /// What the registry logged about it, if it does not hold.
    complaints: Vec<String>,
}

/// What is asked for beyond the proof itself.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// These nodes; empty means all.
    pub(crate) nodes: Vec<String>,
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
    /// The registry's chain as its Secret holds it.
    pub(crate) stored_chain: Option<String>,
    pub(crate) users: Vec<Credentials>,
    /// What was read on the nodes.
    pub(crate) node_trust: Vec<NodeTrust>,
    /// The longest that one node's pull is waited for, where that is less than any wait may take.
    pub(crate) patience: Option<Duration>,
}

/// Pushes a fresh image and pulls it on these nodes, or on all where none are named.
pub(crate) async fn prove(
    app: &App,
    session: &Session,
    place: &Place,
    keys: &Keys<'_>,
    nodes: &[String],
) -> Result<Proof, Error> {
    let wanted = Wanted {
        nodes: nodes.to_vec(),
        ..Wanted::default()
    };
    prove_for(app, session, place, keys, wanted).await
}

/// The proof as a part of a command that goes on after it.
pub(crate) async fn prove_for(
    app: &App,
    session: &Session,
    place: &Place,
    keys: &Keys<'_>,
    wanted: Wanted,
) -> Result<Proof, Error> {
    let proof = prove_as(app, session, place, keys, wanted).await;
    end_by_signals(true);
    proof
}

/// As a shell has it for a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// A signal's handler stays for good; what follows a proof is to be ended as what was before it,
/// and the next proof by itself.
fn end_by_signals(end: bool) {
    static WAITING: Mutex<Option<AbortHandle>> = Mutex::new(None);
    let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = waiting.take() {
        before.abort();
    }
    if end {
        let signalled = told_to_end();
        let task = tokio::spawn(async {
            signalled.await;
            std::process::exit(INTERRUPTED);
        });
        *waiting = Some(task.abort_handle());
    }
}

/// The registry, as kreg-verify is told of it.
pub(crate) fn target(session: &Session, keys: &Keys<'_>) -> Result<Target, Error> {
    Ok(Target {
        host: spec::host(&session.place)?,
        ca_pem: keys.bundle_pem.to_owned(),
        credentials: keys.credentials.clone(),
    })
}

/// Pods in the registry's own namespace, on these nodes, or on all where none are named.
pub(crate) fn pulls(session: &Session, place: &Place, nodes: Vec<String>) -> NodePulls {
    let secret = Names::of(place).pull_secret.name().to_owned();
    let client = session.cluster.client().clone();
    let mut pulls = NodePulls::new(client, place.namespace(), Some(secret));
    pulls.instance = place.instance().to_owned();
    pulls.timeout = session.settings.timeout;
    pulls.by_name = place.profile() == Profile::Tutorial;
    pulls.only = nodes;
    pulls
}

pub(crate) async fn prove_as(
    app: &App,
    session: &Session,
    place: &Place,
    keys: &Keys<'_>,
    wanted: Wanted,
) -> Result<Proof, Error> {
    let target = target(session, keys)?;
    let mut pulls = pulls(session, place, wanted.nodes);
    if let Some(patience) = wanted.patience {
        pulls.timeout = pulls.timeout.min(patience);
    }
    let streams = session.cluster.streams().clone();
    let step = app.progress.step("proof");
    let mut proof = Verification::of_cluster(target, streams, place.namespace(), place.service())
        .on_nodes(pulls)
        .only(wanted.only)
        .skip(wanted.skip)
        .users(wanted.users)
        .node_trust(wanted.node_trust);
    if let Some(chain_pem) = wanted.stored_chain {
        proof = proof.stored_chain(chain_pem);
    }
    end_by_signals(false);
    let report = proof
        .run_until(told_to_end())
        .await
        .map(fixes::worded)
        .map_err(|cause| not_begun("cannot check anything at all", &cause))?;
    let (passed, failed, skipped) = report.counts();
    let mut summary = format!("{passed} of {} checks passed", passed + failed);
    if skipped > 0 {
        summary.push_str(&format!(", {skipped} skipped"));
    }
    match report.verdict {
        Verdict::Pass => step.done(summary),
        _ => step.failed(summary),
    }
    let complaints = match report.verdict {
        Verdict::Pass => Vec::new(),
        // A help and no more: without the right to read logs the proof fails all the same.
        _ => kreg_k8s::complaints(&session.cluster, place)
            .await
            .unwrap_or_default(),
    };
    Ok(Proof { report, complaints })
}

/// Words that select nothing are the user's to mend.
pub(crate) fn not_begun(what: &str, cause: &VerifyError) -> Error {
    let ending = match cause {
        VerifyError::UnknownCheck { .. }
        | VerifyError::NothingToCheck { .. }
        | VerifyError::NoCheck
        | VerifyError::NoSuchNode { .. } => Ending::Usage,
        _ => Ending::Failed,
    };
    Error::new(ending, what)
        .because(cause)
        .help_if(fixes::lacking(cause).map(str::to_owned))
}

/// The credentials that the cluster holds, for commands that are given none.
pub(crate) fn held_credentials(
    session: &Session,
    state: &RegistryState,
) -> Result<Credentials, Error> {
    let secret = &Names::of(&session.place).pull_secret;
    let missing = || {
        Error::failed(format!(
            "{secret} holds no credentials for {}",
            session.place.registry_name()
        ))
        .help("run `kreg up`: it makes them again")
    };
    let json = state.docker_config_json.as_ref().ok_or_else(missing)?;
    let parsed = PullSecret::parse(json.expose_secret().as_bytes())
        .tried(format!("cannot read {secret}"))?;
    let auth = parsed
        .get(&session.place.registry_name())
        .ok_or_else(missing)?;
    Credentials::new(auth.username(), auth.password().clone())
        .tried(format!("cannot use what {secret} holds"))
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
