//! Why a script could not be run on a node.

use std::time::Duration;

use crate::{Advice, Node};

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
    /// No key of that host could be known: where known keys are looked for, none can be kept.
    #[error(
        "its host key is not known ({algorithm} {fingerprint}), and no file keeps one: {source_of_keys}"
    )]
    NoKnownHosts {
        /// Such as `ssh-ed25519`.
        algorithm: String,
        /// `SHA256:...` as ssh prints it.
        fingerprint: String,
        /// What says where to look for keys, such as `UserKnownHostsFile /dev/null (config:3)`.
        source_of_keys: String,
        /// A command that writes the key to a file of its own.
        add: String,
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
        /// Whether there was a key that libssh2 cannot use and the `ssh` program can.
        by_openssh: bool,
    },
    /// The node closed the connection before every key was offered, as sshd does after some
    /// failures (sshd_config(5), MaxAuthTries).
    #[error(
        "the node closed the connection while `{user}` logged in, after {tried}{}",
        never_offered(.untried)
    )]
    HungUp {
        /// User name.
        user: String,
        /// Each key that was tried and what came of it.
        tried: String,
        /// The keys that were never offered.
        untried: Vec<String>,
    },
    /// Something else than a shell answered: a forced command, or a login shell that ends.
    #[error("as `{user}` no shell was started; the node answered: {said}")]
    Answered {
        /// User name.
        user: String,
        /// The node's words.
        said: String,
        /// The user that these words ask for.
        wants: Option<String>,
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
    /// The SSH server has no algorithm in common with libssh2.
    #[error("no common {what} with the SSH server: it offers {offers}, and libssh2 knows {known}")]
    Algorithms {
        /// Such as `key exchange method`.
        what: &'static str,
        /// What the server offers.
        offers: String,
        /// What libssh2 knows.
        known: String,
    },
    /// The `ssh` program did not get there.
    #[error("ssh says: {said}")]
    Openssh {
        /// `host key` or `connect`.
        step: &'static str,
        /// Its words.
        said: String,
        /// How a person goes there, as a shell takes it.
        by_hand: String,
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
    /// `ssh` rejects OpenSSH's configuration.
    #[error("ssh rejects its configuration for {host} ({detail})")]
    OpensshConfig {
        /// The host as it was asked for, or `every host`.
        host: String,
        /// The words of ssh, with file and line.
        detail: String,
    },
    /// Something is wanted that libssh2 cannot do and the `ssh` program can.
    #[error("{what}, which libssh2 cannot follow")]
    NotFollowed {
        /// `configuration` or `host key`.
        step: &'static str,
        /// What is wanted, and where that is said.
        what: String,
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

    /// The setting that the remedy is about.
    #[must_use]
    pub fn advice(&self) -> Option<Advice> {
        self.kind.advice()
    }
}

/// How a person sees the fingerprints of a node's host keys.
const HOST_KEYS_ON_IT: &str =
    "on it: `for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done`";

fn never_offered(untried: &[String]) -> String {
    match untried {
        [] => String::new(),
        keys => format!("; never offered: {}", keys.join(", ")),
    }
}

impl TransportErrorKind {
    fn step(&self) -> &'static str {
        use TransportErrorKind as K;
        match self {
            K::HostKeyUnknown { .. }
            | K::HostKeyChanged { .. }
            | K::HostKeyRevoked { .. }
            | K::NoKnownHosts { .. }
            | K::KnownHosts { .. } => "host key",
            K::Auth { .. } | K::HungUp { .. } | K::Answered { .. } => "login",
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
            K::NotFollowed { step, .. } | K::Openssh { step, .. } => step,
            _ => "connect",
        }
    }

    fn advice(&self) -> Option<Advice> {
        use TransportErrorKind as K;
        match self {
            K::OpensshConfig { .. } => Some(Advice::Configuration),
            K::HungUp { .. } => Some(Advice::Identity),
            K::NoKnownHosts { .. } => Some(Advice::KnownHosts),
            K::NotFollowed { .. } | K::Algorithms { .. } => Some(Advice::Openssh),
            K::Auth { by_openssh, .. } => by_openssh.then_some(Advice::Openssh),
            K::Answered { wants, .. } => wants.clone().map(Advice::User),
            K::NoAgent { state } if state.contains("ErrImageNeverPull") => None,
            K::NoAgent { .. } => Some(Advice::Agents),
            K::Cluster { .. } => Some(Advice::Rights),
            K::Jump { kind, .. } => match kind.advice() {
                // Of the nodes, not of a host on the way to them.
                Some(Advice::User(_)) => None,
                other => other,
            },
            _ => None,
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
            } => "the node is slow or its disk hangs; look at its load, then try again or \
                 give it more time"
                .to_owned(),
            K::Timeout { .. } => format!("check that {host} is up and no firewall is between"),
            K::HostKeyUnknown { add, .. } => format!(
                "compare that fingerprint with the node's own ({HOST_KEYS_ON_IT}), then: {add}"
            ),
            K::HostKeyChanged { remove, .. } => format!(
                "if the node was set up anew, remove the old key by `{remove}` and add the new \
                 one; if not, somebody may be between you and it"
            ),
            K::HostKeyRevoked { .. } => "give the node a new host key".to_owned(),
            K::KnownHosts { path, .. } => format!("check that {path} exists and its permissions"),
            K::NoKnownHosts { add, .. } => format!(
                "compare that fingerprint with the node's own ({HOST_KEYS_ON_IT}), then keep the key by \
                 `{add}`, and name that file as the one of known hosts"
            ),
            K::HungUp { .. } => {
                "name the one key that the node knows: each key that is offered counts \
                 as a try, and sshd hangs up after its MaxAuthTries (6 by default)"
                    .to_owned()
            }
            K::Answered {
                wants: Some(wants), ..
            } => {
                format!("log in as `{wants}`, who then needs sudo without a password")
            }
            K::Answered { user, .. } => format!(
                "see on the node what `{user}` runs at login (its shell in /etc/passwd, `command=` in its \
                 ~/.ssh/authorized_keys), or log in as another user"
            ),
            K::Auth {
                by_openssh: true, ..
            } => {
                "enter the nodes by the system's own `ssh` program, or give a plain key".to_owned()
            }
            K::Auth { user, .. } => format!(
                "give the right key, or let it in on the node: append its public half to \
                 `{user}`'s ~/.ssh/authorized_keys"
            ),
            K::Privilege { user, .. } => format!(
                "log in as root, or on the node: `echo '{user} ALL=(root) NOPASSWD: ALL' > \
                 /etc/sudoers.d/kreg`"
            ),
            K::Handshake { .. } => "see that an SSH server answers at that address".to_owned(),
            K::Lost { .. } => "try again: it repairs what was left half done".to_owned(),
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
                "fix what ssh names there, which `ssh -G` shows too; or leave \
                 OpenSSH's configuration out"
                    .to_owned()
            }
            K::NotFollowed { .. } | K::Algorithms { .. } => {
                "enter the nodes by the system's own `ssh` program".to_owned()
            }
            K::Openssh {
                step: "host key", ..
            } => format!(
                "compare the host key with the node's own ({HOST_KEYS_ON_IT}), then put it into your \
                 known_hosts file"
            ),
            K::Openssh { by_hand, .. } => {
                format!(
                    "fix what ssh says; when `{by_hand}` gets to {host} without a question, kreg does"
                )
            }
            K::NoAgent { state } if state.contains("ErrImageNeverPull") => format!(
                "the registry's image was loaded into the nodes and is missing on {host}: load it there too, as \
                 by `ctr -n k8s.io images import`; or push it to a registry and name it from there"
            ),
            K::NoAgent { state } if state.contains("hostPath type check failed") => format!(
                "node {host} lacks a directory that the agents of the other nodes write in: put the \
                 agents on the nodes again, for which every node is looked at first"
            ),
            K::NoAgent { .. } => format!(
                "see whether node {host} is Ready and what `kubectl -n kreg-nodes get pods -o wide` \
                 says of it, then put an agent on every node"
            ),
            K::Cluster { .. } => {
                "see whether the API server answers, and what this account may do there".to_owned()
            }
        }
    }
}

/// What a [`TransportErrorKind::Lost`] or `Timeout` was doing once the script had begun.
pub(crate) const RUNNING: &str = "running the node program";
