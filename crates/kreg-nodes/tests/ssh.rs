//! SSH against a real sshd: who is let in, who is not, and what is said then.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::sshd::Sshd;
use common::{CA, trust};
use kreg_nodes::ssh::{Ssh, SshConfig};
use kreg_nodes::{
    Fleet, Node, NodeTransport, Receipt, State, TransportError, TransportErrorKind as Kind,
};

const LIMIT: Duration = Duration::from_secs(30);

fn run(config: SshConfig, node: &Node) -> Result<String, TransportError> {
    let output = Ssh::new(config).run(node, "id -un\n", LIMIT)?;
    Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn keys_and_users() {
    let sshd = Sshd::start();
    let node = sshd.node();
    let with = |user: &str, key: &str, passphrase: Option<&str>| {
        SshConfig::new(user)
            .agent(false)
            .known_hosts(sshd.known_hosts())
            .identity(sshd.file(key), passphrase.map(Into::into))
    };

    // A key that the node does not know, and one that is not there: both are named.
    sshd.keygen("stranger", "");
    let error = run(
        with("root", "stranger", None).identity("/nowhere/id", None),
        &node,
    )
    .unwrap_err();
    let Kind::Auth {
        user,
        tried,
        offered,
        ..
    } = &*error.kind
    else {
        panic!("{error:?}");
    };
    assert_eq!(user, "root");
    assert!(tried.contains("stranger (refused)"), "{tried}");
    assert!(tried.contains("/nowhere/id (no such file)"), "{tried}");
    assert!(offered.contains("publickey"), "{offered}");
    assert!(error.is_unreachable() && error.step() == "login");

    // The next key is tried.
    let config = with("root", "stranger", None).identity(sshd.file("id"), None);
    assert_eq!(run(config, &node).unwrap(), "root");

    // An encrypted key: with its passphrase, without, and with another.
    let locked = sshd.keygen("locked", "open sesame");
    let public = fs::read_to_string(locked.with_extension("pub")).unwrap();
    sshd.exec(&format!(
        "echo '{}' >>/root/.ssh/authorized_keys",
        public.trim()
    ));
    let open = with("root", "locked", Some("open sesame"));
    assert_eq!(run(open.clone(), &node).unwrap(), "root");
    assert!(!format!("{open:?}").contains("sesame"), "{open:?}");
    let without = run(with("root", "locked", None), &node).unwrap_err();
    assert!(
        without.to_string().contains("it has a passphrase"),
        "{without}"
    );
    let wrong = run(with("root", "locked", Some("wrong")), &node).unwrap_err();
    assert!(wrong.to_string().contains("wrong passphrase"), "{wrong}");

    // Not root: by sudo where it may, else with what to do about it.
    assert_eq!(run(sshd.config("admin"), &node).unwrap(), "root");
    let error = run(sshd.config("guest"), &node).unwrap_err();
    let Kind::Privilege { user, .. } = &*error.kind else {
        panic!("{error:?}");
    };
    assert_eq!((user.as_str(), error.step()), ("guest", "sudo"));
    assert!(
        error.remedy().contains("/etc/sudoers.d/"),
        "{}",
        error.remedy()
    );
    sshd.exec("rm /usr/bin/sudo");
    let error = run(sshd.config("guest"), &node).unwrap_err();
    assert!(matches!(*error.kind, Kind::Privilege { .. }), "{error:?}");

    // No such user.
    let error = run(sshd.config("nobody-here"), &node).unwrap_err();
    assert!(matches!(*error.kind, Kind::Auth { .. }), "{error:?}");
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_key_from_the_agent() {
    // An agent of our own in a process of its own, so that this process' environment is not
    // changed under other threads: the test runs itself once more.
    if let Some(port) = std::env::var_os("KREG_TEST_AGENT_PORT") {
        let node = Node::new("node1", format!("127.0.0.1:{}", port.to_string_lossy()));
        let known = std::env::var_os("KREG_TEST_KNOWN_HOSTS").unwrap();
        // An identity that does not exist keeps the keys of whoever runs this out of it.
        let config = SshConfig::new("root")
            .identity("/nowhere/id", None)
            .known_hosts(known);
        assert_eq!(run(config.clone(), &node).unwrap(), "root");
        // Only the keys that are named, by their public halves.
        let error = run(config.clone().identities_only(true), &node).unwrap_err();
        let none = "the agent (holds none of these keys)";
        assert!(error.to_string().contains(none), "{error}");
        let half = std::env::var_os("KREG_TEST_PUBLIC_HALF").unwrap();
        let named = config.identity(half, None).identities_only(true);
        assert_eq!(run(named, &node).unwrap(), "root");
        return;
    }
    let sshd = Sshd::start();
    fs::copy(sshd.file("id.pub"), sshd.file("half.pub")).unwrap();
    let socket = sshd.file("agent");
    let mut agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("ssh-agent");
    let begun = Instant::now();
    while !socket.exists() && begun.elapsed() < LIMIT {
        thread::sleep(Duration::from_millis(20));
    }
    let added = Command::new("ssh-add")
        .arg(sshd.file("id"))
        .env("SSH_AUTH_SOCK", &socket)
        .output();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["a_key_from_the_agent", "--exact", "--include-ignored"])
        .env("SSH_AUTH_SOCK", &socket)
        .env("KREG_TEST_AGENT_PORT", sshd.port.to_string())
        .env("KREG_TEST_KNOWN_HOSTS", sshd.known_hosts())
        .env("KREG_TEST_PUBLIC_HALF", sshd.file("half"))
        .output();
    agent.kill().unwrap();
    agent.wait().unwrap();
    let added = added.unwrap();
    assert!(added.status.success(), "{added:?}");
    let again = again.unwrap();
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stdout)
    );
}

#[test]
fn nobody_at_home() {
    let config = || {
        SshConfig::new("root")
            .agent(false)
            .identity("/nowhere/id", None)
            .known_hosts("/nowhere/known_hosts")
            .connect_timeout(Duration::from_millis(700))
    };
    let at = |address: String| run(config(), &Node::new("node1", address)).unwrap_err();

    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let error = at(format!("127.0.0.1:{port}"));
    assert!(
        matches!(*error.kind, Kind::Refused { port: at } if at == port),
        "{error:?}"
    );
    assert!(error.remedy().contains("sshd"), "{}", error.remedy());

    // One that listens and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let begun = Instant::now();
    let error = at(format!("127.0.0.1:{port}"));
    assert!(matches!(*error.kind, Kind::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));

    // One that speaks something else.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let talk = thread::spawn(move || {
        use std::io::Write as _;
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = at(format!("127.0.0.1:{port}"));
    talk.join().unwrap();
    assert!(matches!(*error.kind, Kind::Handshake { .. }), "{error:?}");

    let error = at("name.that.does.not.exist.invalid".to_owned());
    assert!(matches!(*error.kind, Kind::Unresolved { .. }), "{error:?}");
    let error = at("-oProxyCommand=true".to_owned());
    assert!(matches!(*error.kind, Kind::BadAddress { .. }), "{error:?}");
}

/// Every node is looked at before any is written to, so one that hangs keeps the others waiting: for
/// its limit, once. It is named with what to do.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_node_that_hangs_costs_its_limit_once() {
    let (good, bad) = (Sshd::start(), Sshd::start());
    let known = [good.known_hosts(), bad.known_hosts()].map(|file| fs::read(file).unwrap());
    fs::write(good.known_hosts(), known.concat()).unwrap();
    let public = fs::read_to_string(good.file("id.pub")).unwrap();
    bad.exec(&format!(
        "echo '{}' >>/root/.ssh/authorized_keys",
        public.trim()
    ));
    // Its disk hangs: whoever looks for the file system's size waits.
    bad.exec(
        "printf '#!/bin/sh\\nexec sleep 600\\n' >/usr/local/sbin/df; chmod +x /usr/local/sbin/df",
    );

    let ssh = good.ssh();
    let limit = Duration::from_secs(8);
    let fleet = Fleet::new(&ssh).timeout(limit);
    let nodes = [
        Node::new("bad", bad.node().address),
        Node::new("good", good.node().address),
        Node::new("gone", "127.0.0.1:1"),
    ];
    let begun = Instant::now();
    let told = Mutex::new(Vec::new());
    let receipts = fleet.trust(&nodes, &trust(CA), &|receipt| {
        let at = begun.elapsed();
        told.lock().unwrap().push((receipt.node.clone(), at));
    });
    let states: Vec<State> = receipts.iter().map(|receipt| receipt.state).collect();
    assert_eq!(
        states,
        [State::Failed, State::Changed, State::Unreachable],
        "{receipts:#?}"
    );
    let told = told.into_inner().unwrap();
    assert_eq!(told.len(), nodes.len(), "{told:?}");
    assert!(told.iter().all(|(_, at)| *at < 2 * limit), "{told:?}");
    // What it took to look at the good one and to write to it: it did not stand in a line.
    let own = Duration::from_millis(receipts[1].millis);
    assert!(own < limit, "{own:?}");
    let say = |receipt: &Receipt| receipt.to_string();
    assert!(
        say(&receipts[0]).contains("no answer within 8 s"),
        "{receipts:#?}"
    );
    assert!(receipts.iter().all(|r| r.is_ok() || r.remedy.is_some()));

    // It is the node's fault alone: once it is well, the same connection pool serves it.
    bad.exec("rm /usr/local/sbin/df");
    let receipts = fleet.trust(&nodes[..2], &trust(CA), &|_| {});
    let states: Vec<State> = receipts.iter().map(|receipt| receipt.state).collect();
    assert_eq!(states, [State::Changed, State::Unchanged], "{receipts:#?}");
}

/// A connection that was kept and has died since is made anew.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_connection_that_died_is_made_anew() {
    let sshd = Sshd::start();
    let (ssh, node) = (sshd.ssh(), sshd.node());
    let count = || {
        sshd.exec("ps ax -o args= | grep -c '^sshd: root' || :")
            .trim()
            .parse::<usize>()
            .unwrap()
    };
    for _ in 0..3 {
        assert_eq!(ssh.run(&node, "true\n", LIMIT).unwrap().status, Some(0));
    }
    assert_eq!(count(), 1, "one connection serves all");
    sshd.exec("pkill -f '^sshd: root'");
    assert_eq!(ssh.run(&node, "true\n", LIMIT).unwrap().status, Some(0));
    // In the midst of a script it is an error: the script may have done half its work.
    let error = ssh
        .run(&node, "echo begun; kill -9 $PPID; sleep 5\n", LIMIT)
        .unwrap_err();
    assert!(!error.is_unreachable(), "{error:?}");
    assert_eq!(ssh.run(&node, "true\n", LIMIT).unwrap().status, Some(0));
}
