//! A node as kreg reaches it.

use serde::{Deserialize, Serialize};

/// A node: its name in the cluster and where a transport finds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// The name in the cluster, as `kubectl get nodes` prints it; used in every report.
    pub name: String,
    /// What the transport connects to. For SSH `host`, `host:port` or `[v6]:port`;
    /// backends that need none ignore it.
    pub address: String,
}

impl Node {
    /// A node of this name at this address.
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Node {
        Node {
            name: name.into(),
            address: address.into(),
        }
    }
}
