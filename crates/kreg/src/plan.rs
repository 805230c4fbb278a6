//! What putting a registry up would change: objects and files of nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use kreg_k8s::{ApplyOptions, Change, Manifests};
use kreg_nodes::{NodeAccess, NodePlan, Receipt};
use serde::Serialize;
use tokio::task::block_in_place;

use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::intent::Intent;
use crate::made::Made;
use crate::registry::Registry;

/// What [`Registry::up`] would change. `Display` is a diff for people.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct UpPlan {
    /// Whether anything would change.
    pub changes: bool,
    /// Object by object; those that stay as they are too.
    pub objects: Vec<Change>,
    /// Node by node. None where nothing on the nodes can look yet.
    pub nodes: Vec<Planned>,
    /// What would be made, and why.
    pub made: Vec<Made>,
}

/// What would change on a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Planned {
    /// These files.
    Plan {
        /// The node's name.
        node: String,
        /// Its files.
        plan: NodePlan,
    },
    /// It cannot be planned.
    Refused(Receipt),
}

impl UpPlan {
    /// The nodes that cannot be planned.
    pub fn refused(&self) -> impl Iterator<Item = &Receipt> {
        self.nodes.iter().filter_map(|node| match node {
            Planned::Refused(receipt) => Some(receipt),
            Planned::Plan { .. } => None,
        })
    }
}

impl fmt::Display for UpPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        let changes = self.objects.iter().filter(|change| change.is_change());
        lines.extend(changes.map(ToString::to_string));
        lines.extend(self.made.iter().map(|made| format!("+ {made}")));
        let indented = |text: &str| -> Vec<String> {
            text.lines().map(|line| format!("    {line}")).collect()
        };
        for node in &self.nodes {
            match node {
                Planned::Refused(receipt) => {
                    if let Some(snippet) = &receipt.snippet {
                        let node = &receipt.node;
                        lines.push(format!("! node {node}: to be set by its own means"));
                        lines.extend(indented(snippet));
                    }
                }
                Planned::Plan { node, plan } if !plan.is_unchanged() => {
                    lines.push(format!("~ node {node}"));
                    lines.extend(indented(&plan.to_string()));
                }
                Planned::Plan { .. } => {}
            }
        }
        if !self.changes {
            lines.push("nothing would change".to_owned());
        }
        f.write_str(&lines.join("\n"))
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
            changes: false,
            objects: plan.changes().cloned().collect(),
            nodes: Vec::new(),
            made: decision.made,
        };
        if let Some(nodes) = nodes {
            let bundle = &decision.material.ca_bundle_pem;
            let trust = intent.trust(self.place(), address, bundle)?;
            let stage = on.stage(format!("nodes by {}", nodes.name()));
            if nodes.is_ready() {
                let plans = block_in_place(|| nodes.plan(&trust)).into_iter();
                let planned = plans.map(|plan| match plan.result {
                    Ok(files) => Planned::Plan {
                        node: plan.node.name,
                        plan: files,
                    },
                    Err(refusal) => Planned::Refused(*refusal),
                });
                up.nodes = planned.collect();
            } else {
                up.made.push(Made::Agents);
            }
            stage.done("");
        }
        let node_changes =
            |node: &Planned| matches!(node, Planned::Plan { plan, .. } if !plan.is_unchanged());
        up.changes = up.made.contains(&Made::Agents)
            || up.objects.iter().any(Change::is_change)
            || up.nodes.iter().any(node_changes);
        Ok(up)
    }
}
