//! Putting a registry up: its objects, then trust on every node.

mod directory;
mod objects;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use kreg_k8s::{Change, ObjectRef, RegistrySpec, RegistryState, rights};
use kreg_nodes::{NodeAccess, Receipt, State};
use kreg_pki::{External, TrustBundle};
use serde::Serialize;
use tokio::task::block_in_place;

use self::directory::Directory;
pub(crate) use self::objects::show;
use crate::error::{CertificatesError, Error, IssuedError, NoNode, Tried as _};
use crate::event::{Observer, Stage};
use crate::intent::Intent;
use crate::made::Made;
use crate::nodes::note_warnings;
use crate::registry::{Registry, Standing};
use crate::words::{count, in_state};

/// A registry that is up.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Up {
    /// The registry, as in image references.
    pub registry: String,
    /// Its namespace.
    pub namespace: String,
    /// Its address.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: IpAddr,
    /// Whether anything is not as it was before.
    pub changed: bool,
    /// What was done in the cluster, object by object.
    pub objects: Vec<Change>,
    /// What became of each node. Nodes that are not well keep no other from being done.
    pub nodes: Vec<Receipt>,
    /// What it is.
    #[serde(skip)]
    pub spec: RegistrySpec,
    /// What its clients need.
    #[serde(skip)]
    pub standing: Standing,
    /// What was made, and why.
    #[serde(skip)]
    pub made: Vec<Made>,
    /// Copies of the pull Secret that could not be written, each with the reason.
    #[serde(skip)]
    pub not_renewed: Vec<(ObjectRef, kreg_k8s::Error)>,
}

impl Registry {
    /// Puts the registry up as `intent` says, and has every node trust it. With a registry that is up already only what
    /// differs is changed; what the cluster holds is kept for as long as it serves.
    ///
    /// # Errors
    /// Before anything is written: [`Error::Intent`], [`Error::NoNode`], and what the cluster lacks. Afterwards
    /// [`Error::Failed`] for the step that failed; the same again goes on from there.
    pub async fn up(
        &self,
        intent: &Intent,
        nodes: Option<&dyn NodeAccess>,
        on: &dyn Observer,
    ) -> Result<Up, Error> {
        let cluster = self.cluster().as_ref();
        self.facts()
            .check(&intent.spec)
            .tried("the cluster is not fit for this registry; nothing was changed")?;
        rights::check(cluster, &intent.spec)
            .await
            .tried("this user may not do all that is needed; nothing was changed")?;
        let state = self.state().await?;
        let spec = self.fit(intent, &state).await?;
        let external = match (spec.cluster_ip(), &intent.issued) {
            (_, None) => None,
            (Some(address), _) => intent.external(self, address).await?,
            (None, _) => return Err(IssuedError::NoAddress.into()),
        };
        if let Some(nodes) = nodes {
            self.preflight(intent, &state, nodes, on)?;
            // Nodes that are reached from here now need no agents, and two must not keep one file. They go while the
            // record still lists them.
            if nodes.is_selective() && self.agents().are_there() {
                self.remove_agents_left(intent.timeout).await?;
            }
        }
        let directory = Directory::of(self, intent, &spec, nodes, &state)?;
        if let Some(external) = &external {
            self.lead_over(intent, external, &state, nodes, on)?;
        }
        let given = (external.as_ref(), directory.as_ref());
        let mut up = self.put_objects(intent, spec, &state, given, on).await?;
        if let Some(nodes) = nodes {
            up.nodes = self.put_trust(intent, &up, nodes, on).await?;
        }
        up.changed =
            up.objects.iter().any(Change::is_change) || in_state(&up.nodes, State::Changed) > 0;
        Ok(up)
    }

    /// Every node is looked at before anything is written anywhere.
    fn preflight(
        &self,
        intent: &Intent,
        state: &RegistryState,
        nodes: &dyn NodeAccess,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let stage = on.stage(format!("nodes by {}", nodes.name()));
        let trust = intent.provisional_trust(self, state)?;
        let was_ready = nodes.is_ready();
        let plans = block_in_place(|| {
            nodes.prepare()?;
            Ok::<_, Error>(nodes.plan(&trust))
        })?;
        let refusals = plans.into_iter().filter_map(|plan| plan.result.err());
        let refusals: Vec<Receipt> = refusals.map(|refusal| *refusal).collect();
        let (bad, all) = (refusals.len(), nodes.nodes().len());
        let result = format!("{} of {all} reached and fit", all - bad);
        if bad == 0 {
            stage.done(result);
        } else if bad < all {
            stage.partly(result);
            for refusal in &refusals {
                on.note(refusal);
            }
        } else {
            stage.failed(result);
            if !was_ready {
                block_in_place(|| nodes.retire())?;
            }
            return Err(NoNode(refusals).into());
        }
        Ok(())
    }

    /// Where the certificate that was issued elsewhere is of another CA than the one that is served, every node trusts both
    /// before the new one is served.
    fn lead_over(
        &self,
        intent: &Intent,
        external: &External,
        state: &RegistryState,
        nodes: Option<&dyn NodeAccess>,
        on: &dyn Observer,
    ) -> Result<(), Error> {
        let (Some(held), Some(address)) = (&state.ca_bundle_pem, state.cluster_ip) else {
            return Ok(());
        };
        let what = "the CA that the cluster holds";
        let held = TrustBundle::from_pem(held, what).tried(format!("cannot read {what}"))?;
        let both = held.union(external.bundle());
        if both.len() == held.len() {
            return Ok(());
        }
        let Some(nodes) = nodes else {
            on.note(
                "the CA is another one now, and the nodes were left out: they do not trust it yet",
            );
            return Ok(());
        };
        let stage = on.stage("trust in the old CA and the new one");
        let trust = intent.trust(self.place(), address, &both.to_pem())?;
        let receipts = block_in_place(|| nodes.trust(&trust)).into_iter();
        let behind: Vec<Receipt> = receipts.filter(|receipt| !receipt.is_ok()).collect();
        if behind.is_empty() {
            stage.done("on every node");
            return Ok(());
        }
        stage.failed(format!("not on {}", count(behind.len(), "node")));
        Err(CertificatesError::NotTrusted(behind).into())
    }

    /// Waits until the registry answers, and goes on answering: a runtime that was restarted may have ended its container,
    /// and the API server hears of that seconds later, when another one runs already.
    async fn answers(
        &self,
        standing: &Standing,
        timeout: Duration,
        stage: &Stage<'_>,
    ) -> Result<(), Error> {
        const IN_A_ROW: u32 = 6;
        let probe = self.login_probe(&standing.bundle_pem)?;
        let end = Instant::now() + timeout;
        let mut answers = 0;
        stage.at("waiting until the registry answers steadily");
        while answers < IN_A_ROW {
            match probe.ask(&standing.credentials).await {
                Ok(_) => answers += 1,
                Err(error) if Instant::now() > end => return Err(error.into()),
                Err(_) => answers = 0,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    async fn put_trust(
        &self,
        intent: &Intent,
        up: &Up,
        nodes: &dyn NodeAccess,
        on: &dyn Observer,
    ) -> Result<Vec<Receipt>, Error> {
        let standing = &up.standing;
        let trust = intent.trust(up.spec.place(), standing.address, &standing.bundle_pem)?;
        let stage = on.stage("trust on the nodes");
        let receipts = block_in_place(|| nodes.trust(&trust));
        // On a node whose runtime was restarted its Pod is not ready for a moment.
        self.ready(&up.spec, intent.timeout, &stage).await?;
        let changed = in_state(&receipts, State::Changed);
        if intent.restart_runtimes && changed > 0 {
            self.answers(standing, intent.timeout, &stage).await?;
        }
        let unchanged = in_state(&receipts, State::Unchanged);
        let all = receipts.len();
        let result = if unchanged == all {
            "unchanged".to_owned()
        } else {
            let all = count(all, "node");
            format!("{changed} changed, {unchanged} unchanged of {all}")
        };
        if changed + unchanged == all {
            stage.done(result);
        } else {
            stage.partly(result);
        }
        note_warnings(&receipts, on);
        Ok(receipts)
    }
}

#[cfg(test)]
mod tests;
