//! The hosts on the way to a node, from its name, its address and all that is configured.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{CONNECT_TIMEOUT, Identity, SshConfig};
use super::openssh::{AddressFamily, HostSettings, IdentityAgent, local_user};
use crate::Node;
use crate::transport::TransportErrorKind;

/// Jump hosts may be reached by jump hosts, but not without end.
const MAX_HOPS: usize = 8;

/// One host to log in at, and how.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    /// By what name OpenSSH's configuration was asked.
    pub(super) asked: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// What its key is known by, and at which port.
    pub(super) known_as: (String, u16),
    pub(super) user: String,
    pub(super) identities: Vec<Identity>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) identities_only: bool,
    pub(super) agent: Agent,
    pub(super) known_hosts: Vec<PathBuf>,
    /// The one that new keys are added to: the user's own.
    pub(super) keeps_keys: Option<PathBuf>,
    /// What says that keys are looked for there.
    pub(super) known_hosts_by: String,
    pub(super) known_hosts_command: Option<String>,
    /// What libssh2 cannot do and OpenSSH's configuration wants.
    pub(super) not_followed: Option<String>,
    pub(super) connect_timeout: Duration,
    pub(super) family: Option<AddressFamily>,
}

/// Which agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    None,
    /// At `SSH_AUTH_SOCK`, if that is set.
    Usual,
    At(PathBuf),
}

impl Hop {
    /// `host:port`, for messages.
    pub(super) fn name(&self) -> String {
        self.at(&self.host)
    }

    /// The error of a jump host.
    pub(super) fn failed(&self, kind: TransportErrorKind) -> TransportErrorKind {
        TransportErrorKind::Jump {
            host: self.name(),
            kind: Box::new(kind),
        }
    }

    /// That libssh2 can go there as it is wanted.
    pub(super) fn follow(&self) -> Result<(), TransportErrorKind> {
        match &self.not_followed {
            None => Ok(()),
            Some(what) => Err(TransportErrorKind::NotFollowed {
                step: "configuration",
                what: what.clone(),
            }),
        }
    }

    /// Its port at `host`.
    pub(super) fn at(&self, host: &str) -> String {
        match host.contains(':') {
            true => format!("[{host}]:{}", self.port),
            false => format!("{host}:{}", self.port),
        }
    }
}

/// All hosts on the way; the last one is the node.
pub(super) fn route(config: &SshConfig, node: &Node) -> Result<Vec<Hop>, TransportErrorKind> {
    let (address, port) = parse(&node.address)?;
    // As a person would ask for it: by the name that a `Host` line has.
    let user = config.user.as_deref();
    let named = match config.openssh.names(address, user)? {
        true => false,
        false => match config.openssh.names(&node.name, user) {
            // Where names are made canonical, this one need not have an address.
            Err(TransportErrorKind::OpensshConfig { detail, .. })
                if detail.contains("Could not resolve host") =>
            {
                false
            }
            other => other?,
        },
    };
    let asked = if named { &node.name } else { address };
    let asked = asked.to_owned();
    let mut settings = config.openssh.lookup(&asked, config.user.as_deref())?;
    if config.jumps.is_some() {
        let proxied = |what: &String| what.starts_with("proxycommand ");
        settings.not_followed.retain(|what| !proxied(what));
    }
    let mut hops = match &config.jumps {
        Some(jumps) => chain(config, jumps, 0)?,
        None => chain(config, &settings.jumps, 0)?,
    };
    let user = config.user.clone().or_else(|| settings.user.clone());
    hops.push(hop(
        config,
        settings,
        &asked,
        address,
        port.or(config.port),
        user.unwrap_or_else(|| config.fallback_user.clone()),
    ));
    Ok(hops)
}

/// Jump hosts in turn. Only the first may be reached by others that its own configuration names:
/// the way to each of the rest is the one before it.
fn chain(
    config: &SshConfig,
    jumps: &[String],
    depth: usize,
) -> Result<Vec<Hop>, TransportErrorKind> {
    if depth > MAX_HOPS || jumps.len() > MAX_HOPS {
        return Err(TransportErrorKind::BadAddress {
            address: format!("{}: more than {MAX_HOPS} jump hosts", jumps.join(",")),
        });
    }
    let mut hops = Vec::new();
    for (number, jump) in jumps.iter().enumerate() {
        let plain = jump.strip_prefix("ssh://").unwrap_or(jump);
        let (user, address) = match plain.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, plain),
        };
        let (host, port) = parse(address)?;
        let settings = config.openssh.lookup(host, user)?;
        if number == 0 {
            hops.extend(chain(config, &settings.jumps, depth + 1)?);
        }
        let user = user.map(str::to_owned).or_else(|| settings.user.clone());
        let user = user.unwrap_or_else(local_user);
        hops.push(hop(config, settings, host, host, port, user));
    }
    Ok(hops)
}

fn hop(
    config: &SshConfig,
    settings: HostSettings,
    asked: &str,
    address: &str,
    port: Option<u16>,
    user: String,
) -> Hop {
    let said = |what: &str| match settings.applied.as_slice() {
        [] => format!("OpenSSH's configuration for `{asked}` says `{what}`"),
        at => format!(
            "OpenSSH's configuration for `{asked}` says `{what}` ({})",
            at.join(", ")
        ),
    };
    let (keeps_keys, known_hosts) = config.known_hosts_files(
        settings.user_known_hosts.as_deref(),
        settings.global_known_hosts.as_deref(),
    );
    let user_files = settings.user_known_hosts.iter().flatten();
    let user_files: Vec<_> = user_files.map(|file| file.display().to_string()).collect();
    let known_hosts_by = match &config.known_hosts[..] {
        [] if user_files.is_empty() => said("UserKnownHostsFile none"),
        [] => said(&format!("UserKnownHostsFile {}", user_files.join(" "))),
        [file, ..] => file.display().to_string(),
    };
    let command = settings.known_hosts_command.as_ref();
    let command = command.filter(|_| config.known_hosts.is_empty());
    let known_hosts_command = command.map(|command| said(&format!("KnownHostsCommand {command}")));
    let not_followed = settings.not_followed.first().map(|what| said(what));
    let host = settings.host_name.unwrap_or_else(|| address.to_owned());
    let port = port.or(settings.port).unwrap_or(22);
    Hop {
        asked: asked.to_owned(),
        known_as: match settings.host_key_alias {
            Some(alias) => (alias, 22),
            None => (host.clone(), port),
        },
        host,
        port,
        user,
        identities: config.identity_files(&settings.identity_files),
        identities_only: config.identities_only || settings.identities_only,
        agent: match (config.agent, settings.identity_agent) {
            (false, _) | (_, Some(IdentityAgent::None)) => Agent::None,
            (true, None) => Agent::Usual,
            (true, Some(IdentityAgent::Socket(path))) => Agent::At(path),
        },
        certificates: settings.certificate_files,
        known_hosts,
        keeps_keys,
        known_hosts_by,
        known_hosts_command,
        not_followed,
        connect_timeout: config
            .connect_timeout
            .or(settings.connect_timeout)
            .unwrap_or(CONNECT_TIMEOUT),
        family: settings.address_family,
    }
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn parse(address: &str) -> Result<(&str, Option<u16>), TransportErrorKind> {
    let bad = || TransportErrorKind::BadAddress {
        address: address.to_owned(),
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
            (host, rest.strip_prefix(':'))
        }
        None if address.matches(':').count() > 1 => (address, None),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = port.map(|port| port.parse().ok().filter(|&port| port != 0).ok_or_else(bad));
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    match !host.is_empty() && !host.starts_with('-') && host.chars().all(plain) {
        true => Ok((host, port.transpose()?)),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::openssh::OpensshConfig;
    use proptest::prelude::*;

    /// The file is read for each host that is asked for, so it stays.
    fn following(text: &str) -> (tempfile::TempDir, SshConfig) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, text).unwrap();
        let config = SshConfig::following(OpensshConfig::read(&file).unwrap(), "root");
        (folder, config)
    }

    fn told(config: &SshConfig, name: &str, address: &str) -> Vec<String> {
        let hops = route(config, &Node::new(name, address)).unwrap();
        let told = |hop: &Hop| format!("{}@{}", hop.user, hop.name());
        hops.iter().map(told).collect()
    }

    #[test]
    fn reads_addresses() {
        let of = |text| parse(text).ok();
        assert_eq!(of("node1"), Some(("node1", None)));
        assert_eq!(of("10.0.0.1:2222"), Some(("10.0.0.1", Some(2222))));
        assert_eq!(of("[fd00::1]:2222"), Some(("fd00::1", Some(2222))));
        assert_eq!(of("[fd00::1]"), Some(("fd00::1", None)));
        assert_eq!(of("fd00::1"), Some(("fd00::1", None)));
        for bad in [
            "",
            ":22",
            "a:b",
            "a:0",
            "a:70000",
            "[a",
            "-oProxyCommand=x",
            "a b",
            "u@h",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    #[ignore = "needs ssh: run by cargo xtask test"]
    fn a_node_is_asked_for_by_the_name_that_a_host_line_has() {
        let (_folder, config) = following(
            "Host worker-*\n  User ubuntu\n  Port 2222\n\
             Host 10.0.0.7\n  User core\n\
             Host alias\n  HostName 192.0.2.9\n\
             Host *\n  ConnectTimeout 3\n",
        );
        // By its name, but at its own address: the lines give no other.
        assert_eq!(
            told(&config, "worker-1", "10.0.0.1"),
            ["ubuntu@10.0.0.1:2222"]
        );
        // The address is named itself, which is nearer.
        assert_eq!(told(&config, "worker-7", "10.0.0.7"), ["core@10.0.0.7:22"]);
        assert_eq!(told(&config, "worker-1", "alias"), ["root@192.0.2.9:22"]);
        assert_eq!(told(&config, "other", "10.0.0.1"), ["root@10.0.0.1:22"]);
        // What is said on the command line wins, and a port in an address most of all.
        let config = config.user("me").port(23);
        assert_eq!(told(&config, "worker-1", "10.0.0.1"), ["me@10.0.0.1:23"]);
        assert_eq!(told(&config, "worker-1", "10.0.0.1:24"), ["me@10.0.0.1:24"]);
        let hops = route(&config, &Node::new("x", "y")).unwrap();
        assert_eq!(hops[0].connect_timeout, Duration::from_secs(3));
    }

    #[test]
    #[ignore = "needs ssh: run by cargo xtask test"]
    fn jump_hosts_come_in_turn_and_the_first_by_its_own() {
        let (_folder, config) = following(
            "Host node\n  ProxyJump one,u2@two:2222\n\
             Host one\n  HostName 192.0.2.1\n  User u1\n  ProxyJump zero\n\
             Host zero two\n  User u0\n  ProxyJump none\n\
             Host loop\n  ProxyJump loop\n",
        );
        let way = [
            "u0@zero:22",
            "u1@192.0.2.1:22",
            "u2@two:2222",
            "root@10.0.0.1:22",
        ];
        assert_eq!(told(&config, "node", "10.0.0.1"), way);
        let direct = config.clone().jumps::<&str>([]);
        assert_eq!(told(&direct, "node", "10.0.0.1"), way[3..]);
        let other = config.clone().jumps(["ssh://u9@nine:99"]);
        assert_eq!(told(&other, "node", "10.0.0.1"), ["u9@nine:99", way[3]]);
        assert!(route(&config, &Node::new("loop", "10.0.0.1")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
