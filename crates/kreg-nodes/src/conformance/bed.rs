//! The node that a suite works on, and how it is looked at.

use std::time::Duration;

use super::files::{NodeFiles, Seen, Tree};
use crate::hosts_file::HOSTS;
use crate::instance::JOURNALS;
use crate::{
    Answer, InstanceId, NameMode, Node, NodeAccess, NodePlan, NodeProgram, NodeTransport, Output,
    Receipt, TransportError, Trust,
};

/// A promise in words, and whether it is kept.
pub(super) type Promise = (&'static str, fn(&Bed<'_>) -> Kept);

pub(super) type Kept = Result<(), Instead>;

/// What happened instead of what was promised.
#[derive(Debug)]
pub(super) struct Instead(pub(super) String);

impl<E: std::error::Error> From<E> for Instead {
    fn from(error: E) -> Instead {
        Instead(error.to_string())
    }
}

/// That `condition` holds; if not, `instead` says what does.
pub(super) fn ensure(condition: bool, instead: impl FnOnce() -> String) -> Kept {
    match condition {
        true => Ok(()),
        false => Err(Instead(instead())),
    }
}

pub(super) const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
pub(super) const OTHER_CA: &str = "-----BEGIN CERTIFICATE-----\nMAs=\n-----END CERTIFICATE-----\n";
pub(super) const CONFIG: &str = "/etc/containerd/config.toml";
pub(super) const CONFIG_TEXT: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  \
                           config_path = \"/etc/containerd/certs.d\"\n";
/// No newline at its end, on purpose.
pub(super) const HOSTS_TEXT: &str = "127.0.0.1 localhost\n# a comment\n10.1.2.3 other";
pub(super) const CONTAINERD_CA: &str = "/etc/containerd/certs.d/docker-registry:5000/ca.crt";
pub(super) const HOSTS_TOML: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";
pub(super) const DOCKER_CA: &str = "/etc/docker/certs.d/docker-registry:5000/ca.crt";
pub(super) const JOURNAL: &str = "/var/lib/kreg/kreg-conformance";

/// Every file that the suite's trust is made of.
pub(super) const WRITTEN: [&str; 4] = [CONTAINERD_CA, DOCKER_CA, HOSTS, HOSTS_TOML];

/// What a suite works on: a way to one node, and the node's files by other means.
pub(super) struct Bed<'a> {
    pub(super) access: &'a dyn NodeAccess,
    pub(super) node: &'a Node,
    pub(super) files: &'a dyn NodeFiles,
}

impl Bed<'_> {
    /// The node as before kreg: containerd looks in its usual directory, which is not there.
    pub(super) fn clean(&self) -> Kept {
        for path in [JOURNALS, "/etc/containerd/certs.d", "/etc/docker/certs.d"] {
            self.files.remove(path)?;
        }
        self.files.write(CONFIG, CONFIG_TEXT.as_bytes())?;
        self.files.write(HOSTS, HOSTS_TEXT.as_bytes())?;
        Ok(())
    }

    pub(super) fn transport(&self) -> &dyn NodeTransport {
        self.access.transport()
    }

    pub(super) fn run(&self, script: &str, seconds: u64) -> Result<Output, TransportError> {
        let limit = Duration::from_secs(seconds);
        self.transport().run(self.node, script, limit)
    }

    pub(super) fn answer(&self, script: &str) -> Result<Answer, Instead> {
        Ok(Answer::read(&self.run(script, 60)?)?)
    }

    pub(super) fn apply(&self, trust: &Trust) -> Result<Receipt, Instead> {
        one(self.access.trust(trust))
    }

    pub(super) fn status(&self, trust: &Trust) -> Result<Receipt, Instead> {
        one(self.access.status(trust))
    }

    pub(super) fn undo(&self) -> Result<Receipt, Instead> {
        one(self.access.untrust(&instance()?))
    }

    /// The script that brings the node to `trust`.
    pub(super) fn program(&self, trust: &Trust) -> Result<String, Instead> {
        let outcome = one(self.access.plan(trust))?;
        let plan: NodePlan = outcome
            .result
            .map_err(|receipt| Instead(receipt.to_string()))?;
        Ok(NodeProgram::apply(&plan).script().to_owned())
    }

    pub(super) fn read(&self, path: &str) -> Result<Option<String>, Instead> {
        let bytes = self.files.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Everything that kreg could have touched.
    pub(super) fn look(&self) -> Result<Tree, Instead> {
        let mut tree = self.files.tree("/etc")?;
        tree.extend(self.files.tree(JOURNALS)?);
        Ok(tree)
    }
}

pub(super) fn instance() -> Result<InstanceId, Instead> {
    Ok(InstanceId::new("kreg-conformance")?)
}

/// Trust that needs every kind of edit.
pub(super) fn trust_in(ca: &str) -> Result<Trust, Instead> {
    let host = "docker-registry:5000".parse()?;
    let trust = Trust::new(instance()?, host, ca)?
        .with_endpoint(std::net::Ipv4Addr::new(10, 96, 0, 50).into())
        .with_names(NameMode::HostsFile)
        .with_docker_certs_d(true);
    Ok(trust)
}

pub(super) fn one<T>(mut all: Vec<T>) -> Result<T, Instead> {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Instead("not one result for one node".to_owned())),
    }
}

/// The paths that differ between two looks, and how; `times` says whether mtimes count.
pub(super) fn difference(before: &Tree, after: &Tree, times: bool) -> Vec<String> {
    let same = |path: &str, a: &Seen, b: &Seen| {
        // The lock may be made there and removed again.
        let times = times && path != JOURNALS;
        (a.kind, a.mode, a.uid, a.gid, &a.sha256) == (b.kind, b.mode, b.uid, b.gid, &b.sha256)
            && (!times || a.modified == b.modified)
    };
    let mut found = Vec::new();
    for (path, old) in before {
        match after.get(path) {
            None => found.push(format!("{path} is gone")),
            Some(new) if !same(path, old, new) => {
                found.push(format!("{path}: {old:?} became {new:?}"))
            }
            Some(_) => {}
        }
    }
    let new = after.keys().filter(|path| !before.contains_key(*path));
    found.extend(new.map(|path| format!("{path} is new")));
    found
}
