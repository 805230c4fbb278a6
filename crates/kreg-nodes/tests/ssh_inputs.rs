//! What people have in their ssh_config, by ssh itself and by both of kreg's ways: docs/ssh.md.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::sshd::Sshd;
use kreg_nodes::ssh::openssh::OpensshConfig;
use kreg_nodes::ssh::{Ssh, SshConfig, SystemSsh};
use kreg_nodes::{Advice, Node, NodeTransport, TransportErrorKind as Kind};
use testcontainers::ImageExt as _;
use testcontainers::core::IntoContainerPort as _;

/// A server with certificates, one that bears three tries, one that is newer than libssh2.
const SERVERS: [(&str, u16, &str); 3] = [
    (
        "CERTS",
        2233,
        "-o TrustedUserCAKeys=/etc/ssh/ca.pub -o HostCertificate=/etc/ssh/host-cert.pub \
         -o HostKey=/etc/ssh/ssh_host_ed25519_key",
    ),
    ("TRIES", 2244, "-o MaxAuthTries=3"),
    (
        "NEW",
        2255,
        "-o KexAlgorithms=sntrup761x25519-sha512@openssh.com",
    ),
];

/// Each is what stands below `Host node1`, beside HostName and IdentityAgent. KEYS is the folder of
/// all files; PORT and the names of [`SERVERS`] are ports.
const INPUTS: &[(&str, &str)] = &[
    (
        "a key and a port",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known",
    ),
    (
        "another user, who has sudo",
        "User admin\nPort PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known",
    ),
    (
        "Match exec",
        "IdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nMatch originalhost node1 exec \"test -e KEYS/id\"\nPort PORT",
    ),
    (
        "Match final, tokens",
        "Port PORT\nUserKnownHostsFile KEYS/known\nMatch final host 127.0.0.1\nIdentityFile KEYS/of-%r-at-%n",
    ),
    (
        "Include",
        "Include KEYS/more/*.conf\nUserKnownHostsFile KEYS/known",
    ),
    (
        "CanonicalizeHostname, no such name",
        "CanonicalizeHostname yes\nCanonicalDomains invalid\nPort PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known",
    ),
    (
        "options that a script must not get",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nRequestTTY force\nForwardAgent yes\nLocalForward 127.0.0.1:PORT 127.0.0.1:1\nSendEnv *\nLogLevel QUIET",
    ),
    ("a word that ssh does not know", "Porrt PORT"),
    (
        "ProxyJump",
        "Port 22\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nProxyJump gate",
    ),
    (
        "ProxyCommand",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nProxyCommand ssh -F KEYS/gate -W 127.0.0.1:22 gate",
    ),
    (
        "BindAddress",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nBindAddress 127.0.0.1",
    ),
    (
        "CertificateFile",
        "Port CERTS\nIdentityFile KEYS/signed\nCertificateFile KEYS/elsewhere-cert.pub\nIdentitiesOnly yes\nUserKnownHostsFile KEYS/known",
    ),
    (
        "a certificate beside the key",
        "Port CERTS\nIdentityFile KEYS/beside\nUserKnownHostsFile KEYS/known",
    ),
    (
        "@cert-authority",
        "Port CERTS\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/authority",
    ),
    (
        "@cert-authority of others",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/of-others",
    ),
    (
        "KnownHostsCommand",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile none\nKnownHostsCommand /bin/cat KEYS/known",
    ),
    (
        "KnownHostsCommand beside a file",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nKnownHostsCommand /bin/echo nothing",
    ),
    (
        "a host key without its port",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/bare",
    ),
    (
        "another host key without its port",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/bare-other",
    ),
    (
        "HostKeyAlias",
        "Port PORT\nIdentityFile KEYS/id\nHostKeyAlias alias\nUserKnownHostsFile KEYS/alias",
    ),
    (
        "no host key",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/empty",
    ),
    (
        "another host key",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/changed",
    ),
    (
        "a revoked host key",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/revoked",
    ),
    (
        "RevokedHostKeys",
        "Port PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nRevokedHostKeys KEYS/w1.pub",
    ),
    (
        "Lima's file",
        "IdentityFile \"KEYS/id\"\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nNoHostAuthenticationForLocalhost yes\nPreferredAuthentications publickey\nCompression no\nBatchMode yes\nIdentitiesOnly yes\nGSSAPIAuthentication no\nCiphers \"^aes128-gcm@openssh.com,aes256-gcm@openssh.com\"\nUser root\nControlMaster auto\nControlPath \"KEYS/ssh.sock\"\nControlPersist yes\nPort PORT",
    ),
    (
        "Vagrant's file",
        "User root\nPort PORT\nUserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nPasswordAuthentication no\nIdentityFile KEYS/id\nIdentitiesOnly yes\nLogLevel FATAL\nPubkeyAcceptedKeyTypes +ssh-rsa\nHostKeyAlgorithms +ssh-rsa",
    ),
    (
        "four keys, and sshd bears three",
        "Port TRIES\nIdentityFile KEYS/w1\nIdentityFile KEYS/w2\nIdentityFile KEYS/w3\nIdentityFile KEYS/id\nIdentitiesOnly yes\nUserKnownHostsFile KEYS/known",
    ),
    (
        "three keys, the last fits",
        "Port TRIES\nIdentityFile KEYS/w1\nIdentityFile KEYS/w2\nIdentityFile KEYS/id\nIdentitiesOnly yes\nUserKnownHostsFile KEYS/known",
    ),
    (
        "keys that the node does not know",
        "Port PORT\nIdentityFile KEYS/w1\nIdentityFile KEYS/none\nIdentitiesOnly yes\nUserKnownHostsFile KEYS/known",
    ),
    (
        "a key with a passphrase, no agent",
        "Port PORT\nIdentityFile KEYS/locked\nUserKnownHostsFile KEYS/known",
    ),
    (
        "root of a cloud image",
        "Port PORT\nIdentityFile KEYS/cloud\nUserKnownHostsFile KEYS/known",
    ),
    (
        "an account without a shell",
        "User guest\nPort PORT\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known",
    ),
    (
        "newer key exchange only",
        "Port NEW\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known",
    ),
    (
        "the same behind a jump host",
        "Port 2255\nIdentityFile KEYS/id\nUserKnownHostsFile KEYS/known\nProxyJump gate",
    ),
];

type Way = fn(SshConfig) -> Box<dyn NodeTransport>;

struct Bench {
    sshd: Sshd,
    ports: Vec<(&'static str, u16)>,
}

impl Bench {
    fn start() -> Bench {
        let sshd = Sshd::start_as(|request| {
            let request = request.with_mapped_port(0, 22.tcp());
            SERVERS.iter().fold(request, |request, (_, port, _)| {
                request.with_mapped_port(0, port.tcp())
            })
        });
        let mut ports = vec![("PORT", sshd.port)];
        let of = |port: u16| sshd.container.get_host_port_ipv4(port).unwrap();
        ports.extend(SERVERS.iter().map(|(name, port, _)| (*name, of(*port))));
        let bench = Bench { sshd, ports };
        bench.make_keys();
        bench.make_known_hosts();
        for (_, port, options) in SERVERS {
            bench
                .sshd
                .exec(&format!("/usr/sbin/sshd -p {port} {options}"));
        }
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.sshd.file(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), self.filled(text)).unwrap();
    }

    fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.at(&format!("{name}.pub"))).unwrap();
        text.split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// `KEYS` and the ports in place of their names.
    fn filled(&self, text: &str) -> String {
        let keys = self.at("x").parent().unwrap().display().to_string();
        let ports = self.ports.iter();
        ports.fold(text.replace("KEYS", &keys), |text, (name, port)| {
            text.replace(name, &port.to_string())
        })
    }

    /// And back: what was said, as it is said everywhere.
    fn plain(&self, text: &str) -> String {
        let keys = self.at("x").parent().unwrap().display().to_string();
        let mut text = text.replace(&keys, "KEYS").replace('|', "\\|");
        for (name, port) in &self.ports {
            text = text.replace(&port.to_string(), name);
        }
        let words = text
            .split(' ')
            .map(|word| match word.split_once("SHA256:") {
                Some((before, hash)) => {
                    let end = hash.trim_start_matches(|c: char| {
                        c.is_ascii_alphanumeric() || "+/".contains(c)
                    });
                    format!("{before}SHA256:...{end}")
                }
                None => word.to_owned(),
            });
        words.collect::<Vec<_>>().join(" ")
    }

    fn make_keys(&self) {
        for name in ["w1", "w2", "w3", "cloud", "signed", "beside", "ca"] {
            self.sshd.keygen(name, "");
        }
        self.sshd.keygen("locked", "open sesame");
        fs::copy(self.at("id"), self.at("of-root-at-node1")).unwrap();
        fs::create_dir(self.at("more")).unwrap();
        self.write(
            "more/1.conf",
            "Port PORT\nHost node*\n  IdentityFile KEYS/id\n",
        );
        let host = self.sshd.exec("cat /etc/ssh/ssh_host_ed25519_key.pub");
        fs::write(self.at("host.pub"), host).unwrap();
        self.sign(&["-n", "root"], "signed.pub");
        fs::rename(self.at("signed-cert.pub"), self.at("elsewhere-cert.pub")).unwrap();
        self.sign(&["-n", "root"], "beside.pub");
        self.sign(&["-h", "-n", "127.0.0.1"], "host.pub");
        let text = |name: &str| fs::read_to_string(self.at(name)).unwrap();
        self.sshd.exec(&format!(
            "cat >/etc/ssh/ca.pub <<'E'\n{}E\ncat >/etc/ssh/host-cert.pub <<'E'\n{}E\n\
             cat >>/root/.ssh/authorized_keys <<'E'\n{} {}\n{}E\nusermod -s /usr/sbin/nologin guest",
            text("ca.pub"),
            text("host-cert.pub"),
            r#"command="echo 'Please login as the user \"admin\" rather than the user \"root\".';echo;exit 142""#,
            self.public("cloud"),
            text("locked.pub"),
        ));
    }

    fn sign(&self, options: &[&str], name: &str) {
        let ran = Command::new("ssh-keygen")
            .args(["-q", "-I", "kreg", "-s"])
            .arg(self.at("ca"))
            .args(options)
            .arg(self.at(name))
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    fn make_known_hosts(&self) {
        let (key, other) = (self.public("host"), self.public("w1"));
        let all = self.ports.iter();
        let all: String = all
            .map(|(_, port)| format!("[127.0.0.1]:{port} {key}\n"))
            .collect();
        self.write("known", &format!("{all}127.0.0.1 {key}\n"));
        self.write("empty", "");
        self.write("bare", &format!("127.0.0.1 {key}\n"));
        self.write("bare-other", &format!("127.0.0.1 {other}\n"));
        self.write("alias", &format!("alias {key}\n"));
        self.write("changed", &format!("[127.0.0.1]:PORT {other}\n"));
        self.write(
            "revoked",
            &format!("{all}@revoked [127.0.0.1]:PORT {key}\n"),
        );
        let ca = self.public("ca");
        self.write("authority", &format!("@cert-authority 127.0.0.1 {ca}\n"));
        self.write("of-others", &format!("@cert-authority *.lan {ca}\n"));
        self.write(
            "gate",
            "Host gate\n  HostName 127.0.0.1\n  Port PORT\n  User admin\n  IdentityFile KEYS/id\n  \
             UserKnownHostsFile KEYS/known\n  IdentityAgent none\n",
        );
    }

    /// What ssh does, asked as strictly as kreg asks.
    fn by_hand(&self) -> String {
        let ran = Command::new("ssh")
            .args(["-F".as_ref(), self.at("config").as_os_str()])
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
            .args([
                "-o",
                "NoHostAuthenticationForLocalhost=no",
                "-o",
                "ControlPath=none",
            ])
            .args(["-o", "LogLevel=ERROR", "-T", "node1", "id -un"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        match ran.status.success() {
            true => IN.to_owned(),
            false => {
                let all = said + &String::from_utf8_lossy(&ran.stderr);
                let mut lines = all.lines().map(str::trim);
                let last = lines.rfind(|line| !line.is_empty());
                self.plain(last.unwrap_or_default())
            }
        }
    }

    fn by(&self, way: Way) -> (String, Option<Advice>) {
        self.by_as(way, |config| config)
    }

    fn by_as(&self, way: Way, change: fn(SshConfig) -> SshConfig) -> (String, Option<Advice>) {
        // Without a configuration this leads nowhere (RFC 5737).
        let node = Node::new("node1", "192.0.2.1");
        let openssh = match OpensshConfig::read(&self.at("config")) {
            Ok(openssh) => openssh,
            Err(kind) => return (self.plain(&kind.to_string()), Some(Advice::Configuration)),
        };
        let config = change(SshConfig::following(openssh, "root"));
        match way(config).run(&node, "id -un\n", Duration::from_secs(30)) {
            Ok(output) => {
                assert_eq!(output.stdout, b"root\n", "{output:?}");
                (IN.to_owned(), None)
            }
            Err(e) => {
                assert!(e.is_unreachable() && !e.remedy().is_empty(), "{e:?}");
                if let Kind::Auth { tried, .. } | Kind::HungUp { tried, .. } = &*e.kind {
                    assert!(!tried.contains("id (refused)"), "{e}");
                }
                (self.plain(&e.kind.to_string()), e.advice())
            }
        }
    }
}

const IN: &str = "**in**";

const HEAD: &str = "# What ssh does, and what kreg does\n\n\
    Written by the test `ssh_inputs` of kreg-nodes (`KREG_WRITE_DOCS=1`), which fails if the page and the real programs\n\
    differ. Each row is an `ssh_config`, tried against a real sshd by `ssh -o BatchMode=yes -o StrictHostKeyChecking=yes`,\n\
    by kreg over libssh2 (`--nodes-by ssh`) and by kreg over the `ssh` program (`--nodes-by openssh`). The last column is\n\
    the setting that kreg names in its remedy. `HostName 127.0.0.1` and `IdentityAgent none` stand in each.\n\n\
    - Where ssh gets in, kreg over `ssh` gets in, and kreg over libssh2 gets in or names the setting that helps.\n\
    - Where ssh is refused, so is kreg.\n\n\
    | configuration | ssh | kreg over libssh2 | kreg over ssh | names |\n|---|---|---|---|---|\n";

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn every_input_by_ssh_and_by_kreg() {
    let bench = Bench::start();
    let mut page = HEAD.to_owned();
    let mut wrong = Vec::new();
    for (name, lines) in INPUTS {
        let gate = fs::read_to_string(bench.at("gate")).unwrap();
        let text = format!("Host node1\nHostName 127.0.0.1\nIdentityAgent none\n{lines}\n{gate}");
        bench.write("config", &text);
        let ssh = bench.by_hand();
        let (own, advice) = bench.by(|config| Box::new(Ssh::new(config)));
        let (system, of_system) = bench.by(|config| Box::new(SystemSsh::new(config)));
        let gets_in = |cell: &str| cell == IN;
        let kept = gets_in(&ssh) == gets_in(&system)
            && match (gets_in(&ssh), gets_in(&own)) {
                (true, true) | (false, false) => true,
                (true, false) => advice.is_some(),
                (false, true) => false,
            };
        if !kept {
            wrong.push(*name);
        }
        let names = advice
            .or(of_system)
            .map_or_else(String::new, |one| format!("{one:?}"));
        page += &format!("| {name} | {ssh} | {own} | {system} | {names} |\n");
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/ssh.md");
    match std::env::var_os("KREG_WRITE_DOCS") {
        Some(_) => fs::write(&path, &page).unwrap(),
        None => assert_eq!(
            fs::read_to_string(&path).unwrap_or_default(),
            page,
            "docs/ssh.md"
        ),
    }
    assert!(wrong.is_empty(), "{wrong:?}\n{page}");
    new_keys_are_accepted_only_where_they_are_kept(&bench);
}

/// At first sight is at every sight, where the key goes to /dev/null.
fn new_keys_are_accepted_only_where_they_are_kept(bench: &Bench) {
    for (file, accepted) in [
        ("KEYS/new-of-WAY", true),
        ("/dev/null", false),
        ("none", false),
    ] {
        let ways: [(&str, Way); 2] = [
            ("own", |config| Box::new(Ssh::new(config))),
            ("system", |config| Box::new(SystemSsh::new(config))),
        ];
        for (name, way) in ways {
            let lines = format!(
                "Host node1\nHostName 127.0.0.1\nPort PORT\nIdentityFile KEYS/id\nIdentityAgent none\n\
                 StrictHostKeyChecking no\nUserKnownHostsFile {}\n",
                file.replace("WAY", name)
            );
            bench.write("config", &lines);
            let (said, _) = bench.by_as(way, |config| config.accept_new(true));
            assert_eq!(said == IN, accepted, "{name}, {file}: {said}");
        }
    }
    for name in ["own", "system"] {
        let kept = fs::read_to_string(bench.at(&format!("new-of-{name}"))).unwrap();
        assert!(
            bench.plain(&kept).starts_with("[127.0.0.1]:PORT "),
            "{kept}"
        );
    }
}
