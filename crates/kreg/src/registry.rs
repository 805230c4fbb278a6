//! One registry of one cluster: where it is, and what is found there.

mod find;
pub(crate) mod standing;

use std::sync::Arc;

use kreg_k8s::{
    Cluster, ClusterFacts, Connection, Inventory, LiveCluster, Place, Profile, RegistryState,
};

pub use self::find::Which;
pub use self::standing::Standing;
use kreg_stream::PodStreams;
use kreg_verify::PodDial;

use crate::agents;
use crate::error::{Error, FindError, Tried as _};

/// A registry that is there, or is to be put there.
pub struct Registry {
    cluster: Arc<dyn Cluster>,
    facts: ClusterFacts,
    place: Place,
    /// Every registry of the cluster that may be seen.
    records: Vec<Inventory>,
    agents: agents::Standing,
}

/// Connects to a cluster, and reads what it is like: [`Registry::find`] and [`Registry::claim`] take both.
///
/// # Errors
/// [`FindError::Connection`] and [`FindError::Cluster`].
pub async fn connect(connection: &Connection) -> Result<(LiveCluster, ClusterFacts), Error> {
    let cluster = LiveCluster::connect(connection).await;
    let cluster = cluster.map_err(|cause| FindError::Connection(cause.into()))?;
    let facts = ClusterFacts::read(&cluster).await;
    let facts = facts.map_err(|cause| FindError::Cluster(cause.into()))?;
    Ok((cluster, facts))
}

impl Registry {
    /// Looks for a registry that is there. Where there is none, the place that was meant is this registry's.
    ///
    /// # Errors
    /// [`FindError`], or [`Error::Failed`] where the cluster cannot be read.
    pub async fn find(
        cluster: Arc<dyn Cluster>,
        facts: ClusterFacts,
        which: Which,
    ) -> Result<Self, Error> {
        let meant = which.place();
        let records = find::records(cluster.as_ref(), meant).await?;
        let place = find::found(&records, &which)?;
        find::no_earlier(cluster.as_ref(), &records, &place).await?;
        Self::of(cluster, facts, place, records).await
    }

    /// Claims the default place in the cluster of the current kubeconfig.
    ///
    /// # Errors
    /// As [`Registry::claim`], and if there is no such cluster.
    pub async fn usual() -> Result<Self, Error> {
        let (cluster, facts) = connect(&Connection::default()).await?;
        Self::claim(Arc::new(cluster), facts, Place::new(Profile::Default)).await
    }

    /// Claims a place for a registry that is to be there. One that is there already is meant again.
    ///
    /// # Errors
    /// [`FindError::Claimed`] where another registry has that name, and as [`Registry::find`].
    pub async fn claim(
        cluster: Arc<dyn Cluster>,
        facts: ClusterFacts,
        place: Place,
    ) -> Result<Self, Error> {
        let records = find::records(cluster.as_ref(), &place).await?;
        find::unclaimed(&records, &place)?;
        find::no_earlier(cluster.as_ref(), &records, &place).await?;
        let id = match find::here(&records, &place) {
            Some(known) => known.id.clone(),
            // What is put up gets it now, so that every node is judged by it from the start.
            None => Inventory::new_id().tried("cannot name a new registry")?,
        };
        Self::of(cluster, facts, place.with_id(Some(id)), records).await
    }

    async fn of(
        cluster: Arc<dyn Cluster>,
        facts: ClusterFacts,
        place: Place,
        records: Vec<Inventory>,
    ) -> Result<Self, Error> {
        let declared = find::here(&records, &place).and_then(|one| one.declared.as_ref());
        let mut all = records.iter().filter_map(|one| one.declared.as_ref());
        let anywhere = all.any(|declared| declared.node_agent);
        let name = place.instance();
        let agents = agents::Standing::read(cluster.as_ref(), name, declared, anywhere).await?;
        Ok(Registry {
            cluster,
            facts,
            place,
            records,
            agents,
        })
    }

    /// The agents that stand on the nodes.
    #[must_use]
    pub fn agents(&self) -> &agents::Standing {
        &self.agents
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Its streams to Pods.
    ///
    /// # Errors
    /// [`Error::NoCluster`] where no Pod can run.
    pub fn streams(&self) -> Result<&PodStreams, Error> {
        self.cluster.streams().ok_or(Error::NoCluster)
    }

    /// The way to one of its Pods, through the API server.
    pub(crate) fn dial(&self) -> Result<PodDial, Error> {
        let (streams, place) = (self.streams()?.clone(), self.place());
        Ok(PodDial::new(
            streams,
            place.namespace(),
            place.service(),
            place.port(),
        ))
    }

    /// What the cluster is like.
    #[must_use]
    pub fn facts(&self) -> &ClusterFacts {
        &self.facts
    }

    /// Which registry it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What the cluster records of it.
    #[must_use]
    pub fn record(&self) -> Option<&Inventory> {
        find::here(&self.records, &self.place)
    }

    /// Whether any registry is recorded in its namespace.
    #[must_use]
    pub fn is_namespace_known(&self) -> bool {
        let here = self.place.namespace();
        self.records.iter().any(|one| one.namespace == here)
    }

    /// Every registry of the cluster that may be seen.
    #[must_use]
    pub fn records(&self) -> &[Inventory] {
        &self.records
    }

    /// What is there of it now.
    ///
    /// # Errors
    /// [`Error::Failed`] where the cluster cannot be read.
    pub async fn state(&self) -> Result<RegistryState, Error> {
        let what = format!(
            "cannot read the registry {} back from the cluster",
            self.place.instance()
        );
        RegistryState::read(self.cluster.as_ref(), &self.place)
            .await
            .tried(what)
    }

    /// The same of one that must be there.
    ///
    /// # Errors
    /// [`FindError::NotThere`], and as [`Registry::state`].
    pub async fn existing(&self) -> Result<RegistryState, Error> {
        let state = self.state().await?;
        if state.exists() {
            return Ok(state);
        }
        Err(FindError::NotThere {
            instance: self.place.instance().to_owned(),
            namespace: self.place.namespace().to_owned(),
        }
        .into())
    }

    /// Address, CA bundle and pull credentials of a registry that is up.
    ///
    /// # Errors
    /// [`crate::NotUp`], and as [`Registry::existing`].
    pub async fn standing(&self) -> Result<Standing, Error> {
        Standing::of(&self.place, self.existing().await?)
    }
}
