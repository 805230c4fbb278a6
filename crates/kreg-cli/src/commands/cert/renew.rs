//! `kreg cert renew`: a new certificate for the registry, under the CA it has.

use kreg_nodes::Receipt;
use kreg_pki::{Certificate, Issuer as _, Leaf, LeafRequest, SelfSigned, TrustBundle};
use serde::Serialize;
use time::OffsetDateTime;

use super::args::RenewArgs;
use super::keys::Keys;
use super::view::View;
use super::{look, serving};
use crate::app::App;
use crate::args::ProfileArg;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::proof::{self, Proof};
use crate::session::{Session, count};
use kreg_k8s::RegistryState;

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
    let state = session.existing().await?;
    let bundle = state.ca_bundle_pem.as_deref().ok_or_else(|| {
        Error::failed("the registry has no certificate yet").help("run `kreg up`")
    })?;
    let before = serving::leaf(&session, bundle).await?;
    let now = OffsetDateTime::now_utc();
    let mut outcome = Outcome {
        registry: session.place.registry_name(),
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
    let issue = Issue {
        app,
        session: &session,
        state: &state,
        before: &before,
        bundle,
    };
    if args.dry_run {
        outcome.ahead = issue.ahead(args).await?;
        output::print(app.global.output, "CertRenewal", &outcome, |outcome| {
            text(outcome, None)
        })?;
        return Ok(Ending::Done);
    }
    let (leaf, trusted, behind) = match session.profile() {
        ProfileArg::Default => {
            let leaf = issue.under_ca(args).await?;
            (leaf, bundle.to_owned(), Vec::new())
        }
        ProfileArg::Tutorial => issue.self_signed().await?,
    };
    outcome.changed = true;
    outcome.after = View::of(leaf.certificate(), now);
    outcome.nodes = behind;
    let proof = match args.skip_verify {
        true => None,
        false => Some(issue.prove(&trusted, &outcome.nodes).await?),
    };
    outcome.proof = proof.as_ref().map(Proof::to_json).transpose()?;
    output::print(app.global.output, "CertRenewal", &outcome, |outcome| {
        text(outcome, proof.as_ref())
    })?;
    fleet::judge(&outcome.nodes, "not done")?;
    proof.as_ref().map_or(Ok(Ending::Done), Proof::judge)
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

struct Issue<'a> {
    app: &'a App,
    session: &'a Session,
    state: &'a RegistryState,
    before: &'a Certificate,
    /// What nodes are told to trust.
    bundle: &'a str,
}

impl Issue<'_> {
    async fn keys(&self, args: &RenewArgs) -> Result<Keys, Error> {
        let outside = args.ca_key.as_ref().or(self.app.config.tls.ca_key.as_ref());
        Keys::read(self.session, self.state, outside.map(|file| file.as_path())).await
    }

    fn request(&self, blank: LeafRequest) -> Result<LeafRequest, Error> {
        let (app, session) = (self.app, self.session);
        let names = serving::names(app, session, self.state, self.before)?;
        let request = blank.sans(names);
        Ok(match app.config.tls.leaf_days {
            Some(days) => request.validity_days(days),
            None => request,
        })
    }

    async fn ahead(&self, args: &RenewArgs) -> Result<Vec<String>, Error> {
        let request = self.request(LeafRequest::new(self.session.place.service()))?;
        let names: Vec<_> = request
            .requested_sans()
            .iter()
            .map(ToString::to_string)
            .collect();
        let names = names.join(", ");
        Ok(match self.session.profile() {
            ProfileArg::Default => vec![
                format!(
                    "issue a certificate for {names} under {}",
                    self.keys(args).await?.signer().certificate().subject()
                ),
                "have the registry serve it: one restart, nodes stay as they are".to_owned(),
            ],
            ProfileArg::Tutorial => vec![
                format!("make a self-signed certificate for {names}"),
                "tell every node to trust the old one and the new one".to_owned(),
                "have the registry serve the new one: one restart".to_owned(),
                "tell every node to trust the new one alone".to_owned(),
            ],
        })
    }

    /// Nodes trust the CA already: nothing to tell them.
    async fn under_ca(&self, args: &RenewArgs) -> Result<Leaf, Error> {
        let keys = self.keys(args).await?;
        let leaf = keys
            .signer()
            .issue(&self.request(LeafRequest::new(self.session.place.service()))?)
            .tried("cannot issue the registry's certificate")?;
        let step = self.app.progress.step("new certificate");
        serving::serve(self.session, self.state, &leaf, self.bundle).await?;
        step.done("served");
        Ok(leaf)
    }

    /// The certificate is its own anchor: it reaches every node before the registry serves it. A
    /// run that is cut short leaves a node that trusts one certificate too many, until the next.
    async fn self_signed(&self) -> Result<(Leaf, String, Vec<Receipt>), Error> {
        let session = self.session;
        let blank = SelfSigned::request(session.place.service())
            .tried("the registry's name cannot stand in a certificate")?;
        let request = self.request(blank)?;
        let leaf = tokio::task::block_in_place(|| SelfSigned.issue(&request))
            .tried("cannot make the self-signed certificate")?;
        let new = SelfSigned.trust(&leaf);
        let old = TrustBundle::from_pem(self.bundle, "the registry's certificate")
            .tried("cannot read the certificate that the cluster holds")?
            .union(&TrustBundle::from(self.before.clone()));
        let nodes = Nodes::new(session, &session.facts, &[])?;
        let behind = self.tell(&nodes, "trust in both on the nodes", &old.union(&new))?;
        if !behind.is_empty() {
            return Err(Error::new(
                Ending::Partial,
                format!(
                    "not every node trusts the new certificate, so the registry keeps the one it \
                     has; every node goes on pulling:\n{}",
                    fleet::listed(&behind)
                ),
            )
            .help(
                "mend them and run the same command again; nodes.skip in kreg.toml leaves one out",
            ));
        }
        let step = self.app.progress.step("new certificate");
        serving::serve(session, self.state, &leaf, &new.to_pem()).await?;
        step.done("served");
        let behind = self.tell(&nodes, "trust in the new one alone", &new)?;
        Ok((leaf, new.to_pem(), behind))
    }

    fn tell(&self, nodes: &Nodes, what: &str, bundle: &TrustBundle) -> Result<Vec<Receipt>, Error> {
        let trust = look::trust_of(self.session, self.state, bundle)?;
        let step = self.app.progress.step(what);
        let (good, bad) = look::tell(nodes, &trust);
        let summary = format!("{good} of {} done", count(nodes.len(), "node"));
        match bad.is_empty() {
            true => step.done(summary),
            false => step.partly(summary),
        }
        Ok(bad)
    }

    async fn prove(&self, bundle_pem: &str, behind: &[Receipt]) -> Result<Proof, Error> {
        let session = self.session;
        let credentials = proof::held_credentials(session, self.state)?;
        let keys = proof::Keys {
            bundle_pem,
            credentials: &credentials,
        };
        let skipped = &session.settings.nodes.skip;
        let nodes: Vec<String> = session
            .facts
            .nodes
            .iter()
            .map(|node| node.name.clone())
            .filter(|name| !skipped.contains(name))
            .filter(|name| behind.iter().all(|receipt| &receipt.node != name))
            .collect();
        proof::prove(self.app, session, &session.place, &keys, &nodes).await
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
