//! A choice that flags and the configuration file have in common.

use clap::ValueEnum;

/// How kreg reaches the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// From here, one login a node
    Ssh,
    /// From here, by the `ssh` program: for ProxyCommand, keys of security devices, certificates of hosts
    OpenSsh,
    /// By an agent on each node, which also keeps its trust, and that of nodes that join later
    DaemonSet,
}
