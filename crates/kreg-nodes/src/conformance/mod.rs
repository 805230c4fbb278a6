//! What every [`NodeTransport`] must do, checked on a real node.
//!
//! A backend of your own passes [`check`], or kreg's promises do not hold with it. The node is
//! one for tests: the suite replaces its `/etc/hosts`, its containerd configuration and its
//! directories for registries.
//!
//! ```no_run
//! use kreg_nodes::conformance::{self, Directory};
//! use kreg_nodes::{LocalRoot, Node};
//!
//! let transport = LocalRoot::new("/tmp/node");
//! let broken = conformance::check(&transport, &Node::new("node", ""), &Directory::new("/tmp/node"));
//! assert!(broken.is_empty(), "{broken:#?}");
//! ```

mod files;
mod guard;
mod run;
mod trust;
mod undo;

use std::fmt;
use std::time::Duration;

pub use files::{Directory, NodeFiles, Seen, SeenKind, Tree};

use crate::hosts_file::HOSTS;
use crate::instance::JOURNALS;
use crate::{
    Answer, Fleet, InstanceId, NameMode, Node, NodePlan, NodeProgram, NodeTransport, Output,
    Receipt, TransportError, Trust,
};

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Broken {
    /// The promise, in words.
    pub promise: &'static str,
    /// What happened instead.
    pub instead: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.instead)
    }
}

/// Checks every promise on `node`, which `transport` reaches and `files` looks at by other
/// means. Gives those that were not kept: none, if all is well.
///
/// Scripts must run there as root, or below a `KREG_ROOT` that they may write to. Takes from
/// some seconds to a minute.
#[must_use]
pub fn check(transport: &dyn NodeTransport, node: &Node, files: &dyn NodeFiles) -> Vec<Broken> {
    let bed = Bed {
        transport,
        node,
        files,
    };
    let mut broken = Vec::new();
    for (promise, kept) in [
        run::PROMISES,
        trust::PROMISES,
        undo::PROMISES,
        guard::PROMISES,
    ]
    .concat()
    {
        tracing::debug!(promise, "checking");
        if let Err(Instead(instead)) = bed.clean().and_then(|()| kept(&bed)) {
            broken.push(Broken { promise, instead });
        }
    }
    if let Err(Instead(instead)) = bed.clean() {
        let promise = "the node can be cleaned after all";
        broken.push(Broken { promise, instead });
    }
    broken
}

/// A promise in words, and whether it is kept.
type Promise = (&'static str, fn(&Bed<'_>) -> Kept);

type Kept = Result<(), Instead>;

/// What happened instead of what was promised.
#[derive(Debug)]
struct Instead(String);

impl<E: std::error::Error> From<E> for Instead {
    fn from(error: E) -> Instead {
        Instead(error.to_string())
    }
}

/// That `condition` holds; if not, `instead` says what does.
fn ensure(condition: bool, instead: impl FnOnce() -> String) -> Kept {
    match condition {
        true => Ok(()),
        false => Err(Instead(instead())),
    }
}

const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
const OTHER_CA: &str = "-----BEGIN CERTIFICATE-----\nMAs=\n-----END CERTIFICATE-----\n";
const CONFIG: &str = "/etc/containerd/config.toml";
const CONFIG_TEXT: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  \
                           config_path = \"/etc/containerd/certs.d\"\n";
/// No newline at its end, on purpose.
const HOSTS_TEXT: &str = "127.0.0.1 localhost\n# a comment\n10.1.2.3 other";
const CONTAINERD_CA: &str = "/etc/containerd/certs.d/docker-registry:5000/ca.crt";
const HOSTS_TOML: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";
const DOCKER_CA: &str = "/etc/docker/certs.d/docker-registry:5000/ca.crt";
const JOURNAL: &str = "/var/lib/kreg/kreg-conformance";

/// Every file that the suite's trust is made of.
const WRITTEN: [&str; 4] = [CONTAINERD_CA, DOCKER_CA, HOSTS, HOSTS_TOML];

struct Bed<'a> {
    transport: &'a dyn NodeTransport,
    node: &'a Node,
    files: &'a dyn NodeFiles,
}

impl Bed<'_> {
    /// The node as before kreg: containerd looks in its usual directory, which is not there.
    fn clean(&self) -> Kept {
        for path in [JOURNALS, "/etc/containerd/certs.d", "/etc/docker/certs.d"] {
            self.files.remove(path)?;
        }
        self.files.write(CONFIG, CONFIG_TEXT.as_bytes())?;
        self.files.write(HOSTS, HOSTS_TEXT.as_bytes())?;
        Ok(())
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        Fleet::new(self.transport)
    }

    fn nodes(&self) -> [Node; 1] {
        [self.node.clone()]
    }

    fn run(&self, script: &str, seconds: u64) -> Result<Output, TransportError> {
        let limit = Duration::from_secs(seconds);
        self.transport.run(self.node, script, limit)
    }

    fn answer(&self, script: &str) -> Result<Answer, Instead> {
        Ok(Answer::read(&self.run(script, 60)?)?)
    }

    fn apply(&self, trust: &Trust) -> Result<Receipt, Instead> {
        one(self.fleet().trust(&self.nodes(), trust, &|_| {}))
    }

    fn status(&self, trust: &Trust) -> Result<Receipt, Instead> {
        one(self.fleet().status(&self.nodes(), trust))
    }

    fn undo(&self) -> Result<Receipt, Instead> {
        one(self.fleet().untrust(&self.nodes(), &instance()?, &|_| {}))
    }

    /// The script that brings the node to `trust`.
    fn program(&self, trust: &Trust) -> Result<String, Instead> {
        let outcome = one(self.fleet().plan(&self.nodes(), trust))?;
        let plan: NodePlan = outcome
            .result
            .map_err(|receipt| Instead(receipt.to_string()))?;
        Ok(NodeProgram::apply(&plan).script().to_owned())
    }

    fn read(&self, path: &str) -> Result<Option<String>, Instead> {
        let bytes = self.files.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Everything that kreg could have touched.
    fn look(&self) -> Result<Tree, Instead> {
        let mut tree = self.files.tree("/etc")?;
        tree.extend(self.files.tree(JOURNALS)?);
        Ok(tree)
    }
}

fn instance() -> Result<InstanceId, Instead> {
    Ok(InstanceId::new("kreg-conformance")?)
}

/// Trust that needs every kind of edit.
fn trust_in(ca: &str) -> Result<Trust, Instead> {
    let host = "docker-registry:5000".parse()?;
    let trust = Trust::new(instance()?, host, ca)?
        .with_endpoint(std::net::Ipv4Addr::new(10, 96, 0, 50).into())
        .with_names(NameMode::HostsFile)
        .with_docker_certs_d(true);
    Ok(trust)
}

fn one<T>(mut all: Vec<T>) -> Result<T, Instead> {
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Instead("not one result for one node".to_owned())),
    }
}

/// The paths that differ between two looks, and how; `times` says whether mtimes count.
fn difference(before: &Tree, after: &Tree, times: bool) -> Vec<String> {
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
