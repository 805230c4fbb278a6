//! Every backend passes the suite.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[cfg(feature = "ssh")]
use common::sshd::Sshd;
use common::{SHELLS, Tree, node};
#[cfg(feature = "ssh")]
use kreg_nodes::BySsh;
use kreg_nodes::conformance::{self, Directory};
use kreg_nodes::{LocalRoot, Node, NodeAccess, NodeTransport};

#[test]
fn a_local_root_passes() {
    let tree = Tree::new();
    let broken = conformance::check(&tree.local(), &node(), &Directory::new(tree.path()));
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Another way to the nodes: no more than it must have.
struct ByTree(LocalRoot, [Node; 1]);

impl NodeAccess for ByTree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn nodes(&self) -> &[Node] {
        &self.1
    }

    fn transport(&self) -> &dyn NodeTransport {
        &self.0
    }
}

#[test]
fn another_way_passes() {
    let tree = Tree::new();
    let way = ByTree(tree.local(), [node()]);
    let broken = conformance::check_access(&way, &Directory::new(tree.path()));
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A way that does not do what it says is found out.
#[test]
fn a_way_that_writes_while_it_prepares_does_not_pass() {
    struct Rash(ByTree, std::path::PathBuf);
    impl NodeAccess for Rash {
        fn name(&self) -> &'static str {
            "rash"
        }
        fn nodes(&self) -> &[Node] {
            self.0.nodes()
        }
        fn transport(&self) -> &dyn NodeTransport {
            self.0.transport()
        }
        fn prepare(&self) -> Result<(), kreg_nodes::AccessError> {
            let file = self.1.join("etc/agent");
            std::fs::write(file, "").map_err(kreg_nodes::AccessError::tried("cannot write"))
        }
    }
    let tree = Tree::new();
    let way = Rash(ByTree(tree.local(), [node()]), tree.path().to_owned());
    let broken = conformance::check_access(&way, &Directory::new(tree.path()));
    let promises: Vec<_> = broken.iter().map(|one| one.promise).collect();
    assert_eq!(
        promises,
        ["to prepare makes ready, twice too, and changes no file of the node"]
    );
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn a_local_root_passes_by_every_shell() {
    for shell in SHELLS {
        let tree = Tree::new();
        let local = tree.local().shell(shell.iter().copied());
        let broken = conformance::check(&local, &node(), &Directory::new(tree.path()));
        assert!(broken.is_empty(), "{shell:?}: {broken:#?}");
    }
}

/// As on systems without the GNU programs, Alpine's kind. Debian's busybox has no `flock`.
#[test]
#[ignore = "needs busybox: run by cargo xtask test"]
fn a_local_root_passes_with_nothing_but_busybox() {
    let programs = tempfile::tempdir().unwrap();
    let busybox = ["/usr/bin/busybox", "/bin/busybox"];
    let busybox = busybox
        .iter()
        .find(|path| Path::new(path).exists())
        .expect("busybox");
    let list = Command::new(busybox).arg("--list").output().unwrap();
    for name in String::from_utf8(list.stdout).unwrap().lines() {
        symlink(busybox, programs.path().join(name)).unwrap();
    }
    let tree = Tree::new();
    let local = tree
        .local()
        .shell([*busybox, "sh"])
        .env("PATH", programs.path().display().to_string());
    let broken = conformance::check(&local, &node(), &Directory::new(tree.path()));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn ssh_passes_as_root() {
    let sshd = Sshd::start();
    let ssh = BySsh::libssh2(vec![sshd.node()], sshd.config("root"));
    let broken = conformance::check_access(&ssh, &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn ssh_passes_by_sudo() {
    let sshd = Sshd::start();
    let ssh = BySsh::libssh2(vec![sshd.node()], sshd.config("admin"));
    let broken = conformance::check_access(&ssh, &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_passes_as_root() {
    let sshd = Sshd::start();
    let ssh = BySsh::system(vec![sshd.node()], sshd.config("root"));
    let broken = conformance::check_access(&ssh, &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_passes_by_sudo() {
    let sshd = Sshd::start();
    let ssh = BySsh::system(vec![sshd.node()], sshd.config("admin"));
    let broken = conformance::check_access(&ssh, &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}
