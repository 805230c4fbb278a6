//! MicroK8s after a refresh: snapd copies the snap's data to the next revision, and kreg's files
//! with it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::process::Command;
use std::time::Duration;

use common::{CA, OTHER_CA, SHELLS, Tree, instance, node};
use kreg_nodes::{
    Fleet, LocalRoot, Node, NodeTransport, Output, Receipt, State, TransportError, Trust,
};

const SNAP: &str = "/var/snap/microk8s";

/// A tree in which containerd runs, started with the file of this revision.
struct Revision {
    local: LocalRoot,
    number: &'static str,
}

impl NodeTransport for Revision {
    fn run(&self, node: &Node, script: &str, limit: Duration) -> Result<Output, TransportError> {
        let file = format!("{SNAP}/{}/args/containerd.toml", self.number);
        let found = format!(
            "\nfind_runtimes() {{\n  printf 'running containerd\\nconfig containerd {file}\\n'\n  look {file}\n}}\n\
             probe </dev/null"
        );
        let script = script.replace("\nprobe </dev/null", &found);
        self.local.run(node, &script, limit)
    }
}

fn certs_d(revision: &str) -> String {
    format!("{SNAP}/{revision}/args/certs.d")
}

/// A tree with revision 8511 of the snap.
fn tree() -> Tree {
    let tree = Tree::new();
    install(&tree, "8511");
    std::os::unix::fs::symlink("8511", tree.at(&format!("{SNAP}/current"))).unwrap();
    tree
}

fn install(tree: &Tree, revision: &str) {
    let args = tree.at(&format!("{SNAP}/{revision}/args"));
    fs::create_dir_all(&args).unwrap();
    let text = format!(
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{}\"\n",
        certs_d(revision)
    );
    fs::write(args.join("containerd.toml"), text).unwrap();
}

/// As snapd does, and as MicroK8s makes its file when it starts.
fn refresh(tree: &Tree, from: &str, to: &str) {
    let at = |revision: &str| tree.at(&format!("{SNAP}/{revision}"));
    let ran = Command::new("cp")
        .args(["-a".as_ref(), at(from).as_os_str(), at(to).as_os_str()])
        .status()
        .unwrap();
    assert!(ran.success());
    install(tree, to);
    fs::remove_file(at("current")).unwrap();
    std::os::unix::fs::symlink(to, at("current")).unwrap();
}

fn trust(ca: &str) -> Trust {
    Trust::new(instance(), "docker-registry:5000".parse().unwrap(), ca)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
}

fn at(tree: &Tree, shell: &[&str], number: &'static str) -> Revision {
    let local = tree.local().shell(shell.iter().copied());
    Revision { local, number }
}

fn apply(revision: &Revision, trust: &Trust) -> Receipt {
    Fleet::new(revision)
        .trust(&[node()], trust, &|_| {})
        .remove(0)
}

fn untrust(revision: &Revision) {
    let receipt = Fleet::new(revision)
        .untrust(&[node()], &instance(), &|_| {})
        .remove(0);
    assert!(receipt.is_ok(), "{receipt}");
}

/// The CA below a revision.
fn ca(tree: &Tree, revision: &str) -> Option<String> {
    let path = format!("{}/docker-registry:5000/ca.crt", certs_d(revision));
    fs::read_to_string(tree.at(&path)).ok()
}

/// Whether nothing but the snap's own files is left.
fn is_bare(tree: &Tree) -> bool {
    let left = ["8511", "8600"].map(|revision| tree.at(&certs_d(revision)).exists());
    left == [false, false] && !tree.at("/var/lib/kreg").exists()
}

fn a_refresh_is_followed(shell: &[&str]) {
    for wanted in [OTHER_CA, CA] {
        let tree = tree();
        let before = at(&tree, shell, "8511");
        assert_eq!(apply(&before, &trust(CA)).state, State::Changed);
        refresh(&tree, "8511", "8600");
        let after = at(&tree, shell, "8600");
        let planned = Fleet::new(&after)
            .status(&[node()], &trust(wanted))
            .remove(0);
        assert_eq!(planned.state, State::Changed, "{planned}");
        let receipt = apply(&after, &trust(wanted));
        assert_eq!(receipt.state, State::Changed, "{receipt}");
        assert_eq!(ca(&tree, "8600").as_deref(), Some(wanted));
        // Nobody reads the old revision any more.
        assert_eq!(ca(&tree, "8511"), None);
        let receipt = apply(&after, &trust(wanted));
        assert_eq!(receipt.state, State::Unchanged, "{receipt}");
        untrust(&after);
        assert!(is_bare(&tree), "{shell:?}");
    }
}

fn untrust_reaches_both(shell: &[&str]) {
    let tree = tree();
    let before = at(&tree, shell, "8511");
    apply(&before, &trust(CA));
    refresh(&tree, "8511", "8600");
    untrust(&before);
    assert!(is_bare(&tree), "{shell:?}");

    // What others changed in the copy is theirs.
    apply(&before, &trust(CA));
    fs::remove_dir_all(tree.at(&format!("{SNAP}/8600"))).unwrap();
    refresh(&tree, "8511", "8600");
    let theirs = format!("{}/docker-registry:5000/ca.crt", certs_d("8600"));
    fs::write(tree.at(&theirs), "theirs\n").unwrap();
    let receipt = apply(&at(&tree, shell, "8600"), &trust(OTHER_CA));
    assert_eq!(receipt.state, State::Refused, "{receipt}");
    untrust(&before);
    assert_eq!(ca(&tree, "8600").as_deref(), Some("theirs\n"));
    assert_eq!(ca(&tree, "8511"), None);
}

/// What was there before kreg, and was adopted, is in the copy's journal too.
#[test]
fn what_was_replaced_comes_back_in_the_copy() {
    let (tree, shell) = (tree(), ["sh"]);
    let theirs = tree.at(&format!("{}/docker-registry:5000", certs_d("8511")));
    fs::create_dir_all(&theirs).unwrap();
    fs::write(theirs.join("ca.crt"), "theirs\n").unwrap();
    let receipt = apply(&at(&tree, &shell, "8511"), &trust(CA).with_adopt(true));
    assert_eq!(receipt.state, State::Changed, "{receipt}");
    refresh(&tree, "8511", "8600");
    untrust(&at(&tree, &shell, "8600"));
    for revision in ["8511", "8600"] {
        assert_eq!(ca(&tree, revision).as_deref(), Some("theirs\n"));
    }
}

#[test]
fn files_that_snapd_copied_are_kregs_own() {
    a_refresh_is_followed(&["sh"]);
    untrust_reaches_both(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_follows_a_refresh() {
    for shell in SHELLS {
        a_refresh_is_followed(shell);
        untrust_reaches_both(shell);
    }
}
