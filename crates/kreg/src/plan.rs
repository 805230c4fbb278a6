//! What putting a registry up would change: objects and files of nodes.

use std::net::{IpAddr, Ipv4Addr};

use kreg_k8s::{ApplyOptions, Change, Manifests};
use kreg_nodes::{NodeAccess, NodePlan, Receipt};
use tokio::task::block_in_place;

use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::intent::Intent;
use crate::made::Made;
use crate::registry::Registry;

/// What [`Registry::up`] would change.
#[derive(Debug)]
#[non_exhaustive]
pub struct UpPlan {
    /// Object by object; those that stay as they are too.
    pub objects: Vec<Change>,
    /// Node by node, or why it cannot be planned. None where nothing on the nodes can look yet.
    pub nodes: Vec<(String, Result<NodePlan, Receipt>)>,
    /// What would be made, and why.
    pub made: Vec<Made>,
    /// Whether something would first be put on the nodes to work with, whose changes are not known.
    pub prepares_nodes: bool,
}

impl UpPlan {
    /// Whether anything would change.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        let node_changes =
            |plan: &Result<NodePlan, Receipt>| plan.as_ref().is_ok_and(|plan| !plan.is_unchanged());
        self.prepares_nodes
            || self.objects.iter().any(Change::is_change)
            || self.nodes.iter().any(|(_, plan)| node_changes(plan))
    }

    /// The nodes that cannot be planned.
    pub fn refused(&self) -> impl Iterator<Item = &Receipt> {
        self.nodes
            .iter()
            .filter_map(|(_, plan)| plan.as_ref().err())
    }
}

impl Registry {
    /// What [`Registry::up`] would change. Writes nothing.
    ///
    /// # Errors
    /// As [`Registry::up`] before it writes.
    pub async fn plan(
        &self,
        intent: &Intent,
        nodes: Option<&dyn NodeAccess>,
        on: &dyn Observer,
    ) -> Result<UpPlan, Error> {
        self.facts()
            .check(&intent.spec)
            .tried("the cluster is not fit for this registry")?;
        let state = self.state().await?;
        let spec = self.fit(intent, &state).await?;
        // Before it was put up the first time nobody knows the address; what depends on it is shown with 0.0.0.0.
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = spec.cluster_ip().unwrap_or(unknown);
        let external = intent.external(self, address).await?;
        let decision = block_in_place(|| intent.propose(self, address, &state, external.as_ref()))?;
        let options = ApplyOptions {
            adopt: intent.adopt,
            force: false,
        };
        let manifests = Manifests::full(&spec, &decision.material);
        let plan = kreg_k8s::plan(self.cluster().as_ref(), &manifests, options)
            .await
            .tried("cannot find out what would change in the cluster")?;
        let mut up = UpPlan {
            objects: plan.changes().cloned().collect(),
            nodes: Vec::new(),
            made: decision.made,
            prepares_nodes: nodes.is_some_and(|nodes| !nodes.is_ready()),
        };
        if let Some(nodes) = nodes {
            let bundle = &decision.material.ca_bundle_pem;
            let trust = intent.trust(self.place(), address, bundle)?;
            let stage = on.stage(format!("nodes by {}", nodes.name()));
            if nodes.is_ready() {
                let plans = block_in_place(|| nodes.plan(&trust));
                let plans = plans.into_iter();
                up.nodes = plans
                    .map(|plan| (plan.node.name, plan.result.map_err(|refusal| *refusal)))
                    .collect();
            }
            stage.done("");
        }
        Ok(up)
    }
}
