//! `kreg status`: the registry, its certificates and users, and which nodes trust it.

mod guard;

use kreg::{Comparison, Role, Status};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use crate::args::TargetArgs;
use crate::commands::nodes;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::Session;

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    status: Status,
    /// Why others are not kept out of the agents on the nodes; none if they are, or if there are no agents.
    #[serde(rename = "agentsUnprotected", skip_serializing_if = "Option::is_none")]
    unprotected: Option<String>,
}

pub(crate) async fn run(app: &App, args: &TargetArgs) -> Result<Ending, Error> {
    let session = Session::open(app, args, true).await?;
    let nodes = Nodes::new(&session, &[])?;
    let access = Some(nodes.access());
    let status = session.registry.status(access, &session.on).await?;
    match &status.drift {
        Comparison::NotDeclared => app
            .progress
            .note("drift is not looked for: an older kreg put this registry up"),
        Comparison::Denied(message) => app
            .progress
            .note(format!("drift is not looked for: {message}")),
        _ => {}
    }
    for due in status.certificates.iter().filter(|held| held.renewal_due) {
        app.progress.note(advice(due.role, due.days_left));
    }
    let shown = Shown {
        unprotected: guard::complaint(&status.guard),
        status,
    };
    output::print(app.global.output, "Status", &shown, text)?;
    let status = shown.status;
    fleet::judge(&status.nodes, "could not be looked at")?;
    Ok(match (status.is_ready(), status.has_drift()) {
        (false, _) => Ending::Failed,
        (true, true) => Ending::Pending,
        (true, false) => Ending::Done,
    })
}

/// What to do about a certificate whose renewal is due.
fn advice(role: Role, days_left: i64) -> String {
    let (what, option) = match role {
        Role::Registry => ("registry's certificate", ""),
        Role::Trusted => ("trusted certificate", " --ca"),
    };
    format!(
        "the {what} ends in {days_left} days, and then every pull fails: run `kreg cert renew{option}`"
    )
}

fn text(shown: &Shown) -> String {
    let status = &shown.status;
    let address = status
        .cluster_ip
        .map_or_else(|| "no address".to_owned(), |address| address.to_string());
    let mut parts = vec![format!(
        "{} in namespace {}, {address}: {}",
        status.registry, status.namespace, status.workload
    )];
    parts.push(output::table(
        ["CERTIFICATE", "SUBJECT", "ENDS", "DAYS LEFT"],
        status.certificates.iter().map(|row| {
            [
                output::word(&row.role),
                row.subject.clone(),
                row.not_after.format(&Rfc3339).unwrap_or_default(),
                match row.renewal_due {
                    true => format!("{}, renewal is due", row.days_left),
                    false => row.days_left.to_string(),
                },
            ]
        }),
    ));
    parts.push(output::table(
        ["USER", "CAN LOG IN"],
        status.users.iter().map(|row| {
            [
                row.name.clone(),
                if row.usable { "yes" } else { "no: not bcrypt" }.to_owned(),
            ]
        }),
    ));
    if let Comparison::Drift(drift) = &status.drift
        && !drift.is_empty()
    {
        let lines = drift.iter().map(ToString::to_string);
        parts.push(format!(
            "CHANGED BY HAND (`kreg up` takes it back)\n{}",
            lines.collect::<Vec<_>>().join("\n")
        ));
    }
    if !status.unlisted.is_empty() {
        let named = status.unlisted.iter().map(ToString::to_string);
        parts.push(format!(
            "NOT COPIES OF THE PULL SECRET (labelled as such, but `kreg secret apply` did not make them; they get nothing)\n{}",
            named.collect::<Vec<_>>().join("\n")
        ));
    }
    let agents = status.agents.as_ref();
    parts.extend(agents.map(|agents| format!("AGENTS run {agents}")));
    if !status.nodes.is_empty() {
        parts.push(nodes::table(&status.nodes, nodes::found));
    }
    if let Some(why) = &shown.unprotected {
        parts.push(format!("AGENTS NOT PROTECTED: {why}"));
    }
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_ends_is_renewed_by_its_own_command() {
        let leaf = advice(Role::Registry, 132);
        assert!(
            leaf.contains("in 132 days") && leaf.ends_with("`kreg cert renew`"),
            "{leaf}"
        );
        assert!(advice(Role::Trusted, 132).ends_with("`kreg cert renew --ca`"));
    }
}
