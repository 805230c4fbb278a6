//! The ways to a node: jump hosts, OpenSSH's configuration, keys with passphrases, by hand.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::sshd::Sshd;
use common::{CA, instance, trust};
use kreg_nodes::conformance::NodeFiles as _;
use kreg_nodes::ssh::openssh::OpensshConfig;
use kreg_nodes::ssh::{Ssh, SshConfig, SystemSsh};
use kreg_nodes::{
    Advice, Fleet, Node, NodeProgram, NodeTransport, Output, State, TransportError,
    TransportErrorKind as Kind,
};
use testcontainers::ImageExt as _;

const LIMIT: Duration = Duration::from_secs(60);

fn run(config: SshConfig, node: &Node, script: &str) -> Result<Output, TransportError> {
    Ssh::new(config).run(node, script, LIMIT)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Two hosts that know each other by the addresses of their network.
struct Pair {
    gate: Sshd,
    node: Sshd,
    gate_ip: IpAddr,
    node_ip: IpAddr,
}

impl Pair {
    fn start() -> Pair {
        let (gate, node) = (Sshd::start(), Sshd::start());
        let ip = |sshd: &Sshd| sshd.exec("hostname -i").trim().parse::<IpAddr>().unwrap();
        let (gate_ip, node_ip) = (ip(&gate), ip(&node));
        let pair = Pair {
            gate,
            node,
            gate_ip,
            node_ip,
        };
        pair.know(&[
            &pair.line_of(&pair.gate, &format!("[127.0.0.1]:{}", pair.gate.port)),
            &pair.line_of(&pair.gate, &gate_ip.to_string()),
            &pair.line_of(&pair.node, &node_ip.to_string()),
        ]);
        pair
    }

    fn line_of(&self, sshd: &Sshd, name: &str) -> String {
        let text = fs::read_to_string(sshd.known_hosts()).unwrap();
        let key = text.split_once(' ').map(|(_, key)| key.trim().to_owned());
        let key = key.unwrap_or_else(|| {
            let key = sshd.exec("cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
            key.trim().to_owned()
        });
        format!("{name} {key}\n")
    }

    fn known(&self) -> PathBuf {
        self.gate.file("known_by_both")
    }

    fn know(&self, lines: &[&str]) {
        fs::write(self.known(), lines.concat()).unwrap();
    }

    fn config(&self) -> SshConfig {
        SshConfig::new("root")
            .agent(false)
            .identity(self.gate.file("id"), None)
            .identity(self.node.file("id"), None)
            .known_hosts(self.known())
    }

    fn jump(&self) -> String {
        format!("admin@127.0.0.1:{}", self.gate.port)
    }

    fn target(&self) -> Node {
        Node::new("node1", self.node_ip.to_string())
    }
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn through_jump_hosts() {
    let pair = Pair::start();
    let (target, jump) = (pair.target(), pair.jump());
    let through = || pair.config().jumps([jump.clone()]);

    // It comes from the jump host, and bytes go both ways in any number.
    let output = run(through(), &target, "id -un; echo \"$SSH_CONNECTION\"\n").unwrap();
    let text = said(&output);
    assert!(text.starts_with("root\n"), "{text}");
    assert!(text.contains(&format!("\n{} ", pair.gate_ip)), "{text}");
    let script = format!(
        "# {}\nhead -c 3000000 /dev/zero | tr '\\0' x\n",
        "y".repeat(400_000)
    );
    let output = run(through(), &target, &script).unwrap();
    assert_eq!((output.stdout.len(), output.status), (3_000_000, Some(0)));

    // All of kreg's work, by one connection.
    let ssh = Ssh::new(through());
    let fleet = Fleet::new(&ssh);
    for state in [State::Changed, State::Unchanged] {
        let receipts = fleet.trust(std::slice::from_ref(&target), &trust(CA), &|_| {});
        assert_eq!(receipts[0].state, state, "{receipts:#?}");
    }
    let receipts = fleet.untrust(std::slice::from_ref(&target), &instance(), &|_| {});
    assert_eq!(receipts[0].state, State::Changed, "{receipts:#?}");

    // Two on the way, each reached by the one before it.
    let twice = pair
        .config()
        .jumps([jump.clone(), format!("admin@{}", pair.node_ip)]);
    let back = Node::new("gate", pair.gate_ip.to_string());
    let output = run(twice, &back, "echo \"$SSH_CONNECTION\"\n").unwrap();
    assert!(
        said(&output).starts_with(&format!("{} ", pair.node_ip)),
        "{}",
        said(&output)
    );

    // Nothing listens behind it: it is the jump host that says so.
    let nowhere = Node::new("node1", format!("{}:1", pair.node_ip));
    let error = run(through(), &nowhere, "true\n").unwrap_err();
    let Kind::JumpRefused { host, to, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert_eq!(*host, format!("127.0.0.1:{}", pair.gate.port));
    assert_eq!(*to, format!("{}:1", pair.node_ip));
    assert!(error.is_unreachable() && error.remedy().contains("AllowTcpForwarding"));

    // Nobody is let in there.
    let stranger = pair.config().jumps([jump.replace("admin", "nobody-here")]);
    let error = run(stranger, &target, "true\n").unwrap_err();
    let Kind::Jump { kind, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert!(matches!(**kind, Kind::Auth { .. }), "{error:?}");
    assert_eq!(error.step(), "login");
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_jump_hosts_key_is_checked_as_strictly() {
    let pair = Pair::start();
    let target = pair.target();
    let through = || pair.config().jumps([pair.jump()]);
    let all = fs::read_to_string(pair.known()).unwrap();
    let lines: Vec<String> = all.lines().map(|line| format!("{line}\n")).collect();

    // Unknown: refused, and the command that is told adds it.
    pair.know(&[&lines[2]]);
    let error = run(through(), &target, "true\n").unwrap_err();
    let Kind::Jump { kind, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    let Kind::HostKeyUnknown { add, .. } = &**kind else {
        panic!("{error:?}");
    };
    assert_eq!(error.step(), "host key");
    assert!(
        error.to_string().contains("jump host 127.0.0.1:"),
        "{error}"
    );
    let added = Command::new("sh").args(["-c", add]).output().unwrap();
    assert!(added.status.success(), "{add}: {added:?}");
    assert_eq!(said(&run(through(), &target, "id -un\n").unwrap()), "root");

    // Changed: refused, also where new ones are accepted.
    let name = lines[0].split_once(' ').unwrap().0;
    let other = lines[2].split_once(' ').unwrap().1;
    pair.know(&[&format!("{name} {other}"), &lines[2]]);
    let error = run(through().accept_new(true), &target, "true\n").unwrap_err();
    let changed = matches!(&*error.kind, Kind::Jump { kind, .. }
        if matches!(**kind, Kind::HostKeyChanged { .. }));
    assert!(changed, "{error:?}");

    // The node's own key, behind a good jump host, is the node's matter.
    pair.know(&[&lines[0]]);
    let error = run(through(), &target, "true\n").unwrap_err();
    assert!(
        matches!(*error.kind, Kind::HostKeyUnknown { .. }),
        "{error:?}"
    );
    let accepted = run(through().accept_new(true), &target, "id -un\n").unwrap();
    assert_eq!(said(&accepted), "root");
    let known = fs::read_to_string(pair.known()).unwrap();
    assert!(known.contains(&format!("\n{} ", pair.node_ip)), "{known}");
}

/// The same by the `ssh` program, whose own options would not reach a jump host.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_goes_through_jump_hosts_as_strictly() {
    let pair = Pair::start();
    let target = pair.target();
    let run = |config: SshConfig| SystemSsh::new(config).run(&target, "id -un\n", LIMIT);
    let through = || pair.config().jumps([pair.jump()]);
    assert_eq!(said(&run(through()).unwrap()), "root");
    let all = fs::read_to_string(pair.known()).unwrap();
    let lines: Vec<String> = all.lines().map(|line| format!("{line}\n")).collect();
    // The jump host's key is not known, then the node's.
    for known in [&lines[2], &lines[0]] {
        pair.know(&[known]);
        let error = run(through()).unwrap_err();
        assert_eq!(error.step(), "host key", "{error:?}");
        assert!(error.is_unreachable());
    }
    let accepted = run(through().accept_new(true)).unwrap();
    assert_eq!(said(&accepted), "root");
}

/// ssh keeps a connection for the next script, and none when the work is over.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_keeps_one_connection_and_leaves_none() {
    let sshd = Sshd::start();
    let count = || {
        let count = sshd.exec("ps ax -o args= | grep -c '^sshd: root' || :");
        count.trim().parse::<usize>().unwrap()
    };
    let ssh = SystemSsh::new(sshd.config("root"));
    for _ in 0..3 {
        let output = ssh.run(&sshd.node(), "echo \"$SSH_CONNECTION\"\n", LIMIT);
        assert!(said(&output.unwrap()).ends_with(" 22"));
    }
    assert_eq!(count(), 1);
    // What died is made again.
    sshd.exec("pkill -f '^sshd: root'");
    assert_eq!(
        ssh.run(&sshd.node(), "true\n", LIMIT).unwrap().status,
        Some(0)
    );
    drop(ssh);
    let begun = Instant::now();
    while count() > 0 && begun.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(count(), 0);
}

/// Everything from the file: where, who, by which key, checked by what, through whom.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn as_openssh_is_configured() {
    let pair = Pair::start();
    let file = pair.gate.file("config");
    let text = format!(
        "Host worker-*\n  HostName {node}\n  ProxyJump gate\n\
         Host gate\n  HostName 127.0.0.1\n  Port {port}\n  User guest\n\
         Host *\n  User admin\n  IdentityFile {own}\n  IdentityFile {other}\n  \
         UserKnownHostsFile {known}\n  IdentityAgent none\n  ConnectTimeout 20\n",
        node = pair.node_ip,
        port = pair.gate.port,
        own = pair.gate.file("id").display(),
        other = pair.node.file("id").display(),
        known = pair.known().display(),
    );
    fs::write(&file, text).unwrap();
    let openssh = OpensshConfig::read(&file).unwrap();
    let config = SshConfig::following(openssh, "nobody-here");
    // 192.0.2.1 is nobody's (RFC 5737): the file leads elsewhere.
    let node = Node::new("worker-1", "192.0.2.1");
    let script = "id -un; echo \"$SUDO_USER $SSH_CONNECTION\"\n";
    let output = run(config.clone(), &node, script).unwrap();
    assert!(
        said(&output).starts_with("root\nadmin"),
        "{}",
        said(&output)
    );

    // ssh itself goes the same way.
    let ssh = Command::new("ssh")
        .arg("-F")
        .arg(&file)
        .args(["-o", "BatchMode=yes", "worker-1", "id -un"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ssh.stdout).trim(),
        "admin",
        "{ssh:?}"
    );

    // What kreg cannot follow stops it before anything is sent.
    let with = format!(
        "Host worker-2\n  ProxyCommand nc %h %p\n{}",
        fs::read_to_string(&file).unwrap()
    );
    fs::write(&file, with).unwrap();
    let config = SshConfig::following(OpensshConfig::read(&file).unwrap(), "root");
    let error = run(config, &Node::new("worker-2", "192.0.2.1"), "true\n").unwrap_err();
    assert!(matches!(*error.kind, Kind::NotFollowed { .. }), "{error:?}");
    assert_eq!(error.step(), "configuration");
    assert_eq!(error.advice(), Some(Advice::Openssh));
    assert!(error.to_string().contains("config:1"), "{error}");
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn one_passphrase_for_every_key_that_has_one() {
    let sshd = Sshd::start();
    let locked = sshd.keygen("locked", "open sesame");
    let public = fs::read_to_string(locked.with_extension("pub")).unwrap();
    sshd.exec(&format!(
        "echo '{}' >/root/.ssh/authorized_keys",
        public.trim()
    ));
    let config = || {
        SshConfig::new("root")
            .agent(false)
            .known_hosts(sshd.known_hosts())
            .identity(sshd.file("id"), None)
            .identity(locked.clone(), None)
    };
    let open = config().passphrase("open sesame".to_owned().into());
    assert!(!format!("{open:?}").contains("sesame"), "{open:?}");
    assert_eq!(said(&run(open, &sshd.node(), "id -un\n").unwrap()), "root");
    let wrong = config().passphrase("shut".to_owned().into());
    let error = run(wrong, &sshd.node(), "true\n").unwrap_err();
    assert!(error.to_string().contains("wrong passphrase"), "{error}");
}

/// Good nodes are done; of the others each is named with its step and what to do.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn bad_nodes_are_named_and_good_ones_done() {
    let good = Sshd::start();
    let public = fs::read_to_string(good.file("id.pub")).unwrap();
    let small = |request: testcontainers::ContainerRequest<_>| request.with_privileged(true);
    let (asks, full) = (Sshd::start(), Sshd::start_as(small));
    let mut known = fs::read_to_string(good.known_hosts()).unwrap();
    for other in [&asks, &full] {
        known += &fs::read_to_string(other.known_hosts()).unwrap();
        other.exec(&format!(
            "for home in /root /home/guest; do echo '{}' >>$home/.ssh/authorized_keys; done",
            public.trim()
        ));
    }
    fs::write(good.known_hosts(), known).unwrap();
    asks.exec("echo 'guest ALL=(ALL) ALL' >/etc/sudoers.d/guest");
    full.exec(
        "mkdir -p /etc/containerd/certs.d && mount -t tmpfs -o size=4k,nr_inodes=20 tmpfs /etc/containerd/certs.d\n\
         head -c 4096 /dev/zero >/etc/containerd/certs.d/filler",
    );
    // Takes connections and never speaks.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap();
    let config = good.file("config");
    fs::write(&config, "Host asks\n  User guest\n").unwrap();
    let config = SshConfig::following(OpensshConfig::read(&config).unwrap(), "root")
        .agent(false)
        .identity(good.file("id"), None)
        .known_hosts(good.known_hosts())
        .connect_timeout(Duration::from_secs(5));
    let ssh = Ssh::new(config);
    let nodes = [
        Node::new("good", good.node().address),
        Node::new("mute", mute.to_string()),
        Node::new("gone", "127.0.0.1:1"),
        Node::new("asks", asks.node().address),
        Node::new("full", full.node().address),
    ];
    let begun = Instant::now();
    let receipts = Fleet::new(&ssh).trust(&nodes, &trust(CA), &|_| {});
    assert!(
        begun.elapsed() < Duration::from_secs(120),
        "{:?}",
        begun.elapsed()
    );
    let told: Vec<_> = receipts
        .iter()
        .map(|one| (one.state, one.step.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(told[0], (State::Changed, ""), "{receipts:#?}");
    assert_eq!(told[1], (State::Unreachable, "connect"), "{receipts:#?}");
    assert_eq!(told[2], (State::Unreachable, "connect"), "{receipts:#?}");
    assert_eq!(told[3], (State::Unreachable, "sudo"), "{receipts:#?}");
    assert!(!receipts[4].is_ok(), "{receipts:#?}");
    for bad in &receipts[1..] {
        assert!(bad.reason.is_some() && bad.remedy.is_some(), "{bad:#?}");
    }
    assert!(
        receipts[3].to_string().contains("password is required"),
        "{}",
        receipts[3]
    );
    let space = receipts[4].to_string();
    assert!(space.to_lowercase().contains("space"), "{space}");

    // Mended, the same again does the rest and leaves what was good alone.
    full.exec(
        "rm /etc/containerd/certs.d/filler; mount -o remount,size=1m /etc/containerd/certs.d",
    );
    asks.exec("echo 'guest ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/guest");
    let again = [nodes[0].clone(), nodes[3].clone(), nodes[4].clone()];
    let receipts = Fleet::new(&ssh).trust(&again, &trust(CA), &|_| {});
    let states: Vec<State> = receipts.iter().map(|one| one.state).collect();
    assert_eq!(
        states,
        [State::Unchanged, State::Changed, State::Changed],
        "{receipts:#?}"
    );
}

/// The command that a person is told really takes the trust back.
fn told_undoes_it(config: &SshConfig, node: &Node, sshd: &Sshd) {
    let seen = || {
        let tree = sshd.entered.tree("/etc").unwrap();
        let plain = tree
            .into_iter()
            .map(|(path, seen)| (path, seen.mode, seen.uid, seen.gid, seen.sha256));
        plain.collect::<Vec<_>>()
    };
    let before = seen();
    let ssh = Ssh::new(config.clone());
    let receipts = Fleet::new(&ssh).trust(std::slice::from_ref(node), &trust(CA), &|_| {});
    assert_eq!(receipts[0].state, State::Changed, "{receipts:#?}");
    assert_ne!(seen(), before);
    let command = config.command_line(node).unwrap();
    let shell = match config.needs_sudo(node).unwrap() {
        true => "sudo sh",
        false => "sh",
    };
    let program = sshd.file("undo.sh");
    fs::write(&program, NodeProgram::undo(&instance()).script()).unwrap();
    let line = format!("cat {} | {command} {shell}", program.display());
    // Nobody is there to be asked for a password.
    let ran = Command::new("setsid")
        .args(["sh", "-c", &line])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && text.contains("\"state\":\"changed\""),
        "{line}: {ran:?}"
    );
    assert_eq!(seen(), before, "{line}");
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn what_a_person_is_told_undoes_it() {
    let sshd = Sshd::start();
    for user in ["root", "admin"] {
        told_undoes_it(&sshd.config(user), &sshd.node(), &sshd);
    }
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn what_a_person_is_told_leads_through_jump_hosts() {
    let pair = Pair::start();
    let through = pair.config().jumps([pair.jump()]);
    told_undoes_it(&through, &pair.target(), &pair.node);
    // All from a file, in which the node is known by another name and its key by a third.
    let known = fs::read_to_string(pair.known()).unwrap();
    let alias = known.replace(&format!("\n{} ", pair.node_ip), "\nthe-node ");
    fs::write(pair.known(), alias).unwrap();
    let file = pair.gate.file("config of its own");
    let text = format!(
        "Host worker-*\n  ProxyJump gate\n  HostKeyAlias the-node\n  User admin\n\
         Host gate\n  HostName 127.0.0.1\n  Port {port}\n  User guest\n\
         Host *\n  IdentityFile {own}\n  IdentityFile {other}\n  UserKnownHostsFile {known}\n  \
         IdentityAgent none\n",
        port = pair.gate.port,
        own = pair.gate.file("id").display(),
        other = pair.node.file("id").display(),
        known = pair.known().display(),
    );
    fs::write(&file, text).unwrap();
    let config = SshConfig::following(OpensshConfig::read(&file).unwrap(), "root");
    let node = Node::new("worker-1", pair.node_ip.to_string());
    told_undoes_it(&config, &node, &pair.node);
    // What is said beside the file holds on the whole way, too.
    let keys = config
        .identity(pair.gate.file("id"), None)
        .identity(pair.node.file("id"), None);
    told_undoes_it(&keys, &node, &pair.node);
}
