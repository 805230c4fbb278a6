//! The directory on nodes that a registry keeps its images in: no other's, and marked as this one's.
//!
//! What `down --delete-data` erases is what is marked. A volume of a StorageClass needs no mark: its
//! provisioner makes a directory for each claim and removes it.

use kreg_k8s::{
    Cluster as _, Kind, Names, NodeFact, Place, Profile, Query, RegistrySpec, RegistryState,
    Storage, WorkloadState, names,
};
use kreg_nodes::{Marking, Receipt, StorageDir};

use crate::app::App;
use crate::error::{Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::session::Session;

pub(super) struct Directory<'a> {
    session: &'a Session,
    nodes: &'a Nodes,
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
        session: &'a Session,
        nodes: Option<&'a Nodes>,
        spec: &RegistrySpec,
        state: &RegistryState,
        adopt: bool,
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
        let storage = StorageDir::new(path).tried("the registry cannot keep its images there")?;
        Ok(Some(Self {
            session,
            nodes,
            storage,
            hostname: node.clone(),
            // One that ran before has images and, if its mark could not be written, no marker. The tutorial's directory
            // is nobody's.
            look: match runs || place.profile() == Profile::Tutorial {
                true => Marking::Look,
                false => Marking::Fresh,
            },
            adopt,
        }))
    }

    /// Before the registry starts: fails if the directory is another registry's on a node where this one may
    /// come to run.
    pub(super) fn is_free(&self, app: &App, place: &Place) -> Result<(), Error> {
        if self.adopt {
            return Ok(());
        }
        let may_hold = |node: &&NodeFact| {
            let hostname = self.hostname.as_deref();
            hostname.is_none_or(|hostname| node.hostname == hostname)
        };
        let nodes = self.session.facts.nodes.iter().filter(may_hold);
        let names: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
        let receipts = self.mark(place, &names, self.look)?.into_iter();
        let bad: Vec<Receipt> = receipts.filter(|receipt| !receipt.is_ok()).collect();
        let (taken, unseen): (Vec<Receipt>, Vec<Receipt>) = bad
            .into_iter()
            .partition(|receipt| receipt.step.as_deref() == Some("owner"));
        if !taken.is_empty() {
            let why = fleet::listed(&taken);
            return Err(Error::failed(format!(
                "the directory {} is another registry's:\n{why}",
                self.storage
            ))
            .help(
                "choose another directory, or run `kreg down --delete-data` for the registry that owns it; images that \
                 nobody owns any more are taken over with --adopt",
            ));
        }
        for receipt in unseen {
            app.progress.note(format!(
                "nobody knows whether {} is another registry's there: {receipt}",
                self.storage
            ));
        }
        Ok(())
    }

    /// Once it runs: marks the directory on the nodes that its Pods are on.
    pub(super) async fn claim(&self, app: &App, place: &Place) -> Result<(), Error> {
        let nodes = self.nodes_of_pods(place).await?;
        let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let how = if self.adopt {
            Marking::Adopt
        } else {
            Marking::Write
        };
        for receipt in self.mark(place, &names, how)? {
            if !receipt.is_ok() {
                app.progress.note(format!(
                    "{} is not marked as this registry's, so `kreg down --delete-data` will leave its images: {receipt}",
                    self.storage
                ));
            }
        }
        // Agents that saw the directory ran on few nodes, and the trust of all is planned next.
        self.nodes.prepare()
    }

    fn mark(&self, place: &Place, names: &[&str], how: Marking) -> Result<Vec<Receipt>, Error> {
        let instance = fleet::instance(place)?;
        Ok(self.nodes.mark(&instance, &self.storage, names, how))
    }

    async fn nodes_of_pods(&self, place: &Place) -> Result<Vec<String>, Error> {
        let workload = Names::of(place).workload;
        let mut query = Query::all(Kind::Pod).within(place.namespace());
        query = match workload.kind() {
            Kind::Pod => query.with_fields(format!("metadata.name={}", workload.name())),
            _ => query.labelled(names::pod_selector(place.instance())),
        };
        let pods = self.session.cluster.list(&query).await;
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
