//! The loop of an agent's Pod: it mends what is touched, tells what it cannot mend, and idles.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{CA, SHELLS, Tree, trust};
use kreg_nodes::conformance::{Directory, NodeFiles as _};
use kreg_nodes::{NodeProgram, NodeTransport as _};

const OWN: &str = "/etc/containerd/certs.d/docker-registry:5000";

/// The loop of a Pod, on a tree.
struct Loop {
    tree: Tree,
    state: tempfile::TempDir,
    shell: Child,
}

impl Loop {
    fn start(shell: &[&str]) -> Loop {
        let tree = Tree::new();
        fs::create_dir_all(tree.at("/var/lib/kreg")).unwrap();
        Loop::on(tree, shell)
    }

    fn on(tree: Tree, shell: &[&str]) -> Loop {
        let state = tempfile::tempdir().unwrap();
        let programs = state.path().join("programs");
        fs::create_dir(&programs).unwrap();
        let write = |name: &str, text: &str| fs::write(programs.join(name), text).unwrap();
        write("check.sh", NodeProgram::agent(&trust(CA)).script());
        write("agent.sh", NodeProgram::watch().script());
        write("ready.sh", NodeProgram::ready().script());
        write("runtimes", "* containerd 1.6\nother containerd 2.2\n");
        let shell = Command::new(shell[0])
            .args(&shell[1..])
            .arg(programs.join("agent.sh"))
            .env("KREG_ROOT", tree.path())
            .env("KREG_NODE", "node")
            .env("KREG_PROGRAMS", &programs)
            .env("KREG_STATE", state.path())
            .env("KREG_MESSAGE", state.path().join("message"))
            .env("KREG_PERIOD", "0.2")
            .env("KREG_LONGEST", "3")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Loop { tree, state, shell }
    }

    fn state(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.state.path().join(name)).ok()
    }

    fn await_that(&self, what: &str, good: impl Fn(&Loop) -> bool) {
        let begun = Instant::now();
        while !good(self) {
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(!late, "{what}: {:?}", self.state("answer"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_ready(&self) -> bool {
        self.state("ready").is_some()
    }
}

impl Loop {
    /// What the kubelet's probe sees: whether it passes, and its words.
    fn probed(&self, shell: &[&str]) -> (bool, String) {
        let probe = Command::new(shell[0])
            .args(&shell[1..])
            .arg(self.state.path().join("programs/ready.sh"))
            .env("KREG_STATE", self.state.path())
            .env("KREG_STALE", "4")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&probe.stdout).into_owned();
        (probe.status.success(), words)
    }

    /// Asks the agent how it stands, as a command does by a program in its Pod.
    fn pulse(&self, shell: &[&str]) -> String {
        let local = kreg_nodes::LocalRoot::new(self.tree.path())
            .shell(shell.iter().copied())
            .env("KREG_STATE", self.state.path().display().to_string())
            .env(
                "KREG_PROGRAMS",
                self.state.path().join("programs").display().to_string(),
            );
        let limit = Duration::from_secs(60);
        let output = local.run(&common::node(), NodeProgram::pulse().script(), limit);
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    fn signal(&self, name: &str) {
        let process = self.shell.id().to_string();
        let sent = Command::new("kill").args([name, &process]).status();
        assert!(sent.unwrap().success());
    }
}

fn a_loop_that_stops_is_not_ready(shell: &[&str]) {
    let agent = Loop::start(shell);
    agent.await_that("trust comes", Loop::is_ready);
    agent.await_that("a round has ended", |agent| agent.probed(shell).0);
    let pulse = agent.pulse(shell);
    assert!(pulse.starts_with("kreg-pulse 1\nkeeps\nage "), "{pulse}");
    assert!(pulse.ends_with("kreg-pulse end\n"), "{pulse}");
    agent.signal("-STOP");
    agent.await_that("it is seen to hang", |agent| {
        let (ready, words) = agent.probed(shell);
        assert!(ready || words.contains("it hangs"), "{words}");
        // The last round went well, so only its age tells.
        !ready && agent.is_ready()
    });
    agent.signal("-CONT");
    agent.await_that("it goes on", |agent| agent.probed(shell).0);
}

#[test]
fn a_loop_that_is_stopped_is_not_ready_until_it_goes_on() {
    a_loop_that_stops_is_not_ready(&["sh"]);
}

/// A check that waits for something that never comes is ended, and the next one is as good as any.
fn a_check_that_hangs_is_ended(shell: &[&str]) {
    let agent = Loop::start(shell);
    agent.await_that("trust comes", Loop::is_ready);
    let check = agent.state.path().join("programs/check.sh");
    let whole = fs::read(&check).unwrap();
    fs::write(&check, "sleep 600 & wait $!\n").unwrap();
    fs::remove_file(agent.tree.at(&format!("{OWN}/hosts.toml"))).unwrap();
    agent.await_that("it is ended and reported", |agent| {
        let answer = agent.state("answer").unwrap_or_default();
        !agent.is_ready()
            && answer
                .contains("check.sh\",\"status\":\"failed\",\"detail\":\"did not end within 3 s")
    });
    let (ready, words) = agent.probed(shell);
    assert!(
        !ready && words.contains("did not end within 3 s"),
        "{words}"
    );
    fs::write(&check, whole).unwrap();
    agent.await_that("the next check puts it right", Loop::is_ready);
    assert!(agent.tree.at(&format!("{OWN}/hosts.toml")).exists());
}

#[test]
fn a_check_that_hangs_is_ended_and_reported() {
    a_check_that_hangs_is_ended(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_shows_an_agent_that_hangs() {
    for shell in SHELLS {
        a_loop_that_stops_is_not_ready(shell);
        a_check_that_hangs_is_ended(shell);
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn keeps_its_node(shell: &[&str]) {
    let agent = Loop::start(shell);
    let toml = agent.tree.at(&format!("{OWN}/hosts.toml"));
    agent.await_that("trust comes", |agent| agent.is_ready() && toml.exists());
    let whole = fs::read(&toml).unwrap();
    let same = |_: &Loop| fs::read(&toml).is_ok_and(|now| now == whole);
    fs::remove_file(&toml).unwrap();
    agent.await_that("a removed file is back", same);
    fs::write(&toml, "# theirs\n").unwrap();
    agent.await_that("a changed file is mended", same);
    fs::remove_dir_all(agent.tree.at(OWN)).unwrap();
    agent.await_that("a removed directory is back", same);

    let shadow = agent
        .tree
        .at("/etc/containerd/certs.d/docker-registry_5000_");
    fs::create_dir(&shadow).unwrap();
    agent.await_that("what hides it is told", |agent| {
        !agent.is_ready()
            && agent.state("message").is_some_and(|text| {
                text.contains("\"state\":\"refused\"") && text.contains("docker-registry_5000_")
            })
    });
    fs::remove_dir(&shadow).unwrap();
    agent.await_that("it is ready again", Loop::is_ready);
}

#[test]
fn the_loop_keeps_its_node() {
    keeps_its_node(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn the_loop_keeps_its_node_by_every_shell() {
    for shell in SHELLS {
        keeps_its_node(shell);
    }
}

#[test]
fn idle_it_touches_nothing() {
    let agent = Loop::start(&["sh"]);
    agent.await_that("trust comes", Loop::is_ready);
    // The second look, which is the last one.
    agent.await_that("a second look", |agent| {
        agent
            .state("answer")
            .is_some_and(|text| text.contains("\"state\":\"unchanged\""))
    });
    let before = Directory::new(agent.tree.path()).tree("/").unwrap();
    thread::sleep(Duration::from_secs(2));
    let after = Directory::new(agent.tree.path()).tree("/").unwrap();
    assert!(before == after);
}

/// Another registry's `down` removes an empty directory of journals, and a mount of it leads nowhere
/// then: only a container that is started anew gets the new one.
fn goes_where_its_journals_are_gone(shell: &[&str]) {
    let tree = Tree::new();
    let (base, gone) = (tree.at("/var/lib/kreg"), tree.at("/var/lib/gone"));
    fs::create_dir(&gone).unwrap();
    let mounted = fs::File::open(&gone).unwrap();
    // As the mount does, the descriptor leads to the directory itself, whatever its name.
    let way = format!("/proc/{}/fd/{}", std::process::id(), mounted.as_raw_fd());
    std::os::unix::fs::symlink(way, &base).unwrap();
    let shadow = "/etc/containerd/certs.d/docker-registry_5000_";
    fs::create_dir_all(tree.at(shadow)).unwrap();
    let mut agent = Loop::on(tree, shell);
    agent.await_that("it refuses, and has no journal", |agent| {
        let answer = agent.state("answer");
        answer.is_some_and(|text| text.contains("\"state\":\"refused\""))
    });
    assert!(agent.shell.try_wait().unwrap().is_none());
    fs::remove_dir(&gone).unwrap();
    fs::remove_dir(agent.tree.at(shadow)).unwrap();
    let begun = Instant::now();
    let ended = loop {
        match agent.shell.try_wait().unwrap() {
            Some(ended) => break ended,
            None => assert!(begun.elapsed() < Duration::from_secs(60), "it goes on"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended.code(), Some(1), "{shell:?}");
    assert!(!agent.is_ready());
}

#[test]
fn it_is_started_anew_where_its_journals_are_gone() {
    goes_where_its_journals_are_gone(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_is_started_anew_where_its_journals_are_gone() {
    for shell in SHELLS {
        goes_where_its_journals_are_gone(shell);
    }
}
