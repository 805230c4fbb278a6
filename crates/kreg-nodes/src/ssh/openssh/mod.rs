//! OpenSSH's own configuration: what `~/.ssh/config` says of a host.
//!
//! Read here and not by a crate, because what kreg cannot follow must be named: a reader that
//! takes `Match` for an unknown word gives its lines to the `Host` above, and connects elsewhere.

mod lines;
mod lookup;
mod tokens;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::lines::Line;
use crate::transport::TransportErrorKind;

/// OpenSSH's configuration files (ssh_config(5)), the one that wins first.
///
/// Followed: `Host`, `Match` by `all`, `host`, `originalhost`, `user` and `localuser`, `Include`,
/// `HostName`, `HostKeyAlias`, `User`, `Port`, `IdentityFile`, `IdentitiesOnly`, `IdentityAgent`,
/// `UserKnownHostsFile`, `GlobalKnownHostsFile`, `ProxyJump`, `ConnectTimeout`, `AddressFamily`.
/// What else would lead a connection elsewhere, or loosen no check, is an error if it applies to
/// the host: `ProxyCommand`, `Match exec`, `BindAddress`, `RevokedHostKeys` and their like. Host
/// keys are checked strictly, whatever `StrictHostKeyChecking` says.
#[derive(Clone, Debug, Default)]
pub struct OpensshConfig {
    lines: Vec<Vec<Line>>,
    /// Read instead of the usual ones.
    pub(super) file: Option<PathBuf>,
    home: String,
    local_user: String,
}

/// What the files say of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostSettings {
    /// The name or address to connect to.
    pub host_name: Option<String>,
    /// The name that its key is known by.
    pub host_key_alias: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private keys, in the order to try.
    pub identity_files: Vec<PathBuf>,
    /// Of an agent's keys only those of `identity_files`.
    pub identities_only: bool,
    /// The agent's socket, if another than `SSH_AUTH_SOCK`; or none at all.
    pub identity_agent: Option<IdentityAgent>,
    /// Where the user's host keys are; `Some` of none is an empty list.
    pub user_known_hosts: Option<Vec<PathBuf>>,
    /// Where the system's host keys are.
    pub global_known_hosts: Option<Vec<PathBuf>>,
    /// Hosts to go through, the first one first: `user@host:port`.
    pub jumps: Vec<String>,
    /// The longest that connecting may take.
    pub connect_timeout: Option<Duration>,
    /// Only addresses of this family.
    pub address_family: Option<AddressFamily>,
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

/// Where relative paths of `Include` begin.
struct Folder {
    home: PathBuf,
    includes: PathBuf,
}

impl OpensshConfig {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`; those that are not there say nothing.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] for a file that cannot be read or taken apart.
    pub fn usual() -> Result<OpensshConfig, TransportErrorKind> {
        let mut config = OpensshConfig::empty();
        let own = Path::new(&config.home).join(".ssh");
        config.add(&own.join("config"), &own)?;
        let system = Path::new("/etc/ssh");
        config.add(&system.join("ssh_config"), system)?;
        Ok(config)
    }

    /// This file alone, as `ssh -F` has it.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] if it cannot be read or taken apart.
    pub fn read(file: &Path) -> Result<OpensshConfig, TransportErrorKind> {
        let mut config = OpensshConfig::empty();
        let own = Path::new(&config.home).join(".ssh");
        match config.add(file, &own)? {
            true => {
                config.file = Some(file.to_owned());
                Ok(config)
            }
            false => Err(unusable(
                &file.display().to_string(),
                "there is no such file",
            )),
        }
    }

    /// What they say of `host`, asked for by that name; as `user`, if that is settled already.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] if something applies that kreg cannot follow.
    pub fn lookup(
        &self,
        host: &str,
        user: Option<&str>,
    ) -> Result<HostSettings, TransportErrorKind> {
        lookup::lookup(self, host, user)
    }

    /// Whether a `Host` line names this host, by more than `*`.
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        fn any(lines: &[Line], host: &str) -> bool {
            lines.iter().any(|line| {
                let named = line.keyword == "host"
                    && super::pattern::fits(line.words.iter().map(String::as_str), host)
                    && line
                        .words
                        .iter()
                        .any(|word| word != "*" && super::pattern::wildcard(word, host));
                named || any(&line.included, host)
            })
        }
        self.lines.iter().any(|lines| any(lines, host))
    }

    fn empty() -> OpensshConfig {
        let of = |name| std::env::var(name).ok();
        OpensshConfig {
            lines: Vec::new(),
            file: None,
            home: of("HOME").unwrap_or_default(),
            local_user: local_user(),
        }
    }

    fn add(&mut self, file: &Path, includes: &Path) -> Result<bool, TransportErrorKind> {
        let folder = Folder {
            home: PathBuf::from(&self.home),
            includes: includes.to_owned(),
        };
        let lines = lines::read(file, &folder, 0)?;
        let found = lines.is_some();
        self.lines.extend(lines);
        Ok(found)
    }
}

/// Who runs this, by the environment.
pub(super) fn local_user() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "root".to_owned())
}

fn unusable(at: &str, why: impl Into<String>) -> TransportErrorKind {
    TransportErrorKind::OpensshConfig {
        at: at.to_owned(),
        detail: why.into(),
    }
}
