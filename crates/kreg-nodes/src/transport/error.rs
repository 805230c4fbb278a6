//! Why a script could not be run on a node.

use std::time::Duration;

use crate::Node;

/// Why a script could not be run on a node.
#[derive(Debug, thiserror::Error)]
#[error("node {node} ({address}): {kind}")]
#[non_exhaustive]
pub struct TransportError {
    /// The node's name.
    pub node: String,
    /// The address that was tried.
    pub address: String,
    /// What went wrong.
    pub kind: Box<TransportErrorKind>,
}

/// What went wrong between here and a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The address is neither a name nor an IP address, or its port is none.
    #[error("`{address}` is no address to connect to")]
    BadAddress {
        /// The address as given.
        address: String,
    },
    /// The name has no address.
    #[error("the name `{name}` could not be resolved ({detail})")]
    Unresolved {
        /// The name looked up.
        name: String,
        /// The resolver's words.
        detail: String,
    },
    /// Nothing listens there.
    #[error("connection to port {port} refused")]
    Refused {
        /// TCP port.
        port: u16,
    },
    /// No answer in time.
    #[error("no answer within {} s while {during}", .after.as_secs_f32())]
    Timeout {
        /// What was under way.
        during: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The host key is in no known_hosts file.
    #[error("its host key is not known: {algorithm} {fingerprint}")]
    HostKeyUnknown {
        /// Such as `ssh-ed25519`.
        algorithm: String,
        /// `SHA256:...` as ssh prints it.
        fingerprint: String,
        /// A command that adds the key.
        add: String,
    },
    /// Another key is known for that host.
    #[error(
        "its host key has CHANGED: it shows {algorithm} {fingerprint}, but {known_at} holds another"
    )]
    HostKeyChanged {
        /// Such as `ssh-ed25519`.
        algorithm: String,
        /// `SHA256:...` of the key that was shown.
        fingerprint: String,
        /// `file:line` of the entry that differs.
        known_at: String,
        /// A command that removes the old entry.
        remove: String,
    },
    /// The key is marked `@revoked`.
    #[error("its host key {fingerprint} is marked @revoked at {known_at}")]
    HostKeyRevoked {
        /// `SHA256:...` of the key.
        fingerprint: String,
        /// `file:line` of the mark.
        known_at: String,
    },
    /// A known_hosts file could not be read or added to.
    #[error("known_hosts file {path} cannot be {tried} ({detail})")]
    KnownHosts {
        /// The file.
        path: String,
        /// `read` or `written`.
        tried: &'static str,
        /// The system's words.
        detail: String,
    },
    /// The node let nobody in.
    #[error("login as `{user}` was refused; tried {tried}; the node offers {offered}")]
    Auth {
        /// User name.
        user: String,
        /// Each key that was tried and what came of it.
        tried: String,
        /// The methods that the server offers.
        offered: String,
    },
    /// The user is not root and may not become it.
    #[error("`{user}` cannot become root by `sudo -n` ({detail})")]
    Privilege {
        /// User name.
        user: String,
        /// sudo's words.
        detail: String,
    },
    /// The SSH handshake failed.
    #[error("the SSH handshake failed ({detail})")]
    Handshake {
        /// libssh2's words.
        detail: String,
    },
    /// The connection broke.
    #[error("the connection broke while {during} ({detail})")]
    Lost {
        /// What was under way.
        during: &'static str,
        /// The words of the system or of libssh2.
        detail: String,
    },
    /// A host on the way to the node failed.
    #[error("jump host {host}: {kind}")]
    Jump {
        /// `host:port` of the jump host.
        host: String,
        /// What failed there.
        kind: Box<TransportErrorKind>,
    },
    /// A host on the way could not reach the next one.
    #[error("jump host {host} cannot connect to {to} ({detail})")]
    JumpRefused {
        /// `host:port` of the jump host.
        host: String,
        /// `host:port` of where it was to lead.
        to: String,
        /// libssh2's words.
        detail: String,
    },
    /// OpenSSH's configuration says what kreg cannot follow.
    #[error("{at} of OpenSSH's configuration cannot be followed: {detail}")]
    OpensshConfig {
        /// `file:line`.
        at: String,
        /// Why not.
        detail: String,
    },
    /// The script printed more than [`crate::transport::OUTPUT_LIMIT`].
    #[error("the script printed more than {limit} bytes")]
    TooMuchOutput {
        /// The limit, in bytes.
        limit: usize,
    },
    /// No agent's Pod runs on the node.
    #[error("no node agent runs on it ({state})")]
    NoAgent {
        /// What there is instead.
        state: String,
    },
    /// The cluster's API server refused or failed.
    #[error("cannot {tried} ({detail})")]
    Cluster {
        /// What was tried.
        tried: &'static str,
        /// The words of the server, or of the connection to it.
        detail: String,
    },
    /// The shell could not be started.
    #[error("`{program}` could not be started ({detail})")]
    Start {
        /// The shell.
        program: String,
        /// The system's words.
        detail: String,
    },
}

impl TransportError {
    /// An error of this kind on this node.
    #[must_use]
    pub fn new(node: &Node, kind: TransportErrorKind) -> TransportError {
        TransportError {
            node: node.name.clone(),
            address: node.address.clone(),
            kind: Box::new(kind),
        }
    }

    /// Whether the script was never begun because the node could not be reached or entered.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        !matches!(
            *self.kind,
            TransportErrorKind::TooMuchOutput { .. }
                | TransportErrorKind::Start { .. }
                | TransportErrorKind::Lost {
                    during: RUNNING,
                    ..
                }
                | TransportErrorKind::Timeout {
                    during: RUNNING,
                    ..
                }
        )
    }

    /// The step to name in a report.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.kind.step()
    }

    /// What to do next.
    #[must_use]
    pub fn remedy(&self) -> String {
        self.kind.remedy(&self.address)
    }
}

impl TransportErrorKind {
    fn step(&self) -> &'static str {
        use TransportErrorKind as K;
        match self {
            K::HostKeyUnknown { .. }
            | K::HostKeyChanged { .. }
            | K::HostKeyRevoked { .. }
            | K::KnownHosts { .. } => "host key",
            K::Auth { .. } => "login",
            K::Privilege { .. } => "sudo",
            K::TooMuchOutput { .. } | K::Start { .. } => "run",
            K::NoAgent { .. } => "agent",
            K::Lost {
                during: RUNNING, ..
            }
            | K::Timeout {
                during: RUNNING, ..
            } => "run",
            K::Jump { kind, .. } => kind.step(),
            K::OpensshConfig { .. } => "configuration",
            _ => "connect",
        }
    }

    /// `host`: where it happened.
    fn remedy(&self, host: &str) -> String {
        use TransportErrorKind as K;
        match self {
            K::BadAddress { .. } => {
                "write `host`, `host:port` or `[v6]:port` for this node".to_owned()
            }
            K::Unresolved { .. } => {
                "give the node's IP address, or make the name resolve here".to_owned()
            }
            K::Refused { .. } => {
                format!("start sshd on {host}, or name the port that it listens on as `host:port`")
            }
            K::Timeout {
                during: RUNNING, ..
            } => "the node is slow or its disk hangs; look at its load, then run kreg again or \
                 give it more time"
                .to_owned(),
            K::Timeout { .. } => format!("check that {host} is up and no firewall is between"),
            K::HostKeyUnknown { add, .. } => format!(
                "compare that fingerprint with the node's own (on it: `for f in \
                 /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done`), then: {add}"
            ),
            K::HostKeyChanged { remove, .. } => format!(
                "if the node was set up anew, remove the old key by `{remove}` and add the new \
                 one; if not, somebody may be between you and it"
            ),
            K::HostKeyRevoked { .. } => "give the node a new host key".to_owned(),
            K::KnownHosts { path, .. } => format!("check that {path} exists and its permissions"),
            K::Auth { user, .. } => format!(
                "give the right key, or let it in on the node: append its public half to \
                 `{user}`'s ~/.ssh/authorized_keys"
            ),
            K::Privilege { user, .. } => format!(
                "log in as root, or on the node: `echo '{user} ALL=(root) NOPASSWD: ALL' > \
                 /etc/sudoers.d/kreg`"
            ),
            K::Handshake { .. } => {
                "see that an SSH server of our times answers at that address".to_owned()
            }
            K::Lost { .. } => "run kreg again: it mends what was left half done".to_owned(),
            K::TooMuchOutput { .. } => {
                "look for a login script on the node that prints without end".to_owned()
            }
            K::Start { program, .. } => format!("install `{program}`"),
            K::Jump { host, kind } => kind.remedy(host),
            K::JumpRefused { host, to, .. } => format!(
                "see that {to} can be reached from {host}, and that its sshd allows \
                 AllowTcpForwarding"
            ),
            K::OpensshConfig { .. } => {
                "say with kreg's own flags how to get there, and leave OpenSSH's configuration \
                 out by --ssh-config none; or give kreg a file of its own with --ssh-config FILE"
                    .to_owned()
            }
            K::NoAgent { state } if state.contains("ErrImageNeverPull") => format!(
                "the registry's image was loaded into the nodes and is missing on {host}: load it there too, as \
                 by `ctr -n k8s.io images import`; or push it to a registry and name it from there"
            ),
            K::NoAgent { state } if state.contains("hostPath type check failed") => format!(
                "node {host} lacks a directory that the agents of the other nodes write in: run `kreg up` \
                 again, which looks at every node first"
            ),
            K::NoAgent { .. } => format!(
                "see whether node {host} is Ready and what `kubectl -n kreg-nodes get pods -o wide` \
                 says of it; `kreg nodes trust` puts an agent on every node"
            ),
            K::Cluster { .. } => {
                "see whether the API server answers, and what `kreg export rbac` lists".to_owned()
            }
        }
    }
}

/// What a [`TransportErrorKind::Lost`] or `Timeout` was doing once the script had begun.
pub(crate) const RUNNING: &str = "running the node program";
