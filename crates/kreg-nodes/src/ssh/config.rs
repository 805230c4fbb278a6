//! How nodes are entered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::openssh::{DEFAULT_IDENTITIES, OpensshConfig};

/// How nodes are entered. Host keys must stand in a known_hosts file, unless
/// [`SshConfig::accept_new`] adds those of hosts that stand in none; a changed key is
/// refused always.
///
/// What is said here wins over what an [`OpensshConfig`] says.
#[derive(Clone, Debug)]
pub struct SshConfig {
    pub(super) user: Option<String>,
    pub(super) fallback_user: String,
    pub(super) port: Option<u16>,
    pub(super) identities: Vec<Identity>,
    pub(super) identities_only: bool,
    pub(super) passphrase: Option<SecretString>,
    pub(super) agent: bool,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) accept_new: bool,
    pub(super) jumps: Option<Vec<String>>,
    pub(super) openssh: OpensshConfig,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) root: Option<String>,
}

/// A private key file.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) path: PathBuf,
    pub(super) passphrase: Option<SecretString>,
}

/// Where the system's host keys are (ssh_config(5), GlobalKnownHostsFile).
pub(super) const GLOBAL_KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// To connect, and to log in, where nobody says otherwise.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl SshConfig {
    /// Login as `user` at port 22, with the keys in `~/.ssh` and those of the agent, host
    /// keys by `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`, 10 s to connect.
    pub fn new(user: impl Into<String>) -> SshConfig {
        let user = user.into();
        SshConfig {
            user: Some(user.clone()),
            ..SshConfig::following(OpensshConfig::default(), user)
        }
    }

    /// As OpenSSH's own configuration says; as `user` where that names none.
    pub fn following(openssh: OpensshConfig, user: impl Into<String>) -> SshConfig {
        SshConfig {
            user: None,
            fallback_user: user.into(),
            port: None,
            identities: Vec::new(),
            identities_only: false,
            passphrase: None,
            agent: true,
            known_hosts: Vec::new(),
            accept_new: false,
            jumps: None,
            openssh,
            connect_timeout: None,
            root: None,
        }
    }

    /// Who logs in on the nodes, whatever OpenSSH's configuration says.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> SshConfig {
        self.user = Some(user.into());
        self
    }

    /// The port where a node's address names none.
    #[must_use]
    pub fn port(mut self, port: u16) -> SshConfig {
        self.port = Some(port);
        self
    }

    /// One more private key file, with its passphrase if it has one. With any such the keys
    /// in `~/.ssh` are not tried.
    #[must_use]
    pub fn identity(
        mut self,
        path: impl Into<PathBuf>,
        passphrase: Option<SecretString>,
    ) -> SshConfig {
        self.identities.push(Identity {
            path: path.into(),
            passphrase,
        });
        self
    }

    /// Whether of the agent's keys only those are tried whose file is named: `KEY.pub` beside
    /// each says which they are.
    #[must_use]
    pub fn identities_only(mut self, yes: bool) -> SshConfig {
        self.identities_only = yes;
        self
    }

    /// For each key file that has a passphrase and was given none of its own.
    #[must_use]
    pub fn passphrase(mut self, passphrase: SecretString) -> SshConfig {
        self.passphrase = Some(passphrase);
        self
    }

    /// Whether the agent at `SSH_AUTH_SOCK` is asked, after the key files. It is by default.
    #[must_use]
    pub fn agent(mut self, yes: bool) -> SshConfig {
        self.agent = yes;
        self
    }

    /// One more known_hosts file, instead of the usual ones. The first is the one that
    /// [`SshConfig::accept_new`] adds to.
    #[must_use]
    pub fn known_hosts(mut self, path: impl Into<PathBuf>) -> SshConfig {
        self.known_hosts.push(path.into());
        self
    }

    /// Whether hosts of which no key is known are trusted at first sight and their key
    /// added. They are not by default.
    #[must_use]
    pub fn accept_new(mut self, yes: bool) -> SshConfig {
        self.accept_new = yes;
        self
    }

    /// Hosts to go through, the first one first, each `host`, `user@host:port` or
    /// `ssh://user@host:port`; none at all leads there directly. As `ssh -J`, without a user it
    /// is the account that runs this. Their host keys are checked as the nodes' are.
    #[must_use]
    pub fn jumps<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> SshConfig {
        self.jumps = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// The longest that connecting and logging in may take, each, at each host on the way.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> SshConfig {
        self.connect_timeout = Some(timeout);
        self
    }

    /// A directory on the nodes that every path lies below (`KREG_ROOT`); for tests and for
    /// building images on another machine.
    #[must_use]
    pub fn root(mut self, directory: impl Into<String>) -> SshConfig {
        self.root = Some(directory.into());
        self
    }

    /// The key files to try where OpenSSH's configuration names `configured`.
    pub(super) fn identity_files(&self, configured: &[PathBuf]) -> Vec<Identity> {
        let with_passphrase = |identity: &Identity| Identity {
            path: identity.path.clone(),
            passphrase: identity
                .passphrase
                .clone()
                .or_else(|| self.passphrase.clone()),
        };
        let named = |path: PathBuf| Identity {
            path,
            passphrase: self.passphrase.clone(),
        };
        if !self.identities.is_empty() {
            return self.identities.iter().map(with_passphrase).collect();
        }
        if !configured.is_empty() {
            return configured.iter().cloned().map(named).collect();
        }
        default_identities().into_iter().map(named).collect()
    }

    /// The known_hosts file to add to, and all of them.
    pub(super) fn known_hosts_files(
        &self,
        user: Option<&[PathBuf]>,
        global: Option<&[PathBuf]>,
    ) -> (Option<PathBuf>, Vec<PathBuf>) {
        if !self.known_hosts.is_empty() {
            return (self.known_hosts.first().cloned(), self.known_hosts.clone());
        }
        let own = || home().map(|home| home.join(".ssh/known_hosts"));
        let user = user.map_or_else(|| own().into_iter().collect(), <[_]>::to_vec);
        let system = || vec![Path::new(GLOBAL_KNOWN_HOSTS).to_owned()];
        let global = global.map_or_else(system, <[_]>::to_vec);
        let first = user.first().cloned();
        (first, user.into_iter().chain(global).collect())
    }
}

/// Those of OpenSSH's usual keys that are there.
fn default_identities() -> Vec<PathBuf> {
    let Some(folder) = home().map(|home| home.join(".ssh")) else {
        return Vec::new();
    };
    DEFAULT_IDENTITIES
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
