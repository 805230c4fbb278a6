//! `kreg cert renew --ca`: a new CA, step by step, each decided anew from what is really there.

use kreg::certificates::{CertificatesError, Rotated};
use kreg_pki::rotation::{Goal, Phase, Policy};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::args::RenewArgs;
use super::view::View;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::proof::Proof;
use crate::session::Session;
use crate::signals::{end_by_signals, shutdown_signal};

#[derive(Debug, Serialize)]
struct Ahead {
    phase: Phase,
    step: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    /// Where the rotation stands now.
    phase: Phase,
    /// What was done, in order; with --dry-run empty.
    done: Vec<String>,
    /// With --dry-run: what would be done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ahead: Vec<Ahead>,
    /// Nothing is left to do before this moment, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_until: Option<String>,
    serving: View,
    trusted: Vec<View>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<serde_json::Value>,
}

pub(super) async fn run(app: &App, args: &RenewArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let registry = &session.registry;
    let certificates = super::certificates(app, &session, args.ca_key.as_ref())?;
    let goal = match (args.rotation.finish, args.rotation.roll_back) {
        (_, true) => Goal::RollBack,
        (true, _) => Goal::Finish,
        _ => Goal::Rotate,
    };
    let policy = policy(&session, args)?;
    let nodes = Nodes::new(&session, &[])?;
    let all = registry.facts().nodes.iter().map(|node| node.name.clone());
    let rotation = certificates.rotation(nodes.access(), all.collect(), goal, policy);
    if args.dry_run {
        let (ahead, rotated) = rotation.ahead().await?;
        return finish(app, &session, ahead, rotated);
    }
    end_by_signals(false);
    let rotated = rotation.run(shutdown_signal, &session.on).await;
    end_by_signals(true);
    match rotated {
        Err(kreg::Error::Certificates(CertificatesError::Unproven(proof))) => {
            let proof = Proof::from(*proof);
            output::whole(app.global.output, proof.report(), |_| proof.table())?;
            proof.judge()
        }
        other => finish(app, &session, Vec::new(), other?),
    }
}

/// Nodes that the configuration leaves out are excused by name, as those of the command line are.
fn policy(session: &Session, args: &RenewArgs) -> Result<Policy, Error> {
    let known = |name: &String| {
        session
            .registry
            .facts()
            .nodes
            .iter()
            .any(|node| &node.name == name)
    };
    if let Some(stranger) = args.rotation.excused.iter().find(|name| !known(name)) {
        return Err(Error::usage(format!(
            "--excuse {stranger}: there is no such node in this cluster"
        )));
    }
    let skipped = session.settings.nodes.skip.iter();
    let mut policy = Policy {
        excused: args
            .rotation
            .excused
            .iter()
            .chain(skipped)
            .cloned()
            .collect(),
        ..Policy::default()
    };
    if let Some(grace) = args.rotation.grace {
        policy.grace = Duration::try_from(grace)
            .map_err(|cause| Error::usage("--grace is too long").because(&cause))?;
    }
    Ok(policy)
}

fn finish(
    app: &App,
    session: &Session,
    ahead: Vec<kreg::certificates::Ahead>,
    rotated: Rotated,
) -> Result<Ending, Error> {
    let now = OffsetDateTime::now_utc();
    let proof = rotated.proof.map(Proof::from);
    let wait = rotated.wait_until;
    let outcome = Outcome {
        registry: session.registry.place().registry_name(),
        phase: rotated.phase,
        done: rotated.done.iter().map(ToString::to_string).collect(),
        ahead: ahead
            .into_iter()
            .map(|one| Ahead {
                phase: one.phase,
                step: one.deed.to_string(),
            })
            .collect(),
        wait_until: wait
            .and_then(|end| end.replace_nanosecond(0).ok())
            .and_then(|end| end.format(&Rfc3339).ok()),
        serving: View::of(&rotated.serving, now),
        trusted: View::all(rotated.trusted.certificates(), now),
        proof: proof.as_ref().map(Proof::to_json).transpose()?,
    };
    output::print(app.global.output, "CaRotation", &outcome, |outcome| {
        text(outcome, proof.as_ref())
    })?;
    fleet::judge(&rotated.behind, "not told of the CA that is trusted now")?;
    Ok(match wait {
        Some(_) => Ending::Pending,
        None => Ending::Done,
    })
}

fn text(outcome: &Outcome, proof: Option<&Proof>) -> String {
    let mut parts = Vec::new();
    if let Some(proof) = proof {
        parts.push(proof.table());
    }
    if !outcome.ahead.is_empty() {
        let rows = outcome
            .ahead
            .iter()
            .map(|one| [output::word(&one.phase), one.step.clone()]);
        parts.push(output::table(["PHASE", "WOULD"], rows));
    }
    let trusted: Vec<_> = outcome
        .trusted
        .iter()
        .map(|one| format!("{} (until {})", one.subject, one.not_after))
        .collect();
    parts.push(format!(
        "{} is in phase {}: serves under {}; nodes are told to trust {}.",
        outcome.registry,
        output::word(&outcome.phase),
        outcome.serving.issuer,
        trusted.join(" and ")
    ));
    if let Some(end) = &outcome.wait_until {
        parts.push(format!(
            "Both stay trusted until {end}; run the same command again then, or now with --grace 0s."
        ));
    }
    parts.join("\n\n")
}
