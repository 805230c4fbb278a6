//! What becomes of a program that cannot go on, or must not: what it began is taken back, and it
//! says so; what cannot be taken back is said too.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use common::{CA, Tree, answer, instance, node, plan, restart_plan, trust};
use kreg_nodes::conformance::{Directory, NodeFiles as _};
use kreg_nodes::{Answer, FileStatus, LocalRoot, NodeProgram, State, StorageDir};

const CONFIG: &str = "/etc/containerd/config.toml";
const SILENT: &str = "# says nothing\nversion = 2\n";
const HOSTS_TOML: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";

/// All that is on a node but times.
fn look(tree: &Tree) -> Vec<String> {
    let files = Directory::new(tree.path()).tree("/").unwrap();
    let plain = |(path, seen): (String, kreg_nodes::conformance::Seen)| {
        format!("{path} {:?} {:o} {}", seen.kind, seen.mode, seen.sha256)
    };
    files.into_iter().map(plain).collect()
}

fn details(answer: &Answer) -> String {
    let told = answer.files.iter().map(|file| file.detail.as_str());
    told.collect::<Vec<_>>().join("; ")
}

/// A containerd that is well, but for what these shell lines do.
struct Restart {
    tree: Tree,
    shims: tempfile::TempDir,
}

impl Restart {
    fn with(faults: &[(&str, &str)]) -> Restart {
        let tree = Tree::new();
        fs::write(tree.at(CONFIG), SILENT).unwrap();
        let shims = tempfile::tempdir().unwrap();
        let all = [("systemctl", ""), ("crictl", ""), ("journalctl", "")];
        for (name, text) in all.iter().chain(faults) {
            let path = shims.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Restart { tree, shims }
    }

    fn local(&self) -> LocalRoot {
        let path = std::env::var("PATH").unwrap();
        self.tree
            .local()
            .env("PATH", format!("{}:{path}", self.shims.path().display()))
            .env("CONFIG", self.tree.at(CONFIG).display().to_string())
            .env("KREG_RESTART_WAIT", "2")
    }

    fn run(&self) -> Answer {
        let program = NodeProgram::restart(&restart_plan(Some(SILENT))).unwrap();
        answer(&self.local(), &node(), &program)
    }
}

const FAILS: &str = "case $1 in restart) ! grep -q certs.d \"$CONFIG\" ;; esac";

#[test]
fn a_configuration_that_fails_is_put_back() {
    let bed = Restart::with(&[("systemctl", FAILS)]);
    let before = look(&bed.tree);
    let ran = bed.run();
    assert_eq!((ran.state, ran.step.as_str()), (State::Failed, "restart"));
    let told = details(&ran);
    assert!(
        told.contains("was put back") && told.contains("is well"),
        "{told}"
    );
    assert_eq!(look(&bed.tree), before);
}

/// The fleet goes on to the next node unless this one says that it failed.
#[test]
fn one_that_cannot_be_put_back_is_a_failure() {
    let full = "case $* in */before\\ *) echo 'cp: No space left on device' >&2; exit 1 ;; esac\nexec /bin/cp \"$@\"";
    let bed = Restart::with(&[("systemctl", FAILS), ("cp", full)]);
    let ran = bed.run();
    assert_eq!((ran.state, ran.step.as_str()), (State::Failed, "restart"));
    let told = details(&ran);
    assert!(
        told.contains("could not be put back: cp: No space left on device"),
        "{told}"
    );
    assert!(!told.contains("was put back"), "{told}");
    // Once there is room, undo does it.
    let undone = answer(&bed.tree.local(), &node(), &NodeProgram::undo(&instance()));
    assert_eq!(undone.state, State::Changed, "{undone:?}");
    assert_eq!(bed.tree.read(CONFIG), SILENT.as_bytes());
}

#[test]
fn one_that_others_changed_meanwhile_is_a_failure() {
    let theirs = "case $1 in restart) echo '# theirs' >>\"$CONFIG\"; exit 1 ;; esac";
    let bed = Restart::with(&[("systemctl", theirs)]);
    let ran = bed.run();
    assert_eq!((ran.state, ran.step.as_str()), (State::Failed, "restart"));
    let told = details(&ran);
    assert!(
        told.contains("was changed by others") && !told.contains("was put back"),
        "{told}"
    );
}

#[test]
fn a_witness_that_hangs_is_waited_for_in_seconds() {
    let hangs = "! grep -q certs.d \"$CONFIG\" || exec sleep 600";
    let bed = Restart::with(&[("crictl", hangs)]);
    let begun = Instant::now();
    let ran = bed.run();
    assert!(begun.elapsed() < Duration::from_secs(30));
    let told = details(&ran);
    assert!(
        told.contains("does not answer within 2 s") && told.contains("is well"),
        "{told}"
    );
    assert_eq!(bed.tree.read(CONFIG), SILENT.as_bytes());
}

/// The wait for a runtime goes by the time that passes, not by a clock that stands still or is set back.
#[test]
fn a_clock_that_is_set_back_makes_no_wait_longer() {
    let silent = "! grep -q certs.d \"$CONFIG\"";
    let bed = Restart::with(&[("crictl", silent), ("date", "echo 0")]);
    let begun = Instant::now();
    let ran = bed.run();
    assert!(begun.elapsed() < Duration::from_secs(30));
    let told = details(&ran);
    assert!(told.contains("does not answer within 2 s"), "{told}");
}

#[test]
fn a_file_of_others_leaves_the_node_as_it_was() {
    let tree = Tree::new();
    fs::create_dir_all(tree.at(HOSTS_TOML).parent().unwrap()).unwrap();
    fs::write(tree.at(HOSTS_TOML), "# theirs\n").unwrap();
    let before = look(&tree);
    let ran = answer(
        &tree.local(),
        &node(),
        &NodeProgram::apply(&plan(&trust(CA))),
    );
    assert_eq!((ran.state, ran.step.as_str()), (State::Dirty, "check"));
    let dirty = ran
        .files
        .iter()
        .filter(|file| file.status == FileStatus::Dirty);
    let dirty: Vec<&str> = dirty.map(|file| file.path.as_str()).collect();
    assert_eq!(dirty, [HOSTS_TOML]);
    assert_eq!(look(&tree), before);
}

/// A tree in which `link` leads to a directory of this machine.
fn led_out(link: &str) -> (Tree, tempfile::TempDir) {
    let (tree, outside) = (Tree::new(), tempfile::tempdir().unwrap());
    let _ = fs::remove_dir_all(tree.at(link));
    symlink(outside.path(), tree.at(link)).unwrap();
    (tree, outside)
}

fn is_empty(folder: &tempfile::TempDir) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn no_link_leads_out_of_a_root() {
    for (link, step) in [("/etc/docker", "check"), ("/var/lib", "lock")] {
        let (tree, outside) = led_out(link);
        let before = look(&tree);
        let ran = answer(
            &tree.local(),
            &node(),
            &NodeProgram::apply(&plan(&trust(CA))),
        );
        assert_eq!((ran.state, ran.step.as_str()), (State::Failed, step));
        assert!(details(&ran).contains("by way of a link"), "{ran:?}");
        let decided = answer(&tree.local(), &node(), &NodeProgram::agent(&trust(CA)));
        assert!(
            matches!(decided.state, State::Refused | State::Failed),
            "{decided:?}"
        );
        assert_eq!(look(&tree), before, "{link}");
        assert!(is_empty(&outside), "{link}");
    }

    // Images are not erased there either.
    let (tree, outside) = led_out("/tmp");
    let blobs = outside.path().join("repository/docker/registry/v2/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let storage = StorageDir::new("/tmp/repository").unwrap();
    let ran = answer(
        &tree.local(),
        &node(),
        &NodeProgram::erase(&instance(), &storage),
    );
    assert_eq!(ran.state, State::Failed, "{ran:?}");
    assert!(blobs.exists());

    // Nor is anything taken back there.
    let tree = Tree::new();
    let apply = NodeProgram::apply(&plan(&trust(CA)));
    assert_eq!(answer(&tree.local(), &node(), &apply).state, State::Changed);
    let outside = tempfile::tempdir().unwrap();
    let docker = outside.path().join("docker");
    fs::rename(tree.at("/etc/docker"), &docker)
        .or_else(|_| copy(&tree.at("/etc/docker"), &docker))
        .unwrap();
    symlink(&docker, tree.at("/etc/docker")).unwrap();
    let undone = answer(&tree.local(), &node(), &NodeProgram::undo(&instance()));
    assert_eq!(undone.state, State::Dirty, "{undone:?}");
    assert!(docker.join("certs.d/docker-registry:5000/ca.crt").exists());
}

/// A rename leads over no file system's end.
fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    let ran = std::process::Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()?;
    assert!(ran.success());
    fs::remove_dir_all(from)
}

#[test]
fn a_link_that_stays_inside_is_followed() {
    let tree = Tree::new();
    fs::create_dir(tree.at("/srv")).unwrap();
    symlink("../srv", tree.at("/etc/docker")).unwrap();
    let ran = answer(
        &tree.local(),
        &node(),
        &NodeProgram::apply(&plan(&trust(CA))),
    );
    assert_eq!(ran.state, State::Changed, "{ran:?}");
    assert!(tree.at("/srv/certs.d/docker-registry:5000/ca.crt").exists());
}
