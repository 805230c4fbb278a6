//! `kreg cert renew`: a new certificate for the registry, under the CA it has.

use kreg::Scope;
use kreg::certificates::Renewal;
use kreg_nodes::Receipt;
use serde::Serialize;
use time::OffsetDateTime;

use super::args::RenewArgs;
use super::view::View;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::proof::{self, Proof};
use crate::session::Session;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    changed: bool,
    before: View,
    /// What is served now; with --dry-run, or if nothing was due, the same as before.
    after: View,
    /// With --dry-run: what would be done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ahead: Vec<String>,
    nodes: Vec<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<serde_json::Value>,
}

pub(super) async fn run(app: &App, args: &RenewArgs) -> Result<Ending, Error> {
    words_of_a_rotation(args)?;
    let session = Session::open(app, &args.target, true).await?;
    let certificates = super::certificates(app, &session, args.ca_key.as_ref())?;
    let before = certificates.leaf().await?;
    let now = OffsetDateTime::now_utc();
    let mut outcome = Outcome {
        registry: session.registry.place().registry_name(),
        changed: false,
        before: View::of(&before, now),
        after: View::of(&before, now),
        ahead: Vec::new(),
        nodes: Vec::new(),
        proof: None,
    };
    if args.if_due && !before.needs_renewal(now, before.renewal_threshold()) {
        output::print(app.global.output, "CertRenewal", &outcome, |outcome| {
            text(outcome, None)
        })?;
        return Ok(Ending::Done);
    }
    if args.dry_run {
        outcome.ahead = ahead(&certificates.renewal().await?);
        output::print(app.global.output, "CertRenewal", &outcome, |outcome| {
            text(outcome, None)
        })?;
        return Ok(Ending::Done);
    }
    let nodes = Nodes::new(&session, &[])?;
    let renewed = certificates.renew(nodes.access(), &session.on).await?;
    outcome.changed = true;
    outcome.after = View::of(&renewed.after, now);
    outcome.nodes = renewed.behind;
    let proof = if args.skip_verify {
        None
    } else {
        Some(prove(&session, &outcome.nodes).await?)
    };
    outcome.proof = proof.as_ref().map(Proof::to_json).transpose()?;
    output::print(app.global.output, "CertRenewal", &outcome, |outcome| {
        text(outcome, proof.as_ref())
    })?;
    fleet::judge(&outcome.nodes, "not done")?;
    proof.as_ref().map_or(Ok(Ending::Done), Proof::judge)
}

/// What would be done, in order.
fn ahead(renewal: &Renewal) -> Vec<String> {
    let names: Vec<_> = renewal.sans.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    match &renewal.signer {
        Some(signer) => vec![
            format!("issue a certificate for {names} under {signer}"),
            "have the registry serve it: one restart, nodes stay as they are".to_owned(),
        ],
        None => vec![
            format!("make a self-signed certificate for {names}"),
            "tell every node to trust the old one and the new one".to_owned(),
            "have the registry serve the new one: one restart".to_owned(),
            "tell every node to trust the new one only".to_owned(),
        ],
    }
}

/// On every node that trusts what is served now.
async fn prove(session: &Session, behind: &[Receipt]) -> Result<Proof, Error> {
    let standing = session.registry.standing().await?;
    let skipped = &session.settings.nodes.skip;
    let nodes = session.registry.facts().nodes.iter();
    let nodes = nodes.map(|node| node.name.clone());
    let scope = Scope {
        nodes: nodes
            .filter(|name| !skipped.contains(name))
            .filter(|name| behind.iter().all(|receipt| &receipt.node != name))
            .collect(),
        ..Scope::default()
    };
    proof::prove(session, &standing, scope).await
}

fn words_of_a_rotation(args: &RenewArgs) -> Result<(), Error> {
    let rotation = &args.rotation;
    let some = rotation.grace.is_some()
        || !rotation.excused.is_empty()
        || rotation.finish
        || rotation.roll_back;
    match some {
        false => Ok(()),
        true => Err(Error::usage(
            "--grace, --excuse, --finish and --roll-back go with --ca",
        )),
    }
}

fn text(outcome: &Outcome, proof: Option<&Proof>) -> String {
    let mut parts = Vec::new();
    if let Some(proof) = proof {
        parts.push(proof.table());
    }
    let ends = |view: &View| format!("{} (ends {})", view.serial, view.not_after);
    parts.push(match (outcome.changed, outcome.ahead.is_empty()) {
        (true, _) => format!(
            "{} serves certificate {} in the place of {}.",
            outcome.registry,
            ends(&outcome.after),
            ends(&outcome.before)
        ),
        (false, true) => format!(
            "{} keeps certificate {}: its renewal is not due; nothing was changed.",
            outcome.registry,
            ends(&outcome.before)
        ),
        (false, false) => format!(
            "{} serves certificate {}. Renewal would\n- {}",
            outcome.registry,
            ends(&outcome.before),
            outcome.ahead.join("\n- ")
        ),
    });
    parts.join("\n\n")
}
