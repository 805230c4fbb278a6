//! Settings that would help.

use serde::{Deserialize, Serialize};

/// The setting that would help: the program that uses this crate knows how to change it, and what it
/// calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Advice {
    /// Files of others may be replaced: [`crate::Trust::with_adopt`].
    Adopt,
    /// A namespace that nothing but its label shows to be kreg's may be used for agents.
    AdoptNamespace,
    /// Agents are put on every node again: [`crate::NodeAccess::prepare`], then
    /// [`crate::NodeAccess::trust`].
    Agents,
    /// Another file of OpenSSH's configuration, or none: `ssh::openssh::OpensshConfig`.
    Configuration,
    /// The one right key: `ssh::SshConfig::identity`.
    Identity,
    /// Another file of known hosts: `ssh::SshConfig::known_hosts`.
    KnownHosts,
    /// The runtime is not restarted, so that the plan says what to set by hand:
    /// [`crate::Trust::with_restart`].
    NoRestart,
    /// The system's `ssh` program: `ssh::SystemSsh`.
    Openssh,
    /// The runtime may be restarted: [`crate::Trust::with_restart`].
    Restart,
    /// More rights in the cluster.
    Rights,
    /// This user: `ssh::SshConfig::user`.
    User(String),
}
