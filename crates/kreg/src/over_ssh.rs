//! The usual way to the nodes.

use kreg_k8s::NodeFact;
use kreg_nodes::ssh::SshConfig;
use kreg_nodes::{BySsh, Node};

use crate::registry::Registry;

/// The nodes of a registry's cluster, over SSH as this user, who needs `sudo` without a password unless it is root. Host keys
/// must be known to this account's OpenSSH.
#[must_use]
pub fn over_ssh(registry: &Registry, user: &str) -> BySsh {
    let facts = registry.facts().nodes.iter();
    let node = |fact: &NodeFact| {
        let address = fact.addresses.first()?;
        Some(Node::new(&fact.name, address.to_string()))
    };
    let config = SshConfig::new(user);
    BySsh::libssh2(facts.filter_map(node).collect(), config)
}
