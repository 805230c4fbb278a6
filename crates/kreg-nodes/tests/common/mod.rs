//! Nodes to try things on: a directory tree, and a container with a real sshd.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

#[cfg(any(feature = "ssh", feature = "daemonset"))]
pub mod entered;
#[cfg(feature = "ssh")]
pub mod sshd;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kreg_nodes::conformance::{Directory, NodeFiles as _, Seen};
use kreg_nodes::facts::{Found, FoundFile};
use kreg_nodes::{
    Answer, Fleet, InstanceId, LocalRoot, NameMode, Node, NodeFacts, NodePlan, NodeProgram,
    NodeTransport, Trust,
};
use tempfile::TempDir;

pub const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
pub const OTHER_CA: &str = "-----BEGIN CERTIFICATE-----\nMAs=\n-----END CERTIFICATE-----\n";

/// Shells that node programs must bear, beside whatever `sh` is here.
pub const SHELLS: [&[&str]; 4] = [
    &["dash"],
    &["busybox", "sh"],
    &["bash", "--posix"],
    &["bash"],
];

/// A directory that looks like a node with containerd.
pub struct Tree {
    dir: TempDir,
}

impl Tree {
    pub fn new() -> Tree {
        Tree::with_hosts(b"127.0.0.1 localhost\n::1 localhost\n")
    }

    pub fn with_hosts(hosts: &[u8]) -> Tree {
        // In memory if it can be: the programs wait for every file to reach the disk.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = dir.unwrap();
        let tree = Tree { dir };
        fs::create_dir_all(tree.at("/etc/containerd")).unwrap();
        fs::create_dir_all(tree.at("/var/lib")).unwrap();
        fs::write(tree.at("/etc/hosts"), hosts).unwrap();
        fs::write(
            tree.at("/etc/containerd/config.toml"),
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  \
             config_path = \"/etc/containerd/certs.d\"\n",
        )
        .unwrap();
        tree
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub fn local(&self) -> LocalRoot {
        LocalRoot::new(self.path())
    }
}

/// Kind, mode, owner and bytes of everything on a node, by path.
pub fn look(tree: &Tree) -> BTreeMap<String, String> {
    let files = Directory::new(tree.path()).tree("/").unwrap();
    let plain = |(path, seen): (String, Seen)| {
        let what = format!(
            "{:?} {:o} {} {} {}",
            seen.kind, seen.mode, seen.uid, seen.gid, seen.sha256
        );
        (path, what)
    };
    files.into_iter().map(plain).collect()
}

pub fn node() -> Node {
    Node::new("tree", "")
}

pub fn instance() -> InstanceId {
    InstanceId::new("docker-registry").unwrap()
}

/// Trust that needs every kind of edit: containerd's files, Docker's, and a line in hosts.
pub fn trust(ca: &str) -> Trust {
    let host = "docker-registry:5000".parse().unwrap();
    Trust::new(instance(), host, ca)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
        .with_names(NameMode::HostsFile)
        .with_docker_certs_d(true)
}

/// The plan for `trust` on a node where kreg has written nothing.
pub fn plan(trust: &Trust) -> NodePlan {
    let tree = Tree::new();
    let local = tree.local();
    let mut outcomes = Fleet::new(&local).plan(&[node()], trust);
    outcomes.remove(0).result.unwrap()
}

/// Runs a program and reads its answer, with or without success.
pub fn answer(transport: &dyn NodeTransport, node: &Node, program: &NodeProgram) -> Answer {
    let limit = std::time::Duration::from_secs(60);
    let output = transport.run(node, program.script(), limit).unwrap();
    Answer::read(&output).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// A plan that restarts containerd, whose configuration is this or is not there.
pub fn restart_plan(config: Option<&str>) -> NodePlan {
    let mut facts = NodeFacts::default();
    facts
        .programs
        .entry("containerd".to_owned())
        .or_default()
        .running = true;
    if let Some(text) = config {
        let file = FoundFile {
            content: text.as_bytes().to_vec(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: 0,
        };
        let path = "/etc/containerd/config.toml".to_owned();
        facts.found.insert(path, Found::File(file));
    }
    NodePlan::decide(&facts, &trust(CA).with_restart(true)).unwrap()
}
