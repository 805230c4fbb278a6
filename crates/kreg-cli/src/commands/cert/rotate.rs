//! `kreg cert renew --ca`: a new CA, step by step, each decided again from what is really there.

use kreg::certificates::{CertificatesError, Rotated};
use kreg::nodes::split;
use kreg_pki::rotation::{Goal, Policy};

use super::args::RenewArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::proof;
use crate::session::Session;
use crate::signals::signalled_in_proof;

pub(super) async fn run(app: &App, args: &RenewArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let certificates = super::certificates(app, &session, args.ca_key.as_ref())?;
    let goal = match (args.rotation.finish, args.rotation.roll_back) {
        (_, true) => Goal::RollBack,
        (true, _) => Goal::Finish,
        _ => Goal::Rotate,
    };
    let policy = policy(&session, args)?;
    let nodes = Nodes::new(&session, &[])?;
    let rotation = certificates.rotation(nodes.access(), goal, policy);
    if args.dry_run {
        return finish(app, rotation.ahead().await?);
    }
    match rotation.run(signalled_in_proof, &session.on).await {
        Err(kreg::Error::Certificates(CertificatesError::Unproven(proof))) => {
            let proof = proof::worded(*proof);
            output::whole(app.global.output, &proof.report, |_| proof::table(&proof))?;
            proof::judge(&proof)
        }
        other => finish(app, other?),
    }
}

/// Nodes that the configuration leaves out are excused by name, as those of the command line are.
fn policy(session: &Session, args: &RenewArgs) -> Result<Policy, Error> {
    let excused = &args.rotation.excused;
    let (_, strangers) = split(session.registry.facts(), excused);
    if let Some(stranger) = strangers.first() {
        return Err(Error::usage(format!(
            "--excuse {stranger}: there is no such node in this cluster"
        )));
    }
    let skipped = &session.settings.nodes.skip;
    Ok(Policy {
        excused: excused.iter().chain(skipped).cloned().collect(),
        grace: args.rotation.grace.unwrap_or(Policy::default().grace),
    })
}

fn finish(app: &App, mut rotated: Rotated) -> Result<Ending, Error> {
    let proof = rotated.proof.take().map(proof::worded);
    let words = text(&rotated);
    super::print(app, "CaRotation", (&rotated, words), proof.as_ref())?;
    fleet::judge(&rotated.behind, "without the CA that is trusted now")?;
    Ok(match rotated.wait_until {
        Some(_) => Ending::Pending,
        None => Ending::Done,
    })
}

fn text(rotated: &Rotated) -> String {
    let mut parts = Vec::new();
    if !rotated.ahead.is_empty() {
        let ahead = rotated.ahead.iter();
        let rows = ahead.map(|one| [output::word(&one.phase), one.deed.to_string()]);
        parts.push(output::table(["PHASE", "WOULD"], rows));
    }
    let trusted = rotated.trusted.iter();
    let trusted = trusted.map(|one| format!("{} (until {})", one.subject, one.not_after));
    parts.push(format!(
        "{} is in phase {}: serves under {}; nodes are told to trust {}.",
        rotated.registry,
        output::word(&rotated.phase),
        rotated.serving.issuer,
        trusted.collect::<Vec<_>>().join(" and ")
    ));
    if let Some(end) = &rotated.wait_until {
        parts.push(format!(
            "Both stay trusted until {end}; run the same command again then, or now with --grace 0s."
        ));
    }
    parts.join("\n\n")
}
