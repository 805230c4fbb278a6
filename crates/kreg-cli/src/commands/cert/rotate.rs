//! `kreg cert renew --ca`: a new CA, step by step, each decided anew from what is really there.

use kreg_k8s::Profile;
use kreg_nodes::Receipt;
use kreg_pki::rotation::{Goal, Phase, Policy, Step};
use kreg_pki::{Authority, AuthorityRequest, Issuer as _, LeafRequest};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::args::RenewArgs;
use super::look::{self, Look};
use super::outlook::{self, Ahead};
use super::serving;
use super::view::View;
use crate::app::App;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet;
use crate::output;
use crate::proof::{self, Keys as ProofKeys, Proof};
use crate::session::{Session, count};

/// More steps than any rotation has; a cluster that others change meanwhile is not chased for ever.
const MOST: usize = 24;

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
    if session.place.profile() == Profile::Tutorial {
        return Err(Error::usage(
            "the tutorial profile has no CA: its certificate vouches for itself",
        )
        .help("`kreg cert renew` without --ca replaces it, on every node first"));
    }
    let mut rotation = Rotation {
        app,
        session: &session,
        ca_key: args
            .ca_key
            .clone()
            .or_else(|| app.config.tls.ca_key.clone()),
        goal: match (args.rotation.finish, args.rotation.roll_back) {
            (_, true) => Goal::RollBack,
            (true, _) => Goal::Finish,
            _ => Goal::Rotate,
        },
        policy: policy(&session, args)?,
        done: Vec::new(),
        proof: None,
        behind: Vec::new(),
    };
    if args.dry_run {
        let look = rotation.look().await?;
        let now = OffsetDateTime::now_utc();
        let ahead = outlook::steps(look.holdings.clone(), rotation.goal, &rotation.policy, now)?;
        return rotation.finish(&look, ahead, None);
    }
    let wait = rotation.go().await?;
    let look = rotation.look().await?;
    rotation.finish(&look, Vec::new(), wait)
}

/// Nodes that the configuration leaves out are excused by name, as those of the command line are.
fn policy(session: &Session, args: &RenewArgs) -> Result<Policy, Error> {
    let known = |name: &String| session.facts.nodes.iter().any(|node| &node.name == name);
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

struct Rotation<'a> {
    app: &'a App,
    session: &'a Session,
    ca_key: Option<std::path::PathBuf>,
    goal: Goal,
    policy: Policy,
    done: Vec<String>,
    proof: Option<Proof>,
    /// Nodes that could not be told of the last bundle.
    behind: Vec<Receipt>,
}

impl Rotation<'_> {
    async fn look(&self) -> Result<Look, Error> {
        Look::take(self.session, self.ca_key.as_deref()).await
    }

    /// Step after step until the goal is reached, or a moment that has to be waited for.
    async fn go(&mut self) -> Result<Option<OffsetDateTime>, Error> {
        let mut told_last = false;
        for _ in 0..MOST {
            let look = self.look().await?;
            let now = OffsetDateTime::now_utc();
            let step = look
                .holdings
                .next_step(self.goal, &self.policy, now)
                .tried("the rotation cannot go on; nothing was changed by this step")?;
            tracing::debug!(phase = ?look.holdings.phase(), ?step, "rotation");
            match &step {
                Step::Done => {
                    look.keys.tidy()?;
                    self.tell(&look, &look.holdings.published).await?;
                    return Ok(None);
                }
                Step::WaitUntil(end) => return Ok(Some(*end)),
                // Told once and still not there: nothing changes by telling again.
                Step::WaitForNodes { nodes, authority } if told_last => {
                    return Err(self.stopped(nodes, authority));
                }
                _ => {}
            }
            told_last = matches!(step, Step::WaitForNodes { .. });
            let words = outlook::told(&step);
            self.take(&look, step).await?;
            self.done.push(words);
        }
        Err(Error::failed("the rotation did not come to its end")
            .help("somebody else seems to work on it; run the same command again"))
    }

    async fn take(&mut self, look: &Look, step: Step) -> Result<(), Error> {
        let session = self.session;
        let shown = self.app.progress.step(outlook::told(&step));
        let serving = &look.holdings.serving;
        match step {
            Step::CreateAuthority => {
                look.keys.add(session, &self.authority()?).await?;
                // From here on the same run ends with this rotation and begins no other.
                self.goal = Goal::Finish;
                shown.done("");
            }
            Step::Publish(bundle) => {
                // Who signs follows what is served, also after a run that was killed.
                let signer = look
                    .holdings
                    .authorities
                    .iter()
                    .find(|authority| serving.is_issued_by(authority))
                    .map_or_else(|| Ok(look.keys.signer()), |issuer| look.keys.of(issuer))?;
                look.keys.publish(session, &bundle, signer).await?;
                shown.done("");
                self.tell(look, &bundle).await?;
            }
            Step::WaitForNodes { .. } => {
                // The line of what the nodes say takes its place.
                drop(shown);
                self.tell(look, &look.holdings.published).await?;
            }
            Step::Serve(by) => {
                let authority = look.keys.of(&by)?;
                look.keys
                    .publish(session, &look.holdings.published, authority)
                    .await?;
                let leaf = authority
                    .issue(&self.request(look)?)
                    .tried("cannot issue the registry's certificate")?;
                let bundle = look.holdings.published.to_pem();
                serving::serve(session, &look.state, &leaf, &bundle).await?;
                shown.done("");
            }
            Step::Prove => {
                drop(shown);
                let proof = self.prove(look).await?;
                let holds = proof.holds();
                self.proof = Some(proof);
                if !holds {
                    return self.unproven();
                }
                look.keys.note_proven(session, serving).await?;
            }
            Step::Drop(_) => {
                look.keys.keep_signer_only(session).await?;
                shown.done("");
                // What is left is one CA: the next look finds nothing more to do.
                self.goal = Goal::Finish;
            }
            _ => shown.done(""),
        }
        Ok(())
    }

    fn authority(&self) -> Result<Authority, Error> {
        let mut request = AuthorityRequest::new(self.session.place.instance());
        if let Some(days) = self.app.config.tls.ca_days {
            request = request.validity_days(days);
        }
        Authority::generate(&request).tried("cannot make a CA")
    }

    fn request(&self, look: &Look) -> Result<LeafRequest, Error> {
        let (app, session) = (self.app, self.session);
        let sans = serving::names(app, session, &look.state, &look.holdings.serving)?;
        let mut request = LeafRequest::new(session.place.service()).sans(sans);
        if let Some(days) = app.config.tls.leaf_days {
            request = request.validity_days(days);
        }
        Ok(request)
    }

    async fn tell(&mut self, look: &Look, bundle: &kreg_pki::TrustBundle) -> Result<(), Error> {
        let trust = look.trust(self.session, bundle)?;
        let step = self.app.progress.step("trust on the nodes");
        let (good, bad) = look::tell(&look.nodes, &trust);
        let summary = format!("{good} of {} done", count(look.nodes.len(), "node"));
        match bad.is_empty() {
            true => step.done(summary),
            false => step.partly(summary),
        }
        self.behind = bad;
        Ok(())
    }

    async fn prove(&self, look: &Look) -> Result<Proof, Error> {
        let nodes: Vec<String> = look
            .holdings
            .nodes
            .iter()
            .map(|node| node.name.clone())
            .filter(|name| !self.policy.excused.contains(name))
            .collect();
        let credentials = proof::held_credentials(self.session, &look.state)?;
        let keys = ProofKeys {
            bundle_pem: &look.holdings.published.to_pem(),
            credentials: &credentials,
        };
        proof::prove(self.app, self.session, &self.session.place, &keys, &nodes).await
    }

    fn unproven(&self) -> Result<(), Error> {
        let Some(proof) = &self.proof else {
            return Ok(());
        };
        output::whole(self.app.global.output, proof.report(), |_| proof.table())?;
        proof.judge().map(drop)
    }

    /// Some nodes do not trust the CA: the certificate stays where it is.
    fn stopped(&self, nodes: &[String], authority: &str) -> Error {
        let reason = |name: &String| {
            let told = self.behind.iter().find(|receipt| &receipt.node == name);
            match told {
                Some(receipt) => format!("- {receipt}"),
                None => format!("- {name}: it is not known what it trusts"),
            }
        };
        let lines: Vec<_> = nodes.iter().map(reason).collect();
        Error::new(
            Ending::Partial,
            format!(
                "{} not trust {authority} yet, so the registry keeps the certificate it has; every \
                 node goes on pulling:\n{}",
                match nodes.len() {
                    1 => "1 node does".to_owned(),
                    many => format!("{many} nodes do"),
                },
                lines.join("\n")
            ),
        )
        .help(
            "mend them and run the same command again; or leave one out with --excuse NODE; or go \
             back with --roll-back",
        )
    }

    fn finish(
        &self,
        look: &Look,
        ahead: Vec<Ahead>,
        wait: Option<OffsetDateTime>,
    ) -> Result<Ending, Error> {
        let now = OffsetDateTime::now_utc();
        let outcome = Outcome {
            registry: self.session.place.registry_name(),
            phase: look
                .holdings
                .phase()
                .tried("what the cluster holds fits no phase of a rotation")?,
            done: self.done.clone(),
            ahead,
            wait_until: wait
                .and_then(|end| end.replace_nanosecond(0).ok())
                .and_then(|end| end.format(&Rfc3339).ok()),
            serving: View::of(&look.holdings.serving, now),
            trusted: View::all(look.holdings.published.certificates(), now),
            proof: self.proof.as_ref().map(Proof::to_json).transpose()?,
        };
        output::print(self.app.global.output, "CaRotation", &outcome, |outcome| {
            text(outcome, self.proof.as_ref())
        })?;
        fleet::judge(&self.behind, "not told of the CA that is trusted now")?;
        Ok(match wait {
            Some(_) => Ending::Pending,
            None => Ending::Done,
        })
    }
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
