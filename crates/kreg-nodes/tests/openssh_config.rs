//! OpenSSH's configuration is what ssh makes of it: its own trace of a connection is the judge.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kreg_nodes::TransportErrorKind;
use kreg_nodes::ssh::openssh::{AddressFamily, HostSettings, IdentityAgent, OpensshConfig};

struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
    config: OpensshConfig,
}

impl File {
    fn of(text: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, text).unwrap();
        let config = OpensshConfig::read(&path).unwrap_or_else(|e| panic!("{e}\n{text}"));
        File {
            _folder: folder,
            path,
            config,
        }
    }

    fn of_host(&self, host: &str) -> HostSettings {
        self.config.lookup(host, None).unwrap()
    }
}

/// The files that ssh looks for when it connects: of keys, and of certificates.
fn files_tried(config: &Path, host: &str, what: &str) -> Vec<PathBuf> {
    let ran = Command::new("ssh")
        .arg("-vF")
        .arg(config)
        .args([
            "-o",
            "BatchMode=yes",
            "-o",
            "ProxyCommand=false",
            "--",
            host,
        ])
        .output()
        .expect("ssh");
    let trace = String::from_utf8_lossy(&ran.stderr).into_owned();
    let head = format!("debug1: {what} file ");
    let of_line = |line: &str| {
        let (path, _) = line.strip_prefix(&head)?.rsplit_once(" type ")?;
        // It looks for a certificate beside each key, too.
        (!path.ends_with("-cert") || what == "certificate").then(|| PathBuf::from(path))
    };
    trace.lines().filter_map(of_line).collect()
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn keys_and_certificates_are_those_that_ssh_tries() {
    let file = File::of(
        "Host node1\n  HostName %h.lan\n  User core\n  Port 2222\n  HostKeyAlias alias\n\
         Match host node1.lan exec \"test %n = node1\"\n  IdentityFile /exec/%n\n\
         Match exec \"false\"\n  IdentityFile /never\n\
         Host node*\n  IdentityFile \"/keys/a b/%n/%h/%r/%p/%%\"\n  IdentityFile ~/%k-%u-%i\n  \
         IdentityFile %d/x$y\n  IdentityFile /tok/%L/%l/%C\n  IdentityFile ${PATH}/x\n  IdentityFile none\n  \
         CertificateFile ~/certs/%n.pub\n",
    );
    for host in ["node1", "node2"] {
        let ours = file.of_host(host);
        assert_eq!(
            ours.identity_files,
            files_tried(&file.path, host, "identity"),
            "{host}"
        );
        assert_eq!(
            ours.certificate_files,
            files_tried(&file.path, host, "certificate"),
            "{host}"
        );
    }
    let node1 = file.of_host("node1");
    assert_eq!(node1.identity_files[0], Path::new("/exec/node1"));
    assert_eq!(node1.identity_files.len(), 6);
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn included_files_stay_within_their_block() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("more")).unwrap();
    fs::write(at("more/1.conf"), "User one\nHost node2.lan\n  Port 2\n").unwrap();
    fs::write(at("more/2.conf"), "Host *\n  User two\n  Port 3\n").unwrap();
    let text = format!(
        "Host node1\n  Include {0}/more/*.conf {0}/none\n  HostKeyAlias after\n\
         Host *\n  Include {0}/more/2.c?nf\n",
        folder.path().display()
    );
    fs::write(at("config"), text).unwrap();
    let config = OpensshConfig::read(&at("config")).unwrap();
    let node1 = config.lookup("node1", None).unwrap();
    assert_eq!((node1.user.as_deref(), node1.port), (Some("one"), Some(3)));
    assert_eq!(node1.host_key_alias.as_deref(), Some("after"));
    let other = config.lookup("other", None).unwrap();
    assert_eq!(
        (other.user.as_deref(), other.host_key_alias),
        (Some("two"), None)
    );
}

/// What ssh rejects is said in its own words, before any node is asked for.
#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn the_words_of_ssh_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let missing = OpensshConfig::read(&path).unwrap_err().to_string();
    assert!(missing.contains("No such file"), "{missing}");
    fs::write(&path, "Host node1\n  Porrt 22\n").unwrap();
    let kind = OpensshConfig::read(&path).unwrap_err();
    assert!(matches!(kind, TransportErrorKind::OpensshConfig { .. }));
    let said = kind.to_string();
    for word in ["config: line 2", "Bad configuration option: porrt"] {
        assert!(said.contains(word), "{said}");
    }
    assert!(!said.contains("debug1"), "{said}");
    // Only for one host.
    let file = File::of("Host node1\n  IdentityFile ~/%Z\n");
    let said = file.config.lookup("node1", None).unwrap_err().to_string();
    assert!(said.contains("%Z") && said.contains("for node1"), "{said}");
    assert!(file.config.lookup("node2", None).is_ok());
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn what_libssh2_cannot_follow_is_named_where_it_applies() {
    for (lines, named) in [
        ("ProxyCommand nc %h %p", "proxycommand nc %h %p"),
        ("BindAddress 10.0.0.9", "bindaddress 10.0.0.9"),
        (
            "RevokedHostKeys /etc/revoked",
            "revokedhostkeys /etc/revoked",
        ),
    ] {
        let file = File::of(&format!("Host node1\n  {lines}\nHost other\n  User x\n"));
        let node1 = file.of_host("node1");
        assert_eq!(node1.not_followed, [named]);
        assert_eq!(node1.applied, [format!("{}:1", file.path.display())]);
        assert!(file.of_host("node2").not_followed.is_empty());
    }
    let none = File::of(
        "Host node1\n  ProxyJump none\n  RevokedHostKeys none\n  KnownHostsCommand none\n\
         Host *\n  ProxyCommand nc %h %p\n",
    );
    let node1 = none.of_host("node1");
    assert!(
        node1.not_followed.is_empty() && node1.jumps.is_empty(),
        "{node1:?}"
    );
    assert_eq!(node1.known_hosts_command, None);
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn files_agents_and_families() {
    let file = File::of(
        "Host a\n  UserKnownHostsFile /k/one \"/k/t wo\" /k/%n\n  GlobalKnownHostsFile none\n  \
         IdentityAgent none\n  AddressFamily inet6\n  ConnectTimeout 1m30\n  IdentitiesOnly yes\n\
         Host b\n  IdentityAgent /run/agent-%n\n  UserKnownHostsFile none\n  ProxyJump u@10.0.0.1:23,gate\n  \
         KnownHostsCommand /bin/keys %H\n\
         Host c\n  IdentityAgent SSH_AUTH_SOCK\n\
         Host d\n  IdentityAgent $PATH\n",
    );
    let a = file.of_host("a");
    let files = ["/k/one", "/k/t wo", "/k/a"].map(PathBuf::from).to_vec();
    assert_eq!(a.user_known_hosts, Some(files));
    assert_eq!(a.global_known_hosts, Some(Vec::new()));
    assert_eq!(a.identity_agent, Some(IdentityAgent::None));
    assert_eq!(a.address_family, Some(AddressFamily::Inet6));
    assert_eq!(a.connect_timeout, Some(Duration::from_secs(90)));
    assert!(a.identities_only);
    let b = file.of_host("b");
    assert_eq!(
        b.identity_agent,
        Some(IdentityAgent::Socket("/run/agent-b".into()))
    );
    assert_eq!(b.user_known_hosts, Some(Vec::new()));
    assert_eq!(b.jumps, ["u@10.0.0.1:23", "gate"]);
    assert_eq!(b.known_hosts_command.as_deref(), Some("/bin/keys %H"));
    assert_eq!(file.of_host("c").identity_agent, None);
    let path = std::env::var("PATH").unwrap();
    let named = Some(IdentityAgent::Socket(path.into()));
    assert_eq!(file.of_host("d").identity_agent, named);
}

/// ssh shows this account's own name where no line names a user.
#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn a_user_that_is_named_is_known_from_one_that_is_not() {
    let ran = Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(ran.stdout).unwrap().trim().to_owned();
    let file = File::of(&format!(
        "Host mine\n  User {me}\nMatch user core\n  Port 7\nHost other\n  User core\n"
    ));
    assert_eq!(file.of_host("mine").user, Some(me));
    assert_eq!(file.of_host("other").user.as_deref(), Some("core"));
    assert_eq!(file.of_host("third").user, None);
    let as_core = file.config.lookup("third", Some("core")).unwrap();
    assert_eq!(
        (as_core.user.as_deref(), as_core.port),
        (Some("core"), Some(7))
    );
}

#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn a_host_is_named_by_more_than_what_holds_for_all() {
    let file = File::of(
        "Host worker-*\n  Port 2222\nMatch host 10.0.0.7\n  User core\n\
         Host *\n  HostName %h\n  IdentityFile /keys/%n\n  UserKnownHostsFile /k/%h\n",
    );
    let names = |host: &str| file.config.names(host, None).unwrap();
    assert!(names("worker-1") && names("10.0.0.7"));
    // Also names that are a part of some value.
    for other in ["10.0.0.8", "worker", "a", "no", "k", "ssh"] {
        assert!(!names(other), "{other}");
    }
    assert!(!OpensshConfig::default().names("worker-1", None).unwrap());
    let none = OpensshConfig::default().lookup("worker-1", None).unwrap();
    assert_eq!(none, HostSettings::default());
}

/// A thousand nodes cost no thousand processes where no line tells them apart.
#[test]
#[ignore = "needs ssh: run by cargo xtask test"]
fn what_holds_for_all_hosts_is_asked_once() {
    let lines = "# Host of a comment\nIdentityFile /k/a\nHost *\n  User core\n  Port 2222\n  ConnectTimeout 7\n";
    let (once, each) = (
        File::of(lines),
        File::of(&format!("{lines}Host none-such\n")),
    );
    let same = |host, user| {
        let mut asked = each.config.lookup(host, user).unwrap();
        asked.applied.clear();
        let mut told = once.config.lookup(host, user).unwrap();
        told.applied.clear();
        assert_eq!(told, asked, "{host} {user:?}");
    };
    fs::remove_file(&once.path).unwrap();
    for host in ["node1", "10.0.0.7", "fd00::1"] {
        same(host, None);
        same(host, Some("root"));
        assert!(!once.config.names(host, None).unwrap());
    }
    for line in [
        "hOST=node1",
        "\"Host\" node1",
        "\tMatch host node1",
        "Host * node1 !other",
    ] {
        let file = File::of(&format!("{line}\n  Port 2222\n"));
        assert_eq!(file.of_host("node1").port, Some(2222), "{line}");
        assert_eq!(file.of_host("other").port, Some(22), "{line}");
    }
    for line in ["HostName %h.lan", "IdentityFile /k/%n"] {
        let file = File::of(&format!("Host *\n  {line}\n"));
        assert_ne!(file.of_host("node1"), file.of_host("node2"), "{line}");
    }
}

/// In a process of its own, whose PATH leads nowhere.
#[test]
fn without_ssh_there_is_no_configuration() {
    let name = "without_ssh_there_is_no_configuration";
    let file = Path::new("/nowhere/config");
    if std::env::var_os("KREG_TEST_NO_SSH").is_some() {
        let usual = OpensshConfig::usual().unwrap();
        let node1 = usual.lookup("node1", None).unwrap();
        assert_eq!(node1, HostSettings::default());
        // One that is named is wanted.
        let kind = OpensshConfig::read(file).unwrap_err();
        assert!(matches!(kind, TransportErrorKind::Start { .. }), "{kind:?}");
        return;
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env("KREG_TEST_NO_SSH", "1")
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}
