//! Replacing the authority without a minute in which some node cannot pull.
//!
//! ```text
//!            create            every node trusts both           proven, grace over
//! Single ───────────▶ Overlap ───────────────────────▶ Switched ─────────────────▶ Retired
//!    ▲                                                                                │
//!    └──────────────────────────── old authority deleted ────────────────────────────┘
//! ```
//!
//! Nothing is remembered between runs: [`Holdings`] is what the cluster holds,
//! [`Holdings::phase`] follows from it, and [`Holdings::next_step`] says the
//! one thing to do now. Do it, look again, ask again. A crash anywhere costs
//! nothing, because the next look starts from what really happened.
//!
//! The rule that everything serves: a leaf never moves to an authority before
//! every node is known to trust it. A node that cannot be asked counts as one
//! that does not.

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use crate::{Certificate, TrustBundle};

/// What the cluster and its nodes hold, as observed just now.
#[derive(Clone, Debug)]
pub struct Holdings {
    /// The authorities whose keys are kept, oldest first: one, or two during a
    /// rotation.
    pub authorities: Vec<Certificate>,
    /// The bundle that nodes are told to trust.
    pub published: TrustBundle,
    /// The certificate that the registry serves.
    pub serving: Certificate,
    /// Fingerprint of the serving certificate with which a pull was last seen
    /// to work on every node.
    pub proven: Option<String>,
    /// When the serving certificate was put to use; the grace period counts
    /// from here.
    pub serving_since: OffsetDateTime,
    /// Every node that is to pull from the registry.
    pub nodes: Vec<NodeTrust>,
}

/// What one node trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTrust {
    /// Name of the node.
    pub name: String,
    /// Fingerprints of the certificates in its trust file; `None` if it could
    /// not be asked.
    pub holds: Option<BTreeSet<String>>,
}

impl NodeTrust {
    /// A node whose trust file was read.
    #[must_use]
    pub fn holding(name: impl Into<String>, bundle: &TrustBundle) -> Self {
        let fingerprints = bundle.fingerprints().into_iter().map(str::to_owned);
        Self {
            name: name.into(),
            holds: Some(fingerprints.collect()),
        }
    }

    /// A node that reported only the SHA-256 of its trust file, as
    /// [`TrustBundle::digest`] makes it. Unknown if it is none of `candidates`.
    #[must_use]
    pub fn reporting(name: impl Into<String>, digest: &str, candidates: &[&TrustBundle]) -> Self {
        let name = name.into();
        match candidates.iter().find(|bundle| bundle.digest() == digest) {
            Some(bundle) => Self::holding(name, bundle),
            None => Self { name, holds: None },
        }
    }

    /// A node that could not be asked.
    #[must_use]
    pub fn unknown(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            holds: None,
        }
    }

    fn trusts(&self, authority: &Certificate) -> bool {
        self.holds
            .as_ref()
            .is_some_and(|held| held.contains(authority.fingerprint()))
    }
}

/// Where a rotation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// One authority, no rotation.
    Single,
    /// A second authority exists; the registry still serves under the first.
    Overlap,
    /// The registry serves under the second; nodes are told to trust both.
    Switched,
    /// Nodes are told to trust the second alone; the first's key still exists.
    Retired,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Goal {
    /// Begin a rotation, or go on with the one that is under way.
    Rotate,
    /// Go on with what is under way; begin nothing.
    Finish,
    /// Back to the first authority, from wherever it stands.
    RollBack,
}

/// How careful to be.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long both authorities stay trusted after the switch.
    pub grace: Duration,
    /// Nodes that need not be waited for, because somebody said so by name.
    pub excused: BTreeSet<String>,
}

/// A week of grace, nobody excused.
impl Default for Policy {
    fn default() -> Self {
        Self {
            grace: Duration::WEEK,
            excused: BTreeSet::new(),
        }
    }
}

/// The one thing to do now. All but the last three change the cluster, and
/// each is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Make a new authority and keep it beside the old one.
    CreateAuthority,
    /// Tell every node to trust this bundle.
    Publish(TrustBundle),
    /// Issue a leaf under this authority and have the registry serve it.
    Serve(Certificate),
    /// Delete this authority's key and certificate.
    Drop(Certificate),
    /// Pull on every node, and record the serving certificate's fingerprint if
    /// all pulls worked.
    Prove,
    /// These nodes do not trust the authority yet, or could not be asked.
    WaitForNodes {
        /// Subject of the authority.
        authority: String,
        /// The nodes, by name.
        nodes: Vec<String>,
    },
    /// Nothing to do before this moment.
    WaitUntil(OffsetDateTime),
    /// The goal is reached.
    Done,
}

/// What the cluster holds makes no sense; nothing should be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Confusion {
    /// No authority, or more than two.
    #[error(
        "the cluster holds {0} authorities, where one or two belong; \
         remove those that sign nothing before rotating"
    )]
    Authorities(usize),
    /// The serving certificate comes from somewhere else.
    #[error(
        "the registry serves `{subject}`, which none of the known authorities issued; \
         renew the leaf first"
    )]
    StrangeLeaf {
        /// Its subject.
        subject: String,
    },
    /// No node was listed, so that "every node trusts it" would say nothing.
    #[error("no node is known; list the nodes that pull from the registry before rotating")]
    NoNodes,
}

impl Holdings {
    /// Where the rotation stands.
    ///
    /// # Errors
    /// [`Confusion`] if the holdings fit no phase.
    pub fn phase(&self) -> Result<Phase, Confusion> {
        let strange = || Confusion::StrangeLeaf {
            subject: self.serving.subject().to_owned(),
        };
        match self.authorities.as_slice() {
            [only] if self.serving.is_issued_by(only) => Ok(Phase::Single),
            [old, _] if self.serving.is_issued_by(old) => Ok(Phase::Overlap),
            [old, new] if self.serving.is_issued_by(new) => Ok(if self.published.contains(old) {
                Phase::Switched
            } else {
                Phase::Retired
            }),
            [_] | [_, _] => Err(strange()),
            other => Err(Confusion::Authorities(other.len())),
        }
    }

    /// What to do now to come closer to `goal`.
    ///
    /// # Errors
    /// [`Confusion`] if the holdings fit no phase, or no node is listed.
    pub fn next_step(
        &self,
        goal: Goal,
        policy: &Policy,
        now: OffsetDateTime,
    ) -> Result<Step, Confusion> {
        let phase = self.phase()?;
        if self.nodes.is_empty() {
            return Err(Confusion::NoNodes);
        }
        let step = match (self.authorities.as_slice(), goal) {
            ([only], Goal::Rotate) => self
                .publish(TrustBundle::from(only.clone()))
                .unwrap_or(Step::CreateAuthority),
            ([only], _) => self
                .publish(TrustBundle::from(only.clone()))
                .unwrap_or(Step::Done),
            ([old, new], Goal::RollBack) => self.step_back(phase, old, new, policy),
            ([old, new], _) => self.step_on(phase, old, new, policy, now),
            // `phase` let no other number pass.
            (other, _) => return Err(Confusion::Authorities(other.len())),
        };
        Ok(step)
    }

    fn step_on(
        &self,
        phase: Phase,
        old: &Certificate,
        new: &Certificate,
        policy: &Policy,
        now: OffsetDateTime,
    ) -> Step {
        let both = TrustBundle::new([old.clone(), new.clone()]);
        match phase {
            Phase::Single | Phase::Overlap => self
                .publish(both)
                .or_else(|| self.wait_for(new, policy))
                .unwrap_or_else(|| Step::Serve(new.clone())),
            Phase::Switched => self
                .publish(both)
                // A node that joined late holds them up again.
                .or_else(|| self.wait_for(new, policy))
                .or_else(|| self.prove())
                .or_else(|| self.wait_out(policy, now))
                .unwrap_or_else(|| Step::Publish(new.clone().into())),
            Phase::Retired => self
                .publish(new.clone().into())
                .unwrap_or_else(|| Step::Drop(old.clone())),
        }
    }

    fn step_back(
        &self,
        phase: Phase,
        old: &Certificate,
        new: &Certificate,
        policy: &Policy,
    ) -> Step {
        match phase {
            Phase::Single | Phase::Overlap => self
                .publish(old.clone().into())
                .unwrap_or_else(|| Step::Drop(new.clone())),
            // After retirement nodes have lost the old one: it is told again.
            Phase::Switched | Phase::Retired => self
                .publish(TrustBundle::new([old.clone(), new.clone()]))
                .or_else(|| self.wait_for(old, policy))
                .unwrap_or_else(|| Step::Serve(old.clone())),
        }
    }

    /// `None` if exactly these certificates are published already.
    fn publish(&self, wanted: TrustBundle) -> Option<Step> {
        let same = self.published.difference(&wanted).is_empty()
            && wanted.difference(&self.published).is_empty();
        (!same).then_some(Step::Publish(wanted))
    }

    /// `None` if every node that counts is known to trust it.
    fn wait_for(&self, authority: &Certificate, policy: &Policy) -> Option<Step> {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| !node.trusts(authority) && !policy.excused.contains(&node.name))
            .map(|node| node.name.clone())
            .collect();
        (!nodes.is_empty()).then(|| Step::WaitForNodes {
            authority: authority.subject().to_owned(),
            nodes,
        })
    }

    /// `None` if the serving certificate was proven by pulls.
    fn prove(&self) -> Option<Step> {
        let proven = self.proven.as_deref() == Some(self.serving.fingerprint());
        (!proven).then_some(Step::Prove)
    }

    /// `None` if the grace period is over.
    fn wait_out(&self, policy: &Policy, now: OffsetDateTime) -> Option<Step> {
        let end = self
            .serving_since
            .checked_add(policy.grace)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH + Duration::days(365 * 5000));
        (now < end).then_some(Step::WaitUntil(end))
    }
}
