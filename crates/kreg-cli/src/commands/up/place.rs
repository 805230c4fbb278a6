//! The directory on nodes that a registry keeps its images in: no other's, and marked as this one's.
//!
//! What `down --delete-data` erases is what is marked. A volume of a StorageClass needs no mark: its
//! provisioner makes a directory for each claim and removes it.

use kreg_k8s::{
    Cluster as _, Kind, Names, NodeFact, Query, RegistrySpec, RegistryState, Storage, names,
};
use kreg_nodes::{Marking, Receipt, StorageDir};

use crate::app::App;
use crate::error::{Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::session::Session;

pub(super) struct Place<'a> {
    session: &'a Session,
    nodes: &'a Nodes,
    storage: StorageDir,
    /// Where the volume is bound to a node, the value of its label `kubernetes.io/hostname`.
    hostname: Option<String>,
}

impl<'a> Place<'a> {
    /// `None` where there is nothing to mark: other storage, a registry that an earlier kreg made (it has no
    /// id of its own), or one that was marked when it first came up and whose agents would have to be
    /// replaced twice to see it again.
    pub(super) fn of(
        session: &'a Session,
        nodes: Option<&'a Nodes>,
        spec: &RegistrySpec,
        state: &RegistryState,
    ) -> Result<Option<Self>, Error> {
        let (Some(nodes), Storage::HostPath { path, node, .. }) = (nodes, spec.storage()) else {
            return Ok(None);
        };
        let by_name = spec.id().is_none_or(|id| id == spec.instance());
        if by_name || (nodes.way() == "agent" && state.exists()) {
            return Ok(None);
        }
        let storage = StorageDir::new(path).tried("the registry cannot keep its images there")?;
        Ok(Some(Self {
            session,
            nodes,
            storage,
            hostname: node.clone(),
        }))
    }

    /// Before the registry starts: fails if the directory is another registry's on a node where this one may
    /// come to run.
    pub(super) fn is_free(&self, spec: &RegistrySpec) -> Result<(), Error> {
        let may_hold = |node: &&NodeFact| {
            let hostname = self.hostname.as_deref();
            hostname.is_none_or(|hostname| node.hostname == hostname)
        };
        let nodes = self.session.facts.nodes.iter().filter(may_hold);
        let names: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
        let taken: Vec<Receipt> = self
            .mark(spec, &names, Marking::Look)?
            .into_iter()
            .filter(|receipt| receipt.step.as_deref() == Some("owner"))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        let why = fleet::listed(&taken);
        Err(Error::failed(format!(
            "the directory {} is another registry's:\n{why}",
            self.storage
        ))
        .help("give this one another directory, or erase that one with its own registry's `down --delete-data`"))
    }

    /// Once it runs: marks the directory on the nodes that its Pods are on.
    pub(super) async fn claim(&self, app: &App, spec: &RegistrySpec) -> Result<(), Error> {
        let nodes = self.nodes_of_pods(spec).await?;
        let names: Vec<&str> = nodes.iter().map(String::as_str).collect();
        for receipt in self.mark(spec, &names, Marking::Write)? {
            if !receipt.is_ok() {
                app.progress.note(format!(
                    "{} is not marked as this registry's, so `kreg down --delete-data` will leave its images: {receipt}",
                    self.storage
                ));
            }
        }
        Ok(())
    }

    fn mark(
        &self,
        spec: &RegistrySpec,
        names: &[&str],
        how: Marking,
    ) -> Result<Vec<Receipt>, Error> {
        let instance = fleet::instance(spec)?;
        Ok(self.nodes.mark(&instance, &self.storage, names, how))
    }

    async fn nodes_of_pods(&self, spec: &RegistrySpec) -> Result<Vec<String>, Error> {
        let workload = Names::of(spec).workload;
        let mut query = Query::all(Kind::Pod).within(spec.namespace());
        query = match workload.kind() {
            Kind::Pod => query.with_fields(format!("metadata.name={}", workload.name())),
            _ => query.labelled(format!(
                "{},{}=registry",
                names::selector(spec.instance()),
                names::LABEL_COMPONENT
            )),
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
