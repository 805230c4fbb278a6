//! The proof: an image is pushed through the registry's Service, and every node pulls it.

use std::time::Duration;

use kreg_auth::{Credentials, RegistryHost};
use kreg_k8s::{Names, Profile};
use kreg_nodes::{NodeAccess, NodeFacts, Receipt};
use kreg_verify::{NodePulls, NodeTrust, Target, Verdict, Verification};
use tokio::task::block_in_place;

use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::nodes::{self, Chosen};
use crate::proof::Proof;
use crate::registry::{Registry, Standing};

/// What a proof covers; by default everything, on every node.
#[derive(Debug, Default)]
pub struct Scope {
    /// These nodes; empty means all.
    pub nodes: Vec<String>,
    /// Only the checks of these names; empty means all.
    pub only: Vec<String>,
    /// Not the checks of these names.
    pub skip: Vec<String>,
    /// Whether what is served is compared with what the cluster stores.
    pub stored_chain: bool,
    /// Further users, each of whom must be let in.
    pub users: Vec<Credentials>,
    /// What was read on the nodes.
    pub node_trust: Vec<NodeTrust>,
    /// The longest that any wait may take.
    pub timeout: Option<Duration>,
    /// The longest that one node's pull is waited for, where that is less.
    pub patience: Option<Duration>,
}

impl Registry {
    /// The name by which clients know it.
    ///
    /// # Errors
    /// [`Error::Failed`] if its name cannot stand in an image's name.
    pub fn host(&self) -> Result<RegistryHost, Error> {
        let name = self.place().registry_name();
        name.parse()
            .tried(format!("{name} cannot stand in an image's name"))
    }

    /// The registry as kreg-verify knows it.
    ///
    /// # Errors
    /// As [`Registry::host`].
    pub fn target(&self, standing: &Standing) -> Result<Target, Error> {
        Ok(Target {
            host: self.host()?,
            ca_pem: standing.bundle_pem.clone(),
            credentials: standing.credentials.clone(),
        })
    }

    /// Pods in the registry's own namespace that pull as the kubelet does.
    ///
    /// # Errors
    /// [`Error::NoCluster`] where there are no Pods.
    pub fn pulls(&self, scope: &Scope) -> Result<NodePulls, Error> {
        let place = self.place();
        let secret = Names::of(place).pull_secret.name().to_owned();
        let client = self.streams()?.requests().clone();
        let mut pulls = NodePulls::new(client, place.namespace(), Some(secret));
        pulls.instance = place.instance().to_owned();
        pulls.by_name = place.profile() == Profile::Tutorial;
        pulls.only.clone_from(&scope.nodes);
        let limits = [scope.timeout, scope.patience];
        if let Some(timeout) = limits.into_iter().flatten().min() {
            pulls.timeout = timeout;
        }
        Ok(pulls)
    }

    /// Fails where the cluster has no node of one of these names: it would prove nothing, and look as if it did.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`].
    pub fn knows_nodes(&self, names: &[String]) -> Result<(), Error> {
        Chosen::of(self.facts(), names, &[]).map(drop)
    }

    /// Reads what each node holds for its runtime to trust. A node that cannot be read says why in its check.
    ///
    /// # Errors
    /// [`Error::Failed`] if the registry's name or its bundle cannot stand in a node's files.
    pub fn node_trust(
        &self,
        standing: &Standing,
        nodes: &dyn NodeAccess,
        on: &dyn Observer,
    ) -> Result<Vec<NodeTrust>, Error> {
        let trust = nodes::trust(self.place(), standing.address, &standing.bundle_pem)?;
        let stage = on.stage(format!("nodes by {}", nodes.name()));
        let read = block_in_place(|| nodes.facts(&trust)).into_iter();
        let files = |facts: Result<NodeFacts, Box<Receipt>>| {
            let facts = facts.map_err(|receipt| receipt.to_string())?;
            facts.trusted(&trust).map_err(|refused| refused.reason())
        };
        let read = read.map(|(node, facts)| NodeTrust {
            node: node.name,
            files: files(facts),
        });
        let read = read.collect();
        stage.done("");
        Ok(read)
    }

    /// Pushes a fresh image and pulls it on every node in `scope`. What it makes is removed again, also when `stop` ends
    /// it.
    ///
    /// # Errors
    /// [`Error::Proof`] if nothing could be checked. A proof that does not hold is none.
    pub async fn prove(
        &self,
        standing: &Standing,
        scope: Scope,
        stop: impl Future<Output = ()> + Send,
        on: &dyn Observer,
    ) -> Result<Proof, Error> {
        let (target, pulls) = (self.target(standing)?, self.pulls(&scope)?);
        let (streams, place) = (self.streams()?.clone(), self.place());
        let stage = on.stage("proof");
        let mut proof =
            Verification::of_cluster(target, streams, place.namespace(), place.service())
                .on_nodes(pulls)
                .only(scope.only)
                .skip(scope.skip)
                .users(scope.users)
                .node_trust(scope.node_trust);
        if let Some(chain) = standing
            .state
            .tls_chain_pem
            .as_ref()
            .filter(|_| scope.stored_chain)
        {
            proof = proof.stored_chain(chain.clone());
        }
        let report = proof.run_until(stop).await?;
        let (passed, failed, skipped) = report.counts();
        let mut result = format!("{passed} of {} checks passed", passed + failed);
        if skipped > 0 {
            result.push_str(&format!(", {skipped} skipped"));
        }
        let holds = report.verdict == Verdict::Pass;
        let complaints = if holds {
            stage.done(result);
            Vec::new()
        } else {
            stage.failed(result);
            // A help, and no more: without the right to read logs the proof fails all the same.
            let complaints = kreg_k8s::complaints(self.cluster().as_ref(), place).await;
            complaints.unwrap_or_default()
        };
        Ok(Proof { report, complaints })
    }
}
