//! `kreg status`: the registry, its certificates and users, and which nodes trust it.

mod guard;

use kreg::{Comparison, Held, Role};
use kreg_auth::User;
use kreg_k8s::{Drift, ObjectRef, WorkloadState};
use kreg_nodes::Receipt;
use kreg_nodes::daemonset::StandingAgents;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::TargetArgs;
use crate::commands::nodes;
use crate::context::App;
use crate::error::{Ending, Error};
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateRow {
    role: Role,
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
    let nodes = Nodes::new(&session, &[])?;
    let access = Some(nodes.access());
    let status = session.registry.status(access, &session.on).await?;
    let (is_ready, has_drift) = (status.is_ready(), status.has_drift());
    let drift = match status.drift {
        Comparison::Drift(drift) => Some(drift),
        Comparison::NotDeclared => {
            app.progress
                .note("drift is not looked for: an older kreg put this registry up");
            None
        }
        Comparison::Denied(message) => {
            app.progress
                .note(format!("drift is not looked for: {message}"));
            None
        }
        _ => None,
    };
    let now = OffsetDateTime::now_utc();
    let place = session.registry.place();
    let outcome = Outcome {
        registry: place.registry_name(),
        namespace: place.namespace().to_owned(),
        cluster_ip: status.state.cluster_ip,
        workload: status.state.workload,
        certificates: status
            .certificates
            .iter()
            .map(|one| row(one, now))
            .collect(),
        users: status.users.into_iter().map(user).collect(),
        drift,
        unlisted: status.unlisted,
        agents: status.agents,
        nodes: status.nodes,
        unprotected: guard::complaint(&status.guard),
    };
    for due in outcome.certificates.iter().filter(|row| row.renewal_due) {
        app.progress.note(due.advice());
    }
    output::print(app.global.output, "Status", &outcome, text)?;
    fleet::judge(&outcome.nodes, "could not be looked at")?;
    Ok(match (is_ready, has_drift) {
        (false, _) => Ending::Failed,
        (true, true) => Ending::Pending,
        (true, false) => Ending::Done,
    })
}

fn row(held: &Held, now: OffsetDateTime) -> CertificateRow {
    let certificate = &held.certificate;
    CertificateRow {
        role: held.role,
        subject: certificate.subject().to_owned(),
        not_after: certificate.not_after().format(&Rfc3339).unwrap_or_default(),
        days_left: (certificate.not_after() - now).whole_days(),
        renewal_due: held.is_renewal_due,
        fingerprint: certificate.fingerprint().to_owned(),
    }
}

fn user(user: User) -> UserRow {
    UserRow {
        usable: user.hash.is_accepted_by_registry(),
        name: user.name,
    }
}

impl CertificateRow {
    /// What to do about one whose renewal is due.
    fn advice(&self) -> String {
        let (what, option) = match self.role {
            Role::Registry => ("registry's certificate", ""),
            Role::Trusted => ("trusted certificate", " --ca"),
        };
        format!(
            "the {what} ends in {} days, and then every pull fails: run `kreg cert renew{option}`",
            self.days_left
        )
    }
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
                output::word(&row.role),
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
    use super::*;

    #[test]
    fn a_certificate_that_ends_is_renewed_by_its_own_command() {
        let advice = |role| {
            CertificateRow {
                role,
                subject: String::new(),
                not_after: String::new(),
                days_left: 132,
                renewal_due: true,
                fingerprint: String::new(),
            }
            .advice()
        };
        let leaf = advice(Role::Registry);
        assert!(
            leaf.contains("in 132 days") && leaf.ends_with("`kreg cert renew`"),
            "{leaf}"
        );
        assert!(advice(Role::Trusted).ends_with("`kreg cert renew --ca`"));
    }
}
