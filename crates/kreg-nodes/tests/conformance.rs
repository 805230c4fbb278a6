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
use kreg_nodes::conformance::{self, Directory};
#[cfg(feature = "ssh")]
use kreg_nodes::ssh::{Ssh, SystemSsh};

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
    let broken = conformance::check(&sshd.ssh(), &sshd.node(), &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn ssh_passes_by_sudo() {
    let sshd = Sshd::start();
    let ssh = Ssh::new(sshd.config("admin"));
    let broken = conformance::check(&ssh, &sshd.node(), &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_passes_as_root() {
    let sshd = Sshd::start();
    let ssh = SystemSsh::new(sshd.config("root"));
    let broken = conformance::check(&ssh, &sshd.node(), &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[cfg(feature = "ssh")]
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12 and ssh: run by cargo xtask test"]
fn the_systems_ssh_passes_by_sudo() {
    let sshd = Sshd::start();
    let ssh = SystemSsh::new(sshd.config("admin"));
    let broken = conformance::check(&ssh, &sshd.node(), &sshd.entered);
    assert!(broken.is_empty(), "{broken:#?}");
}
