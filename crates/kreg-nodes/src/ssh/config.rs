//! How nodes are entered.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

/// How nodes are entered. Host keys must stand in a known_hosts file, unless
/// [`SshConfig::accept_new`] adds those of hosts that stand in none; a changed key is
/// refused always.
#[derive(Clone, Debug)]
pub struct SshConfig {
    pub(super) user: String,
    pub(super) port: u16,
    pub(super) identities: Vec<Identity>,
    pub(super) agent: bool,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) accept_new: bool,
    pub(super) connect_timeout: Duration,
    pub(super) root: Option<String>,
}

/// A private key file.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) path: PathBuf,
    pub(super) passphrase: Option<SecretString>,
}

/// Where OpenSSH looks for keys if none is named (ssh_config(5), IdentityFile).
const DEFAULT_IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

impl SshConfig {
    /// Login as `user` at port 22, with the keys in `~/.ssh` and those of the agent, host
    /// keys by `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`, 10 s to connect.
    pub fn new(user: impl Into<String>) -> SshConfig {
        SshConfig {
            user: user.into(),
            port: 22,
            identities: Vec::new(),
            agent: true,
            known_hosts: Vec::new(),
            accept_new: false,
            connect_timeout: Duration::from_secs(10),
            root: None,
        }
    }

    /// The port where a node's address names none.
    #[must_use]
    pub fn port(mut self, port: u16) -> SshConfig {
        self.port = port;
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

    /// The longest that connecting and logging in may take, each.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> SshConfig {
        self.connect_timeout = timeout;
        self
    }

    /// A directory on the nodes that every path lies below (`KREG_ROOT`); for tests and for
    /// building images on another machine.
    #[must_use]
    pub fn root(mut self, directory: impl Into<String>) -> SshConfig {
        self.root = Some(directory.into());
        self
    }

    /// The key files to try.
    pub(super) fn identity_files(&self) -> Vec<Identity> {
        if !self.identities.is_empty() {
            return self.identities.clone();
        }
        let Some(folder) = home().map(|home| home.join(".ssh")) else {
            return Vec::new();
        };
        DEFAULT_IDENTITIES
            .iter()
            .map(|name| folder.join(name))
            .filter(|path| path.is_file())
            .map(|path| Identity {
                path,
                passphrase: None,
            })
            .collect()
    }

    /// The known_hosts files, the one to add to first.
    pub(super) fn known_hosts_files(&self) -> Vec<PathBuf> {
        if !self.known_hosts.is_empty() {
            return self.known_hosts.clone();
        }
        let own = home().map(|home| home.join(".ssh/known_hosts"));
        let system = Path::new("/etc/ssh/ssh_known_hosts").to_owned();
        own.into_iter().chain([system]).collect()
    }
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}
