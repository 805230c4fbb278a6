//! Every backend passes the suite.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

#[cfg(feature = "ssh")]
use common::sshd::Sshd;
use common::{SHELLS, Tree, node};
use kreg_nodes::conformance::{self, Directory};
#[cfg(feature = "ssh")]
use kreg_nodes::ssh::Ssh;

#[test]
fn a_local_root_passes() {
    let tree = Tree::new();
    let broken = conformance::check(&tree.local(), &node(), &Directory::new(tree.path()));
    assert!(broken.is_empty(), "{broken:#?}");
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

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn ssh_passes_as_root() {
    let sshd = Sshd::start();
    let broken = conformance::check(&sshd.ssh(), &sshd.node(), &sshd);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn ssh_passes_by_sudo() {
    let sshd = Sshd::start();
    let ssh = Ssh::new(sshd.config("admin"));
    let broken = conformance::check(&ssh, &sshd.node(), &sshd);
    assert!(broken.is_empty(), "{broken:#?}");
}
