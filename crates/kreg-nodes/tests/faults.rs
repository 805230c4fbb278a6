//! A full disk, a read-only file system, an immutable file: real ones, in a container. After each
//! the node holds the old or the new state, the fault is named with what to do, and the next run
//! mends it.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use common::sshd::Sshd;
use common::{CA, OTHER_CA, answer, instance, plan, trust};
use kreg_nodes::conformance::{NodeFiles, SeenKind};
use kreg_nodes::ssh::Ssh;
use kreg_nodes::{Answer, Fleet, Node, NodeProgram, Receipt, State};
use testcontainers::ImageExt;

/// A node below /node in a container, on a small file system of its own.
struct Small {
    sshd: Sshd,
    ssh: Ssh,
    node: Node,
}

const CONFIG: &str = "version = 2\\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\\nconfig_path = \"/etc/containerd/certs.d\"\\n";

impl Small {
    fn start() -> Small {
        // Mounts, and files that not even root may change, need more than a container has.
        let sshd = Sshd::start_as(|request| request.with_privileged(true));
        let ssh = Ssh::new(sshd.config("root").root("/node"));
        let node = sshd.node();
        sshd.exec("mkdir /node");
        Small { sshd, ssh, node }
    }

    /// An untouched node of that size.
    fn fresh(&self, size: &str) {
        self.sshd.exec(&format!(
            "while umount /node/etc/hosts /node/etc /node /tiny 2>/dev/null; do :; done\n\
             umount -R /node 2>/dev/null\n\
             set -e\nmount -t tmpfs -o size={size} tmpfs /node\n\
             mkdir -p /node/etc/containerd /node/var/lib\n\
             printf '{CONFIG}' >/node/etc/containerd/config.toml\n\
             {{ seq 1 1500 | sed 's/.*/# line &/'; printf '127.0.0.1 localhost'; }} >/node/etc/hosts"
        ));
    }

    fn run(&self, program: &NodeProgram) -> Answer {
        answer(&self.ssh, &self.node, program)
    }

    fn well(&self, program: &NodeProgram) {
        let answer = self.run(program);
        let well = matches!(answer.state, State::Unchanged | State::Changed);
        assert!(well, "{answer:?}");
    }

    /// Every file below /etc, its mode, owner and hash; what kreg writes beside its targets is left
    /// out where it may be.
    fn etc(&self) -> Etc {
        let seen = self.sshd.entered.tree("/node/etc").unwrap();
        seen.into_iter()
            .map(|(path, seen)| {
                (
                    path,
                    seen.kind,
                    (seen.mode, seen.uid, seen.gid),
                    seen.sha256,
                )
            })
            .collect()
    }

    fn journal_is_gone(&self) -> bool {
        self.sshd
            .entered
            .tree("/node/var/lib/kreg")
            .unwrap()
            .is_empty()
    }

    fn fleet(&self) -> Fleet<'_, Ssh> {
        Fleet::new(&self.ssh)
    }

    fn trust(&self) -> Receipt {
        let nodes = [self.node.clone()];
        self.fleet().trust(&nodes, &trust(CA), &|_| {}).remove(0)
    }

    fn untrust(&self) -> Receipt {
        let nodes = [self.node.clone()];
        self.fleet().untrust(&nodes, &instance(), &|_| {}).remove(0)
    }
}

type Etc = Vec<(String, SeenKind, (u32, u32, u32), String)>;

/// No file holds anything but what it held or is to hold.
fn old_or_new(old: &Etc, new: &Etc, now: &Etc, what: &str) {
    for seen in now {
        let known = old.contains(seen) || new.contains(seen);
        assert!(known, "{what}: {seen:?} is neither old nor new");
    }
    let paths = |etc: &Etc| etc.iter().map(|seen| seen.0.clone()).collect::<Vec<_>>();
    let (old, new, now) = (paths(old), paths(new), paths(now));
    let lost = old
        .iter()
        .find(|path| new.contains(path) && !now.contains(path));
    assert!(lost.is_none(), "{what}: {lost:?} is gone");
}

fn apply(ca: &str) -> NodeProgram {
    NodeProgram::apply(&plan(&trust(ca)))
}

fn undo() -> NodeProgram {
    NodeProgram::undo(&instance())
}

/// `program` with ever less room, from none to enough.
fn with_every_room(small: &Small, name: &str, prepare: &[NodeProgram], program: &NodeProgram) {
    let begin = || {
        small.fresh("256k");
        let origin = small.etc();
        prepare.iter().for_each(|program| small.well(program));
        origin
    };
    let origin = begin();
    let old = small.etc();
    small.well(program);
    let new = small.etc();
    let mut failures = 0;
    // The first pages one by one; further on every second says as much.
    for pages in (0..4).chain((4..).step_by(2)) {
        begin();
        small.sshd.exec(&format!(
            "dd if=/dev/zero of=/node/fill bs=4096 2>/dev/null || :\n\
             truncate -s $(($(stat -c %s /node/fill) - {pages} * 4096)) /node/fill"
        ));
        let ran = small.run(program);
        let what = format!("{name} with {pages} pages free: {ran:?}");
        old_or_new(&old, &new, &small.etc(), &what);
        let failed = ran.state == State::Failed;
        if failed {
            failures += 1;
            let said = ran
                .files
                .iter()
                .any(|file| file.detail.contains("No space left"));
            assert!(said, "{what}");
        }
        small.sshd.exec("rm /node/fill");
        small.well(program);
        assert_eq!(small.etc(), new, "{what}, mended");
        small.well(&undo());
        assert_eq!(small.etc(), origin, "{what}, undone");
        assert!(small.journal_is_gone(), "{what}");
        if !failed {
            break;
        }
    }
    assert!(failures > 0, "{name} never ran out of room");
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_full_disk() {
    let small = Small::start();
    with_every_room(&small, "first trust", &[], &apply(CA));
    with_every_room(&small, "another CA", &[apply(CA)], &apply(OTHER_CA));
    with_every_room(&small, "undo", &[apply(CA)], &undo());

    // Whoever asks first is told before anything is written.
    small.fresh("128k");
    let receipt = small.trust();
    assert_eq!(receipt.state, State::Refused, "{receipt}");
    assert!(receipt.to_string().contains("free some space"), "{receipt}");
}

/// A hosts file that is a mount point can only be written in place, and its last block of the
/// disk may be the last there is.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_full_disk_below_a_mounted_hosts_file() {
    let small = Small::start();
    small.fresh("512k");
    small.sshd.exec(
        "set -e\nmkdir -p /tiny\nmount -t tmpfs -o size=8k tmpfs /tiny\n\
         { head -c 4080 /dev/zero | tr '\\0' '#'; printf '\\n'; } >/tiny/hosts\n\
         head -c 4096 /dev/zero >/tiny/fill\nmount --bind /tiny/hosts /node/etc/hosts",
    );
    let old = small.etc();
    let ran = small.run(&apply(CA));
    assert_eq!(
        (ran.state, ran.step.as_str()),
        (State::Failed, "write"),
        "{ran:?}"
    );
    let hosts = |etc: Etc| etc.into_iter().find(|seen| seen.0.ends_with("/hosts"));
    assert_eq!(hosts(small.etc()), hosts(old.clone()));
    // The journal is clean even so: undo has nothing of a hosts file to take back.
    small.well(&undo());
    assert_eq!(small.etc(), old);
    assert!(small.journal_is_gone());
    let _ = small.run(&apply(CA));
    small.sshd.exec("rm /tiny/fill");
    small.well(&apply(CA));
    let told = small.sshd.exec("cat /node/etc/hosts");
    assert!(told.ends_with("# END kreg docker-registry\n"), "{told}");
    small.well(&undo());
    assert_eq!(small.etc(), old);
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn a_read_only_file_system() {
    let small = Small::start();
    for (off, on) in [
        ("mount -o remount,ro /node", "mount -o remount,rw /node"),
        (
            "mount --bind /node/etc /node/etc && mount -o remount,bind,ro /node/etc",
            "umount /node/etc",
        ),
    ] {
        small.fresh("512k");
        let old = small.etc();
        small.sshd.exec(off);
        let refused = small.trust();
        assert_eq!(refused.state, State::Refused, "{off}: {refused}");
        assert!(refused.to_string().contains("read-only"), "{refused}");
        // The script alone says so too.
        let ran = small.run(&apply(CA));
        assert_eq!(ran.state, State::Failed, "{off}: {ran:?}");
        let said = ran
            .files
            .iter()
            .any(|file| file.detail.contains("Read-only file system"));
        assert!(said, "{off}: {ran:?}");
        assert_eq!(small.etc(), old, "{off}");
        small.sshd.exec(on);

        small.well(&apply(CA));
        let new = small.etc();
        small.sshd.exec(off);
        let receipt = small.untrust();
        assert_eq!(receipt.state, State::Failed, "{off}: {receipt}");
        assert!(
            receipt.to_string().contains("Read-only file system"),
            "{receipt}"
        );
        assert!(receipt.remedy.is_some(), "{receipt}");
        assert_eq!(small.etc(), new, "{off}");
        small.sshd.exec(on);
        small.well(&undo());
        assert_eq!(small.etc(), old, "{off}");
        assert!(small.journal_is_gone(), "{off}");
    }
}

/// Where SELinux is on, what comes in a file's place gets its label, when trust comes and when it
/// goes; and owners are kept.
#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn labels_and_owners_are_kept() {
    let small = Small::start();
    small.fresh("512k");
    let own = "/node/etc/containerd/certs.d/docker-registry:5000";
    small.sshd.exec(&format!(
        "set -e\nmkdir -p '{own}'\necho '# theirs' >'{own}/hosts.toml'\nchmod 640 '{own}/hosts.toml'\n\
         chown guest:guest '{own}/hosts.toml' /node/etc/hosts\n\
         mount -t tmpfs tmpfs /sys/fs\nmkdir /sys/fs/selinux\ntouch /sys/fs/selinux/enforce\n\
         printf '#!/bin/sh\\necho \"$@\" >>/tmp/labels\\n' >/usr/local/sbin/chcon\nchmod +x /usr/local/sbin/chcon"
    ));
    let old = small.etc();
    let adopt = NodeProgram::apply(&plan(&trust(CA).with_adopt(true)));
    for program in [adopt, undo()] {
        small.well(&program);
        let told = small.sshd.exec("cat /tmp/labels; rm /tmp/labels");
        for (folder, name) in [(own, "hosts.toml"), ("/node/etc", "hosts")] {
            let line = format!("--reference={folder}/{name} {folder}/.kreg.docker-registry.new");
            assert!(told.lines().any(|one| one == line), "{line}: {told}");
        }
    }
    assert_eq!(small.etc(), old);
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn an_immutable_file() {
    let small = Small::start();
    for (path, during_apply) in [
        ("etc/hosts", true),
        ("etc/containerd", true),
        ("etc/hosts", false),
        ("etc/containerd/certs.d/docker-registry:5000", false),
        (
            "etc/containerd/certs.d/docker-registry:5000/hosts.toml",
            false,
        ),
    ] {
        small.fresh("512k");
        let old = small.etc();
        let (off, on) = (
            format!("chattr +i '/node/{path}'"),
            format!("chattr -i '/node/{path}'"),
        );
        if during_apply {
            small.sshd.exec(&off);
            let receipt = small.trust();
            assert!(!receipt.is_ok(), "{path}: {receipt}");
            assert!(receipt.to_string().contains("lsattr"), "{receipt}");
            let left = small.etc();
            let temp = left.iter().find(|seen| seen.0.contains("/.kreg."));
            assert!(temp.is_none(), "{path}: {temp:?}");
            small.sshd.exec(&on);
        }
        let receipt = small.trust();
        assert_eq!(receipt.state, State::Changed, "{path}: {receipt}");
        if !during_apply {
            small.sshd.exec(&off);
            let receipt = small.untrust();
            assert_eq!(receipt.state, State::Failed, "{path}: {receipt}");
            assert!(receipt.to_string().contains("lsattr"), "{receipt}");
            small.sshd.exec(&on);
        }
        small.well(&undo());
        assert_eq!(small.etc(), old, "{path}");
        assert!(small.journal_is_gone(), "{path}");
    }
}
