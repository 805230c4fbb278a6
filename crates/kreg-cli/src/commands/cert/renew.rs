//! `kreg cert renew`: a new certificate for the registry, under the CA it has.

use kreg::certificates::Renewed;
use kreg::{Proof, Scope};
use kreg_pki::View;

use super::args::{RenewArgs, RotationArgs};
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::proof;
use crate::session::Session;

pub(super) async fn run(app: &App, args: &RenewArgs) -> Result<Ending, Error> {
    if args.rotation != RotationArgs::default() {
        return Err(Error::usage(
            "--grace, --excuse, --finish and --roll-back go with --ca",
        ));
    }
    let session = Session::open(app, &args.target, true).await?;
    let certificates = super::certificates(app, &session, args.ca_key.as_ref())?;
    let kept = certificates.kept().await?;
    if args.if_due && !kept.before.renewal_due {
        return finish(app, &kept, None);
    }
    if args.dry_run {
        return finish(app, &certificates.renewal().await?, None);
    }
    let nodes = Nodes::new(&session, &[])?;
    let renewed = certificates.renew(nodes.access(), &session.on).await?;
    if args.skip_verify {
        return finish(app, &renewed, None);
    }
    let standing = session.registry.standing().await?;
    // On every node that trusts what is served now.
    let is_behind = |name: &str| renewed.behind.iter().any(|receipt| receipt.node == name);
    let names = nodes.access().nodes().iter().map(|node| node.name.clone());
    let scope = Scope {
        nodes: names.filter(|name| !is_behind(name)).collect(),
        ..Scope::default()
    };
    let proof = proof::prove(&session, &standing, scope).await?;
    finish(app, &renewed, Some(&proof))
}

fn finish(app: &App, renewed: &Renewed, proof: Option<&Proof>) -> Result<Ending, Error> {
    super::print(app, "CertRenewal", (renewed, text(renewed)), proof)?;
    fleet::judge(&renewed.behind, "not done")?;
    proof.map_or(Ok(Ending::Done), proof::judge)
}

fn text(renewed: &Renewed) -> String {
    let ends = |view: &View| format!("{} (ends {})", view.serial, view.not_after);
    let (registry, before) = (&renewed.registry, ends(&renewed.before));
    if renewed.changed {
        let after = ends(&renewed.after);
        format!("{registry} serves certificate {after} in the place of {before}.")
    } else if renewed.ahead.is_empty() {
        format!(
            "{registry} keeps certificate {before}: its renewal is not due; nothing was changed."
        )
    } else {
        let ahead = renewed.ahead.join("\n- ");
        format!("{registry} serves certificate {before}. Renewal would\n- {ahead}")
    }
}
