//! `kreg status`: the registry, its certificates and users, and which nodes trust it.

use kreg_auth::{ExposeSecret as _, Htpasswd, User};
use kreg_k8s::{RegistryState, WorkloadState};
use kreg_nodes::{Receipt, State};
use kreg_pki::TrustBundle;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::args::TargetArgs;
use crate::commands::nodes;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::Session;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    namespace: String,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<std::net::IpAddr>,
    workload: WorkloadState,
    certificates: Vec<CertificateRow>,
    users: Vec<UserRow>,
    nodes: Vec<Receipt>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateRow {
    role: &'static str,
    subject: String,
    not_after: String,
    days_left: i64,
    fingerprint: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserRow {
    name: String,
    /// Whether the registry lets an entry of this kind log in.
    usable: bool,
}

pub(crate) async fn run(app: &App, args: &TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, args, true).await?;
    let state = session.existing().await?;
    let nodes = match (state.cluster_ip, &state.ca_bundle_pem) {
        (Some(address), Some(bundle)) => {
            let step = app.progress.step("nodes by ssh");
            let trust = fleet::trust(&session.settings, &session.spec, address, bundle)?;
            let receipts = Nodes::new(&session.settings, &session.facts, &[])?.status(&trust);
            step.done("");
            receipts
        }
        _ => Vec::new(),
    };
    let outcome = Outcome {
        registry: session.spec.registry_name(),
        namespace: session.spec.namespace().to_owned(),
        cluster_ip: state.cluster_ip,
        certificates: certificates(&state, OffsetDateTime::now_utc())?,
        users: users(&state),
        workload: state.workload,
        nodes,
    };
    output::print(app.global.output, "Status", &outcome, text)?;
    fleet::judge(&outcome.nodes, "could not be looked at")?;
    let drift = outcome
        .nodes
        .iter()
        .any(|receipt| receipt.state == State::Changed);
    let ready = matches!(outcome.workload, WorkloadState::Ready { .. });
    Ok(match (ready, drift) {
        (false, _) => Ending::Failed,
        (true, true) => Ending::Pending,
        (true, false) => Ending::Done,
    })
}

fn certificates(state: &RegistryState, now: OffsetDateTime) -> Result<Vec<CertificateRow>, Error> {
    let mut rows = Vec::new();
    for (role, pem) in [
        ("registry", &state.tls_chain_pem),
        ("trusted", &state.ca_bundle_pem),
    ] {
        let Some(pem) = pem else { continue };
        let bundle = TrustBundle::from_pem(pem, role)
            .tried("cannot read a certificate that the cluster holds")?;
        for certificate in bundle.certificates() {
            rows.push(CertificateRow {
                role,
                subject: certificate.subject().to_owned(),
                not_after: certificate.not_after().format(&Rfc3339).unwrap_or_default(),
                days_left: (certificate.not_after() - now).whole_days(),
                fingerprint: certificate.fingerprint().to_owned(),
            });
        }
    }
    Ok(rows)
}

fn users(state: &RegistryState) -> Vec<UserRow> {
    let row = |user: User| UserRow {
        usable: user.hash.is_accepted_by_registry(),
        name: user.name,
    };
    state
        .htpasswd
        .iter()
        .flat_map(|text| Htpasswd::parse(text.expose_secret()).users())
        .map(row)
        .collect()
}

fn text(outcome: &Outcome) -> String {
    let address = outcome
        .cluster_ip
        .map_or_else(|| "no address".to_owned(), |address| address.to_string());
    let mut parts = vec![format!(
        "{} in namespace {}, {address}: {}",
        outcome.registry, outcome.namespace, outcome.workload
    )];
    parts.push(output::table(
        ["CERTIFICATE", "SUBJECT", "ENDS", "DAYS LEFT"],
        outcome.certificates.iter().map(|row| {
            [
                row.role.to_owned(),
                row.subject.clone(),
                row.not_after.clone(),
                row.days_left.to_string(),
            ]
        }),
    ));
    parts.push(output::table(
        ["USER", "CAN LOG IN"],
        outcome.users.iter().map(|row| {
            [
                row.name.clone(),
                if row.usable { "yes" } else { "no: not bcrypt" }.to_owned(),
            ]
        }),
    ));
    if !outcome.nodes.is_empty() {
        parts.push(nodes::table(&outcome.nodes, nodes::found));
    }
    parts.join("\n\n")
}
