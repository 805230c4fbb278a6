//! What stands of a registry's agents.

use kreg_k8s::{Cluster, Declared, Kind, ObjectRef};
use kreg_nodes::AccessError;
use kreg_nodes::daemonset::{NAMESPACE, StandingAgents};

use super::guard;

/// What stands of a registry's agents.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// What the DaemonSet says, if it is there.
    live: Option<StandingAgents>,
    /// The registry's own image, as the record has it.
    image: Option<String>,
    noted: bool,
    /// Whether it is there without a record, and yet kreg's.
    left: bool,
    /// Whether any registry's record has agents.
    anywhere: bool,
}

impl Standing {
    pub(crate) async fn read(
        cluster: &dyn Cluster,
        name: &str,
        declared: Option<&Declared>,
        anywhere: bool,
    ) -> Result<Self, AccessError> {
        let live = match cluster.get(&daemon_set(name)).await {
            // An account that may not look there has no agents.
            Err(kreg_k8s::Error::Denied { .. }) => None,
            other => other.map_err(AccessError::tried(
                "cannot see whether there are node agents",
            ))?,
        };
        let noted = declared.is_some_and(|declared| declared.node_agent);
        // A first `up` that was killed before it wrote the record leaves agents as well.
        let left = live.is_some() && !noted && guard::is_witness(cluster).await?;
        Ok(Self {
            left,
            live: live.map(|live| StandingAgents::of(live.value())),
            image: declared.map(|declared| declared.image.clone()),
            noted,
            anywhere,
        })
    }

    /// Whether the record says that the registry's nodes were set up by agents. A DaemonSet that is there says nothing:
    /// anyone may have made it.
    #[must_use]
    pub fn chosen(&self) -> bool {
        self.noted
    }

    /// Whether some registry of the cluster has agents, by its record.
    #[must_use]
    pub fn are_anywhere(&self) -> bool {
        self.anywhere
    }

    /// Whether they are in the cluster now, by the record too.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.left || (self.noted && self.live.is_some())
    }

    /// What the agents may do, if they are there.
    #[must_use]
    pub fn standing(&self) -> Option<&StandingAgents> {
        self.live.as_ref().filter(|_| self.noted)
    }

    /// What the registry itself runs.
    #[must_use]
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }
}

fn daemon_set(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::DaemonSet, NAMESPACE, name)
}
