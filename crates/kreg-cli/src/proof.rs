//! The proof: what is asked of kreg-verify, and how its report is shown and judged.

use kreg_auth::{Credentials, ExposeSecret as _, PullSecret};
use kreg_k8s::{Names, RegistrySpec, RegistryState};
use kreg_verify::{
    CheckReport, NodePulls, NodeTrust, Report, Status, Target, Verdict, Verification,
};

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
}

/// Pushes a fresh image and pulls it on these nodes, or on all where none are named.
pub(crate) async fn prove(
    app: &App,
    session: &Session,
    spec: &RegistrySpec,
    keys: &Keys<'_>,
    nodes: &[String],
) -> Result<Proof, Error> {
    let wanted = Wanted {
        nodes: nodes.to_vec(),
        ..Wanted::default()
    };
    prove_as(app, session, spec, keys, wanted).await
}

/// The registry, as kreg-verify is told of it.
pub(crate) fn target(session: &Session, keys: &Keys<'_>) -> Result<Target, Error> {
    Ok(Target {
        host: session.settings.host()?,
        ca_pem: keys.bundle_pem.to_owned(),
        credentials: keys.credentials.clone(),
    })
}

/// Pods in the registry's own namespace, on these nodes, or on all where none are named.
pub(crate) fn pulls(session: &Session, spec: &RegistrySpec, nodes: Vec<String>) -> NodePulls {
    let secret = Names::of(spec).pull_secret.name().to_owned();
    let client = session.cluster.client().clone();
    let mut pulls = NodePulls::new(client, spec.namespace(), Some(secret));
    pulls.instance = spec.instance().to_owned();
    pulls.timeout = session.settings.timeout;
    pulls.only = nodes;
    pulls
}

pub(crate) async fn prove_as(
    app: &App,
    session: &Session,
    spec: &RegistrySpec,
    keys: &Keys<'_>,
    wanted: Wanted,
) -> Result<Proof, Error> {
    let target = target(session, keys)?;
    let pulls = pulls(session, spec, wanted.nodes);
    let client = pulls.client.clone();
    let step = app.progress.step("proof");
    let mut proof = Verification::of_cluster(target, client, spec.namespace(), spec.service())
        .on_nodes(pulls)
        .only(wanted.only)
        .skip(wanted.skip)
        .users(wanted.users)
        .node_trust(wanted.node_trust);
    if let Some(chain_pem) = wanted.stored_chain {
        proof = proof.stored_chain(chain_pem);
    }
    let report = proof
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
