//! OpenSSH's configuration read as ssh itself reads it: compared with `ssh -G`.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kreg_nodes::TransportErrorKind;
use kreg_nodes::ssh::openssh::{AddressFamily, HostSettings, IdentityAgent, OpensshConfig};
use proptest::prelude::*;

const HOSTS: [&str; 4] = ["node1", "node2.lan", "10.0.0.1", "bastion"];

fn read(text: &str) -> (tempfile::TempDir, OpensshConfig) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, text).unwrap();
    let config = OpensshConfig::read(&file).unwrap_or_else(|e| panic!("{e}\n{text}"));
    (folder, config)
}

/// What ssh says it would do, by keyword.
fn ssh_g(file: &Path, host: &str) -> Vec<(String, String)> {
    let ran = Command::new("ssh")
        .arg("-F")
        .arg(file)
        .args(["-G", host])
        .output()
        .expect("ssh");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let says = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success(),
        "{says}\n{}",
        fs::read_to_string(file).unwrap()
    );
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(keyword, value)| (keyword.to_owned(), value.to_owned()))
        .collect()
}

fn compare(file: &Path, host: &str, ours: &HostSettings) {
    let theirs = ssh_g(file, host);
    let text = fs::read_to_string(file).unwrap();
    let get = |keyword: &str| {
        let found = theirs.iter().find(|(k, _)| k == keyword);
        found.map(|(_, value)| value.clone())
    };
    let name = ours.host_name.clone().unwrap_or_else(|| host.to_owned());
    assert_eq!(get("hostname"), Some(name), "{host}\n{text}");
    let port = ours.port.unwrap_or(22).to_string();
    assert_eq!(get("port"), Some(port), "{host}\n{text}");
    if let Some(user) = &ours.user {
        assert_eq!(get("user"), Some(user.clone()), "{host}\n{text}");
    }
    assert_eq!(get("hostkeyalias"), ours.host_key_alias, "{host}\n{text}");
    let jumps = (!ours.jumps.is_empty()).then(|| ours.jumps.join(","));
    assert_eq!(get("proxyjump"), jumps, "{host}\n{text}");
    let files: Vec<String> = theirs
        .iter()
        .filter(|(keyword, _)| keyword == "identityfile")
        .map(|(_, value)| value.clone())
        .collect();
    let own: Vec<String> = ours
        .identity_files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    if !own.is_empty() {
        assert_eq!(files, own, "{host}\n{text}");
    }
    let only = if ours.identities_only { "yes" } else { "no" };
    assert_eq!(
        get("identitiesonly").as_deref(),
        Some(only),
        "{host}\n{text}"
    );
    if let Some(limit) = ours.connect_timeout {
        let seconds = limit.as_secs().to_string();
        assert_eq!(get("connecttimeout"), Some(seconds), "{host}\n{text}");
    }
}

fn pattern() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "*", "node1", "node?", "*.lan", "!node1", "10.0.0.*", "bastion", "!*.lan", "no*1",
        ][..],
    )
}

/// Lines of which kreg follows every one, in any order.
fn line() -> impl Strategy<Value = String> {
    let words = |head: &'static str| {
        prop::collection::vec(pattern(), 1..3).prop_map(move |p| format!("{head} {}", p.join(" ")))
    };
    let lists = |head: &'static str| {
        prop::collection::vec(pattern(), 1..3).prop_map(move |p| format!("{head} {}", p.join(",")))
    };
    let value = |head: &'static str, values: &'static [&'static str]| {
        prop::sample::select(values).prop_map(move |v| format!("  {head}{v}"))
    };
    prop_oneof![
        3 => words("Host"),
        1 => lists("Match host"),
        1 => lists("Match originalhost"),
        1 => lists("match !host"),
        1 => Just("Match user root".to_owned()),
        1 => Just("Match user admin,core host *".to_owned()),
        1 => Just("Match localuser root !user nobody".to_owned()),
        1 => Just("Match all".to_owned()),
        2 => value("HostName ", &["192.0.2.1", "%h.lan", "\"node 9\"", "x%%h", "bastion"]),
        2 => value("User=", &["admin", "core", "root"]),
        2 => value("Port ", &["22", "2222", " 2200 # there"]),
        2 => value("IdentityFile ", &["/keys/a", "/keys/b", "/keys/a#b", "\"/keys/c d\""]),
        2 => value("ProxyJump ", &["gate", "u@gate:2222,gate2", "none"]),
        1 => value("HostKeyAlias ", &["alias", "other"]),
        1 => value("IdentitiesOnly ", &["yes", "no"]),
        1 => value("ConnectTimeout = ", &["7", "1m", "1m30"]),
        1 => value("StrictHostKeyChecking ", &["no", "yes"]),
        1 => Just("# a comment".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    #[ignore = "needs ssh: run by cargo xtask test"]
    fn hosts_are_found_as_ssh_finds_them(
        lines in prop::collection::vec(line(), 0..14),
        host in prop::sample::select(&HOSTS[..]),
    ) {
        let text = lines.join("\n");
        let (folder, config) = read(&text);
        let ours = config.lookup(host, None).unwrap_or_else(|e| panic!("{e}\n{text}"));
        compare(&folder.path().join("config"), host, &ours);
    }
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn included_files_stay_within_their_block() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("more")).unwrap();
    fs::write(at("more/1.conf"), "User one\nHost node2.lan\n  Port 2\n").unwrap();
    fs::write(at("more/2.conf"), "Host *\n  User two\n  Port 3\n").unwrap();
    fs::write(at("more/.hidden.conf"), "User hidden\n").unwrap();
    let text = format!(
        "Host node1\n  Include {0}/more/*.conf {0}/none\n  HostKeyAlias after\n\
         Host *\n  Include {0}/more/2.c?nf\n",
        folder.path().display()
    );
    fs::write(at("config"), text).unwrap();
    let config = OpensshConfig::read(&at("config")).unwrap();
    for host in HOSTS {
        compare(&at("config"), host, &config.lookup(host, None).unwrap());
    }
    let node1 = config.lookup("node1", None).unwrap();
    assert_eq!((node1.user.as_deref(), node1.port), (Some("one"), Some(3)));
    assert_eq!(node1.host_key_alias.as_deref(), Some("after"));
}

/// What kreg does not follow is named where it applies, and only there.
#[test]
fn what_cannot_be_followed_is_named_where_it_applies() {
    for (text, named) in [
        ("Host node1\n  ProxyCommand nc %h %p\n", "config:2"),
        ("Host node1\n  BindAddress 10.0.0.9\n", "config:2"),
        ("Host node1\n  CanonicalizeHostname always\n", "config:2"),
        ("Host node1\n  RevokedHostKeys /etc/revoked\n", "config:2"),
        (
            "Match host node1 exec \"true\"\n  ProxyJump bastion\n",
            "config:1",
        ),
        ("Match final host node1\n  HostName other\n", "config:1"),
        ("Match host node1 tagged x\n  User other\n", "config:1"),
        ("Host node1\n  IdentityFile ~/%Z\n", "config:2"),
        ("Host node1\n  Port http\n", "config:2"),
    ] {
        let (_folder, config) = read(text);
        let kind = config.lookup("node1", None).expect_err(text);
        let TransportErrorKind::OpensshConfig { at, .. } = &kind else {
            panic!("{kind:?}");
        };
        assert!(at.ends_with(named), "{text}: {kind}");
        assert_eq!(
            config.lookup("node2", None).unwrap(),
            HostSettings::default(),
            "{text}"
        );
    }
    // The first one won already, or nothing hangs on it.
    for text in [
        "Host node1\n  ProxyJump none\nHost *\n  ProxyCommand nc %h %p\n",
        "Host node1\n  CanonicalizeHostname no\n",
        "Match host node1 exec \"true\"\n  ForwardAgent yes\n",
        "Host node1\n  User a\nMatch exec \"true\"\n  User b\n",
    ] {
        let (_folder, config) = read(text);
        assert!(config.lookup("node1", None).is_ok(), "{text}");
    }
}

#[test]
fn files_agents_and_families() {
    let (_folder, config) = read(
        "Host a\n  UserKnownHostsFile /k/one \"/k/t wo\"\n  GlobalKnownHostsFile none\n  \
         IdentityAgent none\n  AddressFamily inet6\n  ConnectTimeout none\n\
         Host b\n  IdentityAgent /run/agent\n  UserKnownHostsFile none\n\
         Host c\n  IdentityAgent SSH_AUTH_SOCK\n",
    );
    let a = config.lookup("a", None).unwrap();
    let files = ["/k/one", "/k/t wo"].map(Into::into).to_vec();
    assert_eq!(a.user_known_hosts, Some(files));
    assert_eq!(a.global_known_hosts, Some(Vec::new()));
    assert_eq!(a.identity_agent, Some(IdentityAgent::None));
    assert_eq!(a.address_family, Some(AddressFamily::Inet6));
    assert_eq!(a.connect_timeout, None::<Duration>);
    let b = config.lookup("b", None).unwrap();
    assert_eq!(
        b.identity_agent,
        Some(IdentityAgent::Socket("/run/agent".into()))
    );
    assert_eq!(b.user_known_hosts, Some(Vec::new()));
    assert_eq!(config.lookup("c", None).unwrap().identity_agent, None);
}

/// `ssh -G` shows tokens as they stand, so these are from ssh_config(5), TOKENS.
#[test]
fn tokens_of_files() {
    let (_folder, config) = read(
        "Host node1\n  HostName %h.lan\n  User core\n  Port 2222\n  \
         IdentityFile /keys/%n/%h/%r/%p/%%\n  IdentityFile none\n",
    );
    let node1 = config.lookup("node1", None).unwrap();
    let file = "/keys/node1/node1.lan/core/2222/%";
    assert_eq!(node1.identity_files, [Path::new(file)]);
    let as_root = config.lookup("node1", Some("root")).unwrap();
    let file = "/keys/node1/node1.lan/root/2222/%";
    assert_eq!(as_root.identity_files, [Path::new(file)]);
}
