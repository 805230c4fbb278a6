//! The directory on nodes that a registry keeps its images in: no other's, and marked as this one's.
//!
//! What is erased when the registry goes, with its images, is what is marked. A volume of a StorageClass needs no mark: its
//! provisioner makes a directory for each claim and removes it.

use kreg_k8s::{
    Kind, Names, NodeFact, Place, Profile, Query, RegistrySpec, RegistryState, Storage,
    WorkloadState, names,
};
use kreg_nodes::{Marking, NodeAccess, Receipt, StorageDir};
use tokio::task::block_in_place;

use crate::error::{DirectoryTaken, Error, Tried as _};
use crate::event::{Event, Observer};
use crate::intent::Intent;
use crate::nodes;
use crate::registry::Registry;

pub(super) struct Directory<'a> {
    registry: &'a Registry,
    nodes: &'a dyn NodeAccess,
    storage: StorageDir,
    /// Where the volume is bound to a node, the value of its label `kubernetes.io/hostname`.
    hostname: Option<String>,
    /// How the directory is looked at before the registry starts.
    look: Marking,
    /// Whether it may be taken from another registry.
    adopt: bool,
}

impl<'a> Directory<'a> {
    /// `None` where there is nothing to mark: other storage, a registry that an earlier kreg made (it has no
    /// id of its own), or one that was marked when it first came up and whose agents would have to be
    /// replaced twice to see it again.
    pub(super) fn of(
        registry: &'a Registry,
        intent: &Intent,
        spec: &RegistrySpec,
        nodes: Option<&'a dyn NodeAccess>,
        state: &RegistryState,
    ) -> Result<Option<Self>, Error> {
        let (Some(nodes), Storage::HostPath { path, node, .. }) = (nodes, spec.storage()) else {
            return Ok(None);
        };
        let place = spec.place();
        let by_name = place.id().is_none_or(|id| id == place.instance());
        let runs = state.workload != WorkloadState::Absent;
        if by_name || (runs && !nodes.sees_storage()) {
            return Ok(None);
        }
        // One that ran before has images and, if its mark could not be written, no marker. The tutorial's directory is
        // nobody's.
        let look = if runs || place.profile() == Profile::Tutorial {
            Marking::Look
        } else {
            Marking::Fresh
        };
        Ok(Some(Directory {
            registry,
            nodes,
            storage: StorageDir::new(path).tried("the registry cannot keep its images there")?,
            hostname: node.clone(),
            look,
            adopt: intent.adopt,
        }))
    }

    /// Before the registry starts: fails if the directory is another registry's on a node where this one may
    /// come to run.
    pub(super) fn is_free(&self, place: &Place, on: &dyn Observer) -> Result<(), Error> {
        if self.adopt {
            return Ok(());
        }
        let may_hold = |node: &&NodeFact| {
            let hostname = self.hostname.as_deref();
            hostname.is_none_or(|hostname| node.hostname == hostname)
        };
        let nodes = self.registry.facts().nodes.iter().filter(may_hold);
        let names: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
        let receipts = self.mark(place, &names, self.look)?.into_iter();
        let bad: Vec<Receipt> = receipts.filter(|receipt| !receipt.is_ok()).collect();
        let (taken, unseen): (Vec<Receipt>, Vec<Receipt>) = bad
            .into_iter()
            .partition(|receipt| receipt.step.as_deref() == Some("owner"));
        if !taken.is_empty() {
            return Err(DirectoryTaken {
                directory: self.storage.clone(),
                nodes: taken,
            }
            .into());
        }
        for receipt in &unseen {
            on.note(format!(
                "nobody knows whether {} is another registry's there: {receipt}",
                self.storage
            ));
        }
        Ok(())
    }

    /// Once it runs: marks the directory on the nodes that its Pods are on.
    pub(super) async fn claim(&self, place: &Place, on: &dyn Observer) -> Result<(), Error> {
        let nodes = self.nodes_of_pods(place).await?;
        let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let how = if self.adopt {
            Marking::Adopt
        } else {
            Marking::Write
        };
        for receipt in &self.mark(place, &names, how)? {
            if !receipt.is_ok() {
                on.event(&Event::Unmarked {
                    directory: &self.storage,
                    receipt,
                });
            }
        }
        // Agents that saw the directory ran on few nodes, and the trust of all is planned next.
        Ok(block_in_place(|| self.nodes.prepare())?)
    }

    fn mark(&self, place: &Place, names: &[&str], how: Marking) -> Result<Vec<Receipt>, Error> {
        let instance = nodes::instance(place)?;
        Ok(block_in_place(|| {
            self.nodes.mark(&instance, &self.storage, names, how)
        }))
    }

    async fn nodes_of_pods(&self, place: &Place) -> Result<Vec<String>, Error> {
        let workload = Names::of(place).workload;
        let mut query = Query::all(Kind::Pod).within(place.namespace());
        query = match workload.kind() {
            Kind::Pod => query.with_fields(format!("metadata.name={}", workload.name())),
            _ => query.labelled(names::pod_selector(place.instance())),
        };
        let pods = self.registry.cluster().list(&query).await;
        let pods = pods.tried("cannot see which nodes the registry's Pods are on")?;
        let mut nodes: Vec<String> = pods
            .iter()
            .filter_map(|pod| pod.text("/spec/nodeName").map(str::to_owned))
            .collect();
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }
}
