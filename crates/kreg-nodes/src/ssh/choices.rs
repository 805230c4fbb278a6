//! What is said of the way to the nodes beside OpenSSH's own configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::SshConfig;

/// What a program's user may say of the way to the nodes. It wins over OpenSSH's configuration; what is not said here is as
/// that says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshChoices {
    /// See [`SshConfig::user`].
    pub user: Option<String>,
    /// See [`SshConfig::port`].
    pub port: Option<u16>,
    /// The only key file; of the agent's keys only this one is tried too.
    pub identity: Option<PathBuf>,
    /// See [`SshConfig::known_hosts`].
    pub known_hosts: Option<PathBuf>,
    /// See [`SshConfig::accept_new`].
    pub accept_new: bool,
    /// See [`SshConfig::jumps`].
    pub jumps: Option<Vec<String>>,
    /// See [`SshConfig::connect_timeout`].
    pub connect_timeout: Option<Duration>,
}

impl SshConfig {
    /// The same with what was chosen.
    #[must_use]
    pub fn with(mut self, choices: SshChoices) -> SshConfig {
        self.user = choices.user.or(self.user);
        self.port = choices.port.or(self.port);
        self.jumps = choices.jumps.or(self.jumps);
        self.connect_timeout = choices.connect_timeout.or(self.connect_timeout);
        self.accept_new |= choices.accept_new;
        self.known_hosts.extend(choices.known_hosts);
        match choices.identity {
            Some(identity) => self.identity(identity, None).identities_only(true),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::openssh::OpensshConfig;
    use super::*;

    #[test]
    fn what_is_chosen_is_as_if_it_was_said_piece_by_piece() {
        let usual = || SshConfig::following(OpensshConfig::default(), "root");
        let same = |choices, said: SshConfig| {
            assert_eq!(format!("{:?}", usual().with(choices)), format!("{said:?}"));
        };
        same(SshChoices::default(), usual());
        let choices = SshChoices {
            user: Some("admin".to_owned()),
            port: Some(2222),
            identity: Some("key".into()),
            known_hosts: Some("hosts".into()),
            accept_new: true,
            jumps: Some(vec!["a".to_owned()]),
            connect_timeout: Some(Duration::from_secs(3)),
        };
        let said = usual()
            .user("admin")
            .port(2222)
            .identity("key", None)
            .identities_only(true)
            .known_hosts("hosts")
            .accept_new(true)
            .jumps(["a"])
            .connect_timeout(Duration::from_secs(3));
        same(choices, said);
    }
}
