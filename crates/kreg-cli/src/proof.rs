//! The proof: what is asked of kreg-verify, and how its report is shown and judged.

use kreg_auth::{Credentials, ExposeSecret as _, PullSecret};
use kreg_k8s::{Names, RegistrySpec, RegistryState};
use kreg_verify::{CheckReport, NodePulls, Report, Status, Target, Verdict, Verification};

use crate::app::App;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::session::Session;

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

/// Pushes a fresh image and pulls it on these nodes, or on all where none are named.
pub(crate) async fn prove(
    app: &App,
    session: &Session,
    spec: &RegistrySpec,
    keys: &Keys<'_>,
    nodes: &[String],
) -> Result<Proof, Error> {
    let client = session.cluster.client();
    let target = Target {
        host: session.settings.host()?,
        ca_pem: keys.bundle_pem.to_owned(),
        credentials: keys.credentials.clone(),
    };
    let mut pulls = NodePulls::new(
        client.clone(),
        spec.namespace(),
        Some(Names::of(spec).pull_secret.name().to_owned()),
    );
    pulls.instance = spec.instance().to_owned();
    pulls.timeout = session.settings.timeout;
    pulls.only = nodes.to_vec();
    let step = app.progress.step("proof");
    let report = Verification::of_cluster(target, client.clone(), spec.namespace(), spec.service())
        .on_nodes(pulls)
        .run_until(async {
            // Without a signal handler the run just goes to its end.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
        .tried("cannot check anything at all")?;
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
        _ => kreg_k8s::complaints(&session.cluster, spec)
            .await
            .unwrap_or_default(),
    };
    Ok(Proof { report, complaints })
}

/// The credentials that the cluster holds, for commands that are given none.
pub(crate) fn held_credentials(
    session: &Session,
    state: &RegistryState,
) -> Result<Credentials, Error> {
    let secret = &Names::of(&session.spec).pull_secret;
    let missing = || {
        Error::failed(format!(
            "{secret} holds no credentials for {}",
            session.spec.registry_name()
        ))
        .help("run `kreg up`: it makes them again")
    };
    let json = state.docker_config_json.as_ref().ok_or_else(missing)?;
    let parsed = PullSecret::parse(json.expose_secret().as_bytes())
        .tried(format!("cannot read {secret}"))?;
    let auth = parsed
        .get(&session.spec.registry_name())
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
                check.message.lines().next().unwrap_or_default().to_owned(),
            ]
        });
        let mut text = output::table(["", "CHECK", "NODE", "TIME", "FOUND"], rows);
        for failure in self.report.failures() {
            text.push_str(&format!("\n\n{}", detail(failure)));
        }
        text
    }

    /// After the result was printed.
    pub(crate) fn judge(&self) -> Result<Ending, Error> {
        if self.holds() {
            return Ok(Ending::Done);
        }
        let failures = self.report.failures();
        let mut lines: Vec<_> = failures.map(|check| format!("- {check}")).collect();
        if !self.complaints.is_empty() {
            lines.push("the registry's own log says:".to_owned());
            lines.extend(self.complaints.iter().map(|text| format!("- {text}")));
        }
        Err(Error::new(
            Ending::ProofFailed,
            format!("the proof does not hold:\n{}", lines.join("\n")),
        )
        .told())
    }
}

fn detail(check: &CheckReport) -> String {
    let place = check
        .node
        .as_ref()
        .map(|node| format!(" on {node}"))
        .unwrap_or_default();
    let mut text = format!("{}{place}: {}", check.title, check.message);
    for evidence in &check.evidence {
        text.push_str(&format!(
            "\n  {}: {}",
            evidence.label,
            evidence.text.replace('\n', "\n    ")
        ));
    }
    text
}
