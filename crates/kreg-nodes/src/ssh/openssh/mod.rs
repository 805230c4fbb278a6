//! OpenSSH's own configuration: what `~/.ssh/config` says about a host, as `ssh -G` answers it.
//!
//! `ssh` itself is asked, so `Match exec`, `Include`, tokens and canonical names mean here what they
//! mean to it. Where no `ssh` is installed there is no configuration to follow.

mod asked;
mod said;
mod settings;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use self::said::Said;
pub(super) use self::settings::DEFAULT_IDENTITIES;
pub use self::settings::{AddressFamily, HostSettings, IdentityAgent};
use super::lock::lock;
use crate::transport::TransportErrorKind;

/// OpenSSH's configuration (ssh_config(5)), as the `ssh` on `PATH` reads it. By default, none.
///
/// Followed: `HostName`, `HostKeyAlias`, `User`, `Port`, `IdentityFile`, `CertificateFile`,
/// `IdentitiesOnly`, `IdentityAgent`, `UserKnownHostsFile`, `GlobalKnownHostsFile`, `ProxyJump`,
/// `ConnectTimeout`, `AddressFamily`. What else would lead a connection elsewhere, or check it more
/// strictly, is in [`HostSettings::not_followed`]. Host keys are checked strictly, whatever
/// `StrictHostKeyChecking` says.
#[derive(Clone, Debug, Default)]
pub struct OpensshConfig {
    /// Read instead of the usual ones.
    pub(super) file: Option<PathBuf>,
    answers: Option<Arc<Answers>>,
}

/// What was asked already.
#[derive(Debug)]
struct Answers {
    /// What ssh does without any configuration.
    unconfigured: Said,
    /// What it does with every host, if it does the same with all of them.
    of_all: Option<Said>,
    known: Mutex<HashMap<Question, Arc<Said>>>,
}

/// A host, and the user if that is settled.
type Question = (String, Option<String>);

/// A host that no line names, unless it names all.
const STRANGER: &str = "0.0.0.0";

impl OpensshConfig {
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`; nothing if no `ssh` is installed.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] if ssh rejects them.
    pub fn usual() -> Result<OpensshConfig, TransportErrorKind> {
        match OpensshConfig::asking(None) {
            Err(TransportErrorKind::Start { .. }) => Ok(OpensshConfig::default()),
            other => other,
        }
    }

    /// Only this file, as `ssh -F` has it.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] if ssh rejects it, [`TransportErrorKind::Start`] if no
    /// `ssh` is installed.
    pub fn read(file: &Path) -> Result<OpensshConfig, TransportErrorKind> {
        OpensshConfig::asking(Some(file.to_owned()))
    }

    fn asking(file: Option<PathBuf>) -> Result<OpensshConfig, TransportErrorKind> {
        let unconfigured = asked::ask(Some(Path::new("none")), None, STRANGER)?;
        // What ssh rejects, it rejects for every host: known before the first node is asked for.
        let stranger = asked::ask(file.as_deref(), None, STRANGER).map_err(|kind| match kind {
            TransportErrorKind::OpensshConfig { detail, .. } => TransportErrorKind::OpensshConfig {
                host: "every host".to_owned(),
                detail,
            },
            kind => kind,
        })?;
        let answers = Answers {
            unconfigured,
            of_all: stranger.is_of_all().then_some(stranger),
            known: Mutex::default(),
        };
        Ok(OpensshConfig {
            file,
            answers: Some(Arc::new(answers)),
        })
    }

    /// What it says about `host`, asked for by that name; as `user`, if that is settled already.
    ///
    /// # Errors
    /// [`TransportErrorKind::OpensshConfig`] if ssh rejects it.
    pub fn lookup(
        &self,
        host: &str,
        user: Option<&str>,
    ) -> Result<HostSettings, TransportErrorKind> {
        let (Some(answers), Some(said)) = (&self.answers, self.said(host, user)?) else {
            return Ok(HostSettings::default());
        };
        let named = match said.get("user") {
            // This account's name, which stands there as well if nothing names a user.
            name if user.is_none() && name == answers.unconfigured.get("user") => {
                name.filter(|name| said.may_name_user() && self.names_user(host, name))
            }
            name => name,
        };
        said.settings(&answers.unconfigured, named)
            .map_err(|detail| TransportErrorKind::OpensshConfig {
                host: host.to_owned(),
                detail,
            })
    }

    /// Whether it says anything about this host that it does not say about all.
    ///
    /// # Errors
    /// As [`OpensshConfig::lookup`].
    pub fn names(&self, host: &str, user: Option<&str>) -> Result<bool, TransportErrorKind> {
        match (self.said(host, user)?, self.said(STRANGER, user)?) {
            (Some(said), Some(of_all)) => Ok(!said.is_like(&of_all)),
            _ => Ok(false),
        }
    }

    /// Whether any configuration is followed.
    pub(super) fn is_followed(&self) -> bool {
        self.answers.is_some()
    }

    /// Asks once for each host and user, or once for all.
    fn said(
        &self,
        host: &str,
        user: Option<&str>,
    ) -> Result<Option<Arc<Said>>, TransportErrorKind> {
        let Some(answers) = &self.answers else {
            return Ok(None);
        };
        if let Some(said) = &answers.of_all {
            return Ok(Some(Arc::new(said.renamed(host, user))));
        }
        let key = (host.to_owned(), user.map(str::to_owned));
        if let Some(said) = lock(&answers.known).get(&key) {
            return Ok(Some(said.clone()));
        }
        let said = Arc::new(asked::ask(self.file.as_deref(), user, host)?);
        lock(&answers.known).insert(key, said.clone());
        Ok(Some(said))
    }

    /// Whether a `User` line gives this account's own name: with another default after all lines,
    /// that name stays.
    fn names_user(&self, host: &str, name: &str) -> bool {
        let ask = || {
            let mut file = tempfile::NamedTempFile::new().ok()?;
            let of_file = |file: &Path| format!("Include \"{}\"\n", file.display());
            let lines = match &self.file {
                Some(path) => of_file(&std::path::absolute(path).ok()?),
                None => "Include config\nInclude /etc/ssh/ssh_config\n".to_owned(),
            };
            write!(file, "{lines}Match all\n  User kreg-nobody\n").ok()?;
            asked::ask(Some(file.path()), None, host).ok()
        };
        ask().is_some_and(|said| said.get("user") == Some(name))
    }
}

/// The account that runs this, by the environment.
pub(super) fn local_user() -> String {
    std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "root".to_owned())
}
