//! Processes that bear a runtime's name and are not the node's own: they are not taken for it, not
//! run as root, and their environment is not read.
#![cfg(all(unix, feature = "ssh"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use common::sshd::Sshd;
use common::{CA, trust};
use kreg_nodes::{Fleet, NodeFacts, Vitals};
use testcontainers::ImageExt as _;

/// Waits; asked for anything, such as its version, it leaves a mark.
const PROGRAM: &str = "#include <fcntl.h>\n#include <unistd.h>\n\
    int main(int words, char **word) {\n  (void)word;\n  if (words == 1) pause();\n  \
    return close(open(\"/tmp/executed\", O_CREAT | O_WRONLY, 0644));\n}\n";

/// By the compiler that Rust links with.
fn compiled() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("main.c"), folder.path().join("main"));
    fs::write(&source, PROGRAM).unwrap();
    let ran = Command::new("cc")
        .args(["-static", "-o"])
        .args([&program, &source])
        .output()
        .expect("cc runs");
    assert!(ran.status.success(), "{ran:?}");
    fs::read(program).unwrap()
}

struct Bed {
    sshd: Sshd,
}

impl Bed {
    /// Its processes may have namespaces of their own. The program is at /srv/dockerd.
    fn start() -> Bed {
        let sshd = Sshd::start_as(|request| request.with_privileged(true));
        sshd.entered
            .feed("cat >/srv/dockerd && chmod 755 /srv/dockerd", &compiled());
        Bed { sshd }
    }

    /// What a probe sees while `command` runs, whether that ran the program, and the vitals.
    fn seen(&self, command: &str) -> (NodeFacts, bool, Vitals) {
        self.sshd.exec(&format!(
            "rm -f /tmp/executed\nsetsid {command} >/dev/null 2>&1 </dev/null &\n\
             n=0\nuntil pgrep -x dockerd >/dev/null; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done"
        ));
        let (ssh, nodes) = (self.sshd.ssh(), [self.sshd.node()]);
        let fleet = Fleet::new(&ssh);
        let facts = fleet.facts(&nodes, &trust(CA)).remove(0).1.unwrap();
        let vitals = fleet.vitals(&nodes, &trust(CA)).remove(0).1.unwrap();
        let told = self.sshd.exec(
            "pgrep -x dockerd >/dev/null && pkill -9 -x dockerd\n\
             while pgrep -x dockerd >/dev/null; do sleep 0.1; done\n\
             [ ! -e /tmp/executed ] || echo executed",
        );
        (facts, told.trim() == "executed", vitals)
    }
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn what_is_not_the_nodes_own_is_not_run() {
    let bed = Bed::start();
    let elsewhere = "sh -c 'mount -t tmpfs tmpfs /mnt && cp /srv/dockerd /mnt/ && exec env HTTP_PROXY=x /mnt/dockerd'";
    for (whose, command) in [
        (
            "a user's",
            "runuser -u guest -- env HTTP_PROXY=x /srv/dockerd".to_owned(),
        ),
        (
            "a container's",
            format!("unshare --mount --pid --fork {elsewhere}"),
        ),
        (
            "a container's that shares the node's processes",
            format!("unshare --mount {elsewhere}"),
        ),
        (
            "a user's who is root in a namespace",
            "unshare --user --map-root-user env HTTP_PROXY=x /srv/dockerd".to_owned(),
        ),
    ] {
        let (facts, executed, vitals) = bed.seen(&command);
        assert!(facts.program("dockerd").is_none(), "{whose}: {facts:?}");
        assert!(!executed, "{whose}");
        assert_eq!(vitals.runtimes, [], "{whose}");
    }
}

#[test]
#[ignore = "needs Docker with image kreg.test/sshd:12: run by cargo xtask test"]
fn the_nodes_own_is_and_tells_no_password() {
    let bed = Bed::start();
    let (facts, executed, vitals) = bed.seen(
        "env HTTPS_PROXY=user:secret@proxy:3128 http_proxy=http://u:p@ss@proxy:8080/ \
         https_proxy=a://b@proxy HTTP_PROXY=http://proxy NO_PROXY=a@b,10.0.0.0/8 /srv/dockerd",
    );
    assert!(facts.runs("dockerd") && executed, "{facts:?}");
    let told = [
        ("HTTPS_PROXY", "***@proxy:3128"),
        ("http_proxy", "http://***@proxy:8080/"),
        ("https_proxy", "***@proxy"),
        ("HTTP_PROXY", "http://proxy"),
        ("NO_PROXY", "a@b,10.0.0.0/8"),
    ];
    let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(vitals.runtimes[0].environment, BTreeMap::from(told));

    // A service may have mounts of its own: it counts by its file in a usual place.
    bed.sshd.exec("cp /srv/dockerd /usr/local/bin/dockerd");
    let (facts, ..) = bed.seen("unshare --mount /usr/local/bin/dockerd");
    assert!(facts.runs("dockerd"), "{facts:?}");
}
