//! What OpenSSH's configuration says of a host.

use std::path::PathBuf;
use std::time::Duration;

/// Where OpenSSH looks for keys if none is named (ssh_config(5), IdentityFile), of those that libssh2 can read.
pub(crate) const DEFAULT_IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// What the configuration says about one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSettings {
    /// The name or address to connect to, if another than was asked for.
    pub host_name: Option<String>,
    /// The name that its key is known by.
    pub host_key_alias: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private keys, in the order to try; those of ssh's usual ones that exist, if none is named.
    pub identity_files: Vec<PathBuf>,
    /// Certificates of users' keys, beside those that lie beside the keys.
    pub certificate_files: Vec<PathBuf>,
    /// Of an agent's keys only those of `identity_files`.
    pub identities_only: bool,
    /// The agent's socket, if another than `SSH_AUTH_SOCK`; or none at all.
    pub identity_agent: Option<IdentityAgent>,
    /// Where the user's host keys are; `Some` of none is an empty list.
    pub user_known_hosts: Option<Vec<PathBuf>>,
    /// Where the system's host keys are.
    pub global_known_hosts: Option<Vec<PathBuf>>,
    /// A command that prints host keys, if one is named. It is not run.
    pub known_hosts_command: Option<String>,
    /// Hosts to go through, the first one first: `user@host:port`.
    pub jumps: Vec<String>,
    /// The longest that connecting may take.
    pub connect_timeout: Option<Duration>,
    /// Only addresses of this family.
    pub address_family: Option<AddressFamily>,
    /// Settings that change where a connection goes or what it is checked by, in ways that
    /// libssh2 does not have: `proxycommand nc %h %p`.
    pub not_followed: Vec<String>,
    /// `file:line` of the `Host` lines that apply.
    pub applied: Vec<String>,
}

/// What `IdentityAgent` says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityAgent {
    /// No agent is asked.
    None,
    /// The one at this socket.
    Socket(PathBuf),
}

/// Which addresses of a name may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressFamily {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}
