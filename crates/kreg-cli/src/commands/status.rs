//! `kreg status`: the registry, its certificates and users, and which nodes trust it.

mod guard;

use kreg_auth::{ExposeSecret as _, Htpasswd, User};
use kreg_k8s::{Drift, ObjectRef, RegistrySpec, RegistryState, WorkloadState, pull};
use kreg_nodes::daemonset::StandingAgents;
use kreg_nodes::{Receipt, State};
use kreg_pki::{Certificate, TrustBundle};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::agents::Guard;
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
    /// What was changed by hand; none if it could not be looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Vec<Drift>>,
    /// Secrets that carry the labels of copies of the pull secret and are none.
    #[serde(rename = "unlistedCopies", skip_serializing_if = "Vec::is_empty")]
    unlisted: Vec<ObjectRef>,
    /// What the agents on the nodes run and may write, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    agents: Option<StandingAgents>,
    nodes: Vec<Receipt>,
    /// Why others are not kept out of the agents on the nodes; none if they are, or if there are no agents.
    #[serde(rename = "agentsUnprotected", skip_serializing_if = "Option::is_none")]
    unprotected: Option<String>,
}

/// Roles of certificates: what the registry serves, and what clients are told to trust.
const REGISTRY: &str = "registry";
const TRUSTED: &str = "trusted";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateRow {
    role: &'static str,
    subject: String,
    not_after: String,
    days_left: i64,
    /// In the last third of its life, or not valid now; a trusted one only if it issued what is served.
    renewal_due: bool,
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
            let nodes = Nodes::new(&session, &session.facts, &[])?;
            let step = app.progress.step(format!("nodes by {}", nodes.way()));
            let trust = fleet::trust(&session.settings, &session.place, address, bundle)?;
            let receipts = nodes.status(&trust);
            step.done("");
            receipts
        }
        _ => Vec::new(),
    };
    let drift = drift(app, &session, &state).await?;
    let guard = match session.agents.are_there() {
        true => Guard::look(&session.cluster, session.facts.version.as_deref()).await?,
        false => Guard::InPlace,
    };
    let unlisted = pull::unlisted(&session.cluster, &session.place)
        .await
        .tried("cannot look for Secrets that are labelled as copies of the pull secret")?;
    let outcome = Outcome {
        registry: session.place.registry_name(),
        namespace: session.place.namespace().to_owned(),
        cluster_ip: state.cluster_ip,
        certificates: certificates(
            state.tls_chain_pem.as_deref(),
            state.ca_bundle_pem.as_deref(),
            OffsetDateTime::now_utc(),
        )?,
        users: users(&state),
        workload: state.workload,
        drift,
        unlisted,
        agents: session.agents.standing().cloned(),
        nodes,
        unprotected: guard::complaint(&guard),
    };
    for due in outcome.certificates.iter().filter(|row| row.renewal_due) {
        app.progress.note(due.advice());
    }
    output::print(app.global.output, "Status", &outcome, text)?;
    fleet::judge(&outcome.nodes, "could not be looked at")?;
    let drift = outcome
        .nodes
        .iter()
        .any(|receipt| receipt.state == State::Changed)
        || guard.is_drift()
        || outcome
            .drift
            .as_ref()
            .is_some_and(|found| !found.is_empty());
    let ready = matches!(outcome.workload, WorkloadState::Ready { .. });
    Ok(match (ready, drift) {
        (false, _) => Ending::Failed,
        (true, true) => Ending::Pending,
        (true, false) => Ending::Done,
    })
}

/// Every object against what the last `up` made of it. A registry whose inventory does not say is
/// not judged, nor is one that the user may not write to: the server is asked by a dry run.
async fn drift(
    app: &App,
    session: &Session,
    state: &RegistryState,
) -> Result<Option<Vec<Drift>>, Error> {
    let Some(inventory) = &state.inventory else {
        return Ok(None);
    };
    let spec = RegistrySpec::recalled(&session.place, inventory)
        .tried("cannot tell what this registry should be")?;
    let Some(spec) = spec else {
        app.progress
            .note("drift is not looked for: an older kreg put this registry up");
        return Ok(None);
    };
    match kreg_k8s::drift(&session.cluster, &spec, state).await {
        Err(kreg_k8s::Error::Denied { message, .. }) => {
            app.progress
                .note(format!("drift is not looked for: {message}"));
            Ok(None)
        }
        other => other
            .tried("cannot compare the registry with what `up` made")
            .map(Some),
    }
}

fn certificates(
    chain: Option<&str>,
    bundle: Option<&str>,
    now: OffsetDateTime,
) -> Result<Vec<CertificateRow>, Error> {
    let read = |pem: Option<&str>, what| match pem {
        Some(pem) => TrustBundle::from_pem(pem, what)
            .tried("cannot read a certificate that the cluster holds"),
        None => Ok(TrustBundle::default()),
    };
    let chain = read(chain, REGISTRY)?;
    let trusted = read(bundle, TRUSTED)?;
    // A self-signed one is in both, and its renewal is that of the registry's.
    let used: Vec<_> = trusted
        .issuers_of(chain.certificates())
        .filter(|root| !chain.contains(root))
        .collect();
    let row = |role, certificate: &Certificate| CertificateRow {
        role,
        subject: certificate.subject().to_owned(),
        not_after: certificate.not_after().format(&Rfc3339).unwrap_or_default(),
        days_left: (certificate.not_after() - now).whole_days(),
        renewal_due: certificate.needs_renewal(now, certificate.renewal_threshold())
            && (role == REGISTRY || used.contains(&certificate)),
        fingerprint: certificate.fingerprint().to_owned(),
    };
    let served = chain.certificates().iter().map(|one| row(REGISTRY, one));
    let roots = trusted.certificates().iter().map(|one| row(TRUSTED, one));
    Ok(served.chain(roots).collect())
}

impl CertificateRow {
    /// What to do about one whose renewal is due.
    fn advice(&self) -> String {
        let (what, option) = match self.role {
            REGISTRY => ("registry's certificate", ""),
            _ => ("trusted certificate", " --ca"),
        };
        format!(
            "the {what} ends in {} days, and then every pull fails: run `kreg cert renew{option}`",
            self.days_left
        )
    }
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
                match row.renewal_due {
                    true => format!("{}, renewal is due", row.days_left),
                    false => row.days_left.to_string(),
                },
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
    let changed = outcome
        .drift
        .iter()
        .flatten()
        .map(drifted)
        .collect::<Vec<_>>();
    if !changed.is_empty() {
        parts.push(format!(
            "CHANGED BY HAND (`kreg up` mends it)\n{}",
            changed.join("\n")
        ));
    }
    if !outcome.unlisted.is_empty() {
        let named = outcome.unlisted.iter().map(ToString::to_string);
        parts.push(format!(
            "NOT COPIES OF THE PULL SECRET (labelled as such, but `kreg secret apply` did not make them; they get nothing)\n{}",
            named.collect::<Vec<_>>().join("\n")
        ));
    }
    parts.extend(outcome.agents.as_ref().map(agents));
    if !outcome.nodes.is_empty() {
        parts.push(nodes::table(&outcome.nodes, nodes::found));
    }
    if let Some(why) = &outcome.unprotected {
        parts.push(format!("AGENTS NOT PROTECTED: {why}"));
    }
    parts.join("\n\n")
}

/// What the agents run, and what of their nodes they may write.
fn agents(standing: &StandingAgents) -> String {
    let writes = match standing.writes.as_slice() {
        [] => "nothing".to_owned(),
        dirs => dirs.join(", "),
    };
    let why = match (
        &standing.why_etc,
        standing.writes.iter().any(|dir| dir == "/etc"),
    ) {
        (Some(why), true) => {
            format!("; /etc as a whole, which is as good as root of the node, for {why}")
        }
        (None, true) => "; /etc as a whole, which is as good as root of the node".to_owned(),
        (_, false) => String::new(),
    };
    format!(
        "AGENTS run {} and may write, on their node, {writes}{why}",
        standing.image
    )
}

fn drifted(one: &Drift) -> String {
    let value = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .map_or("unset".to_owned(), ToString::to_string)
    };
    match one {
        Drift::Missing { object } => format!("{object} is gone"),
        Drift::Foreign { object } => format!("{} is {}", object.object, object.owner),
        Drift::Field { object, field, by } => {
            let who = by.as_ref().map_or_else(
                || "by a hand that left no trace".to_owned(),
                |edit| match &edit.time {
                    Some(time) => format!("by {} at {time}", edit.manager),
                    None => format!("by {}", edit.manager),
                },
            );
            let (now, then) = (value(&field.before), value(&field.after));
            format!("{object} {}: {now}, should be {then}, {who}", field.path)
        }
        _ => "something else".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kreg_pki::{Authority, AuthorityRequest, Issuer as _, LeafRequest, SelfSigned};
    use time::Duration;

    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 12:00 UTC);

    fn advice(chain: &str, bundle: &str, after_days: i64) -> Vec<String> {
        certificates(Some(chain), Some(bundle), NOW + Duration::days(after_days))
            .unwrap()
            .iter()
            .filter(|row| row.renewal_due)
            .map(CertificateRow::advice)
            .collect()
    }

    #[test]
    fn status_warns_in_the_last_third_and_says_how_to_renew() {
        let ca = |days| {
            let request = AuthorityRequest::new("r").issued_at(NOW);
            Authority::generate(&request.validity_days(days)).unwrap()
        };
        let (used, old) = (ca(3650), ca(100));
        let leaf = LeafRequest::new("r")
            .sans(["r".parse().unwrap()])
            .issued_at(NOW);
        let chain = used.issue(&leaf).unwrap().chain_pem();
        // The old CA, which issued nothing that is served, may end.
        let bundle = used.bundle().union(&old.bundle()).to_pem();
        assert_eq!(advice(&chain, &bundle, 264), Vec::<String>::new());
        let due = advice(&chain, &bundle, 265);
        assert!(due.len() == 1 && due[0].contains("in 132 days"), "{due:?}");
        assert!(due[0].ends_with("`kreg cert renew`"), "{due:?}");
        let both = advice(&chain, &bundle, 3000);
        assert!(both.len() == 2 && both[1].contains("--ca"), "{both:?}");
    }

    #[test]
    fn a_self_signed_certificate_is_warned_of_once() {
        let request = SelfSigned::request("r").unwrap().issued_at(NOW);
        let leaf = SelfSigned.issue(&request).unwrap();
        let bundle = SelfSigned.trust(&leaf).to_pem();
        assert_eq!(advice(&leaf.chain_pem(), &bundle, 300).len(), 1);
    }
}
