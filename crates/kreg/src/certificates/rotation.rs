//! A new CA, step by step, each decided again from what is really there.

use std::future::Future;

use kreg_nodes::{NodeAccess, Receipt};
use kreg_pki::rotation::{Goal, Phase, Policy, Step};
use kreg_pki::{Authority, AuthorityRequest, LeafRequest, TrustBundle, View};
use serde::Serialize;
use time::OffsetDateTime;

use super::deed::{Deed, common_name, moment};
use super::holdings::{self, Look};
use super::outlook::{self, Ahead};
use super::{Certificates, serving};
use crate::error::{CertificatesError, Error, Tried as _};
use crate::event::Observer;
use crate::proof::Proof;
use crate::prove::Scope;
use crate::registry::Standing;

/// More steps than any rotation has; a cluster that others change meanwhile is not chased for ever.
const MOST: usize = 24;

/// A rotation that goes on from wherever the cluster stands.
pub struct Rotation<'a> {
    certificates: &'a Certificates<'a>,
    nodes: &'a dyn NodeAccess,
    /// The names of all nodes of the cluster.
    all: Vec<String>,
    goal: Goal,
    policy: Policy,
    done: Vec<Deed>,
    proof: Option<Proof>,
    /// Nodes that could not be told of the last bundle.
    behind: Vec<Receipt>,
}

/// Where a rotation stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Rotated {
    /// Host and port of the registry.
    pub registry: String,
    /// Its phase.
    pub phase: Phase,
    /// What was done, in order.
    pub done: Vec<Deed>,
    /// What would be done, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ahead: Vec<Ahead>,
    /// Nothing is left to do before this moment, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<String>,
    /// What the registry serves.
    pub serving: View,
    /// What nodes are told to trust.
    pub trusted: Vec<View>,
    /// The last proof.
    #[serde(skip)]
    pub proof: Option<Proof>,
    /// Nodes that could not be told of it.
    #[serde(skip)]
    pub behind: Vec<Receipt>,
}

impl Certificates<'_> {
    /// A rotation towards `goal`. Nodes of the cluster that `nodes` leaves out must be excused by `policy`.
    #[must_use]
    pub fn rotation<'a>(
        &'a self,
        nodes: &'a dyn NodeAccess,
        goal: Goal,
        policy: Policy,
    ) -> Rotation<'a> {
        let all = self.registry.facts().nodes.iter();
        Rotation {
            certificates: self,
            nodes,
            all: all.map(|node| node.name.clone()).collect(),
            goal,
            policy,
            done: Vec::new(),
            proof: None,
            behind: Vec::new(),
        }
    }
}

impl Rotation<'_> {
    /// Every step from here to the goal, if each node does as it is told and each proof holds. Changes nothing.
    ///
    /// # Errors
    /// As [`Rotation::run`] before it changes anything.
    pub async fn ahead(self) -> Result<Rotated, Error> {
        let look = self.look().await?;
        let now = OffsetDateTime::now_utc();
        let ahead = outlook::steps(look.holdings.clone(), self.goal, &self.policy, now)?;
        Ok(Rotated {
            ahead,
            ..self.rotated(&look, None)?
        })
    }

    /// Step after step until the goal is reached, or a moment that has to be waited for. `stop` is called once for each
    /// proof, and gives a future that ends when that proof is to be cut short; it is dropped at the proof's end.
    ///
    /// # Errors
    /// [`Error::Certificates`], and [`Error::Failed`] for the step that failed. The same again goes on from there.
    pub async fn run<S: Future<Output = ()> + Send>(
        mut self,
        stop: impl Fn() -> S,
        on: &dyn Observer,
    ) -> Result<Rotated, Error> {
        let wait = self.go(stop, on).await?;
        let look = self.look().await?;
        self.rotated(&look, wait)
    }

    async fn look(&self) -> Result<Look, Error> {
        Look::take(self.certificates, self.nodes, &self.all).await
    }

    async fn go<S: Future<Output = ()> + Send>(
        &mut self,
        stop: impl Fn() -> S,
        on: &dyn Observer,
    ) -> Result<Option<OffsetDateTime>, Error> {
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
                    self.publish(&look, &look.holdings.published, on)?;
                    return Ok(None);
                }
                Step::WaitUntil(end) => return Ok(Some(*end)),
                // Told once and still not there: nothing changes by telling again.
                Step::WaitForNodes { nodes, authority } if told_last => {
                    return Err(self.stopped(nodes, authority).into());
                }
                _ => {}
            }
            told_last = matches!(step, Step::WaitForNodes { .. });
            let deed = Deed::of(&step, common_name);
            self.take(&look, step, &deed, &stop, on).await?;
            self.done.push(deed);
        }
        Err(CertificatesError::Endless.into())
    }

    async fn take<S: Future<Output = ()> + Send>(
        &mut self,
        look: &Look,
        step: Step,
        deed: &Deed,
        stop: &impl Fn() -> S,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let registry = self.certificates.registry;
        let serving = &look.holdings.serving;
        // Of these the line of what is done takes the place.
        let stage = match step {
            Step::WaitForNodes { .. } | Step::Prove => None,
            _ => Some(on.stage(deed.to_string())),
        };
        let done = || {
            if let Some(stage) = stage {
                stage.done("");
            }
        };
        match step {
            Step::CreateAuthority => {
                look.keys.add(registry, &self.authority()?).await?;
                // From here on the same run ends with this rotation and begins no other.
                self.goal = Goal::Finish;
                done();
            }
            Step::Publish(bundle) => {
                // Who signs follows what is served, also after a run that was killed.
                let mut all = look.holdings.authorities.iter();
                let issuer = all.find(|authority| serving.is_issued_by(authority));
                let signer = match issuer {
                    Some(issuer) => look.keys.of(issuer)?,
                    None => look.keys.signer(),
                };
                look.keys.publish(registry, &bundle, signer).await?;
                done();
                self.publish(look, &bundle, on)?;
            }
            Step::WaitForNodes { .. } => self.publish(look, &look.holdings.published, on)?,
            Step::Serve(by) => {
                let authority = look.keys.of(&by)?;
                let published = &look.holdings.published;
                look.keys.publish(registry, published, authority).await?;
                let blank = LeafRequest::new(registry.place().service());
                let certificates = self.certificates;
                let leaf = certificates.issue(authority, blank, &look.state, serving)?;
                let (bundle, timeout) = (published.to_pem(), certificates.timeout);
                serving::serve(registry, &look.state, &leaf, &bundle, timeout).await?;
                done();
            }
            Step::Prove => {
                let proof = self.prove(look, stop(), on).await?;
                if !proof.holds() {
                    return Err(CertificatesError::Unproven(Box::new(proof)).into());
                }
                self.proof = Some(proof);
                look.keys.note_proven(registry, serving).await?;
            }
            Step::Drop(_) => {
                look.keys.keep_signer_only(registry).await?;
                done();
                // What is left is one CA: the next look finds nothing more to do.
                self.goal = Goal::Finish;
            }
            _ => done(),
        }
        Ok(())
    }

    fn authority(&self) -> Result<Authority, Error> {
        let mut request = AuthorityRequest::new(self.certificates.registry.place().instance());
        if let Some(days) = self.certificates.ca_days {
            request = request.validity_days(days);
        }
        Authority::generate(&request).tried("cannot make a CA")
    }

    fn publish(
        &mut self,
        look: &Look,
        bundle: &TrustBundle,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let registry = self.certificates.registry;
        let shown = ("trust on the nodes", on);
        self.behind = holdings::publish(registry, &look.state, bundle, self.nodes, shown)?;
        Ok(())
    }

    async fn prove(
        &self,
        look: &Look,
        stop: impl Future<Output = ()> + Send,
        on: &dyn Observer,
    ) -> Result<Proof, Error> {
        let certificates = self.certificates;
        let excused = &self.policy.excused;
        let nodes = look.holdings.nodes.iter().map(|node| node.name.clone());
        let scope = Scope {
            nodes: nodes.filter(|name| !excused.contains(name)).collect(),
            timeout: Some(certificates.timeout),
            ..Scope::default()
        };
        let registry = certificates.registry;
        let standing = Standing::of(registry.place(), registry.existing().await?)?;
        registry.prove(&standing, scope, stop, on).await
    }

    /// Some nodes do not trust the CA: the certificate stays where it is.
    fn stopped(&self, nodes: &[String], authority: &str) -> CertificatesError {
        let reason = |name: &String| {
            let told = self.behind.iter().find(|receipt| &receipt.node == name);
            match told {
                Some(receipt) => format!("- {receipt}"),
                None => format!("- {name}: it is not known what it trusts"),
            }
        };
        CertificatesError::Behind {
            nodes: nodes.iter().map(reason).collect(),
            authority: authority.to_owned(),
        }
    }

    fn rotated(self, look: &Look, wait_until: Option<OffsetDateTime>) -> Result<Rotated, Error> {
        let phase = look.holdings.phase();
        let now = OffsetDateTime::now_utc();
        Ok(Rotated {
            registry: self.certificates.registry.place().registry_name(),
            phase: phase.tried("what the cluster holds fits no phase of a rotation")?,
            done: self.done,
            ahead: Vec::new(),
            wait_until: wait_until.map(moment),
            serving: View::of(&look.holdings.serving, now),
            trusted: View::all(look.holdings.published.certificates(), now),
            proof: self.proof,
            behind: self.behind,
        })
    }
}
