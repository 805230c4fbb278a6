//! What every [`NodeTransport`] and every [`NodeAccess`] must do, checked on a real node.
//!
//! A backend of your own passes [`check`], and a way of your own [`check_access`], or the promises of
//! this crate do not hold with it. The node is one for tests: the suite replaces its `/etc/hosts`, its
//! containerd configuration and its directories for registries.
//!
//! ```no_run
//! use kreg_nodes::conformance::{self, Directory};
//! use kreg_nodes::{LocalRoot, Node};
//!
//! let transport = LocalRoot::new("/tmp/node");
//! let broken = conformance::check(&transport, &Node::new("node", ""), &Directory::new("/tmp/node"));
//! assert!(broken.is_empty(), "{broken:#?}");
//! ```

mod access;
mod bed;
mod files;
mod guard;
mod run;
mod trust;
mod undo;

use std::fmt;

pub use files::{Directory, NodeFiles, Seen, SeenKind, Tree};

use self::bed::{Bed, Instead, Promise};
use crate::{Node, NodeAccess, NodeTransport};

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

/// Checks every promise of a transport on `node`, which `transport` reaches and `files` looks at by
/// other means. Gives those that were not kept: none, if all is well.
///
/// Scripts must run there as root, or below a `KREG_ROOT` that they may write to. Takes from
/// some seconds to a minute.
#[must_use]
pub fn check(transport: &dyn NodeTransport, node: &Node, files: &dyn NodeFiles) -> Vec<Broken> {
    let alone = Alone {
        transport,
        nodes: [node.clone()],
    };
    let bed = Bed {
        access: &alone,
        node,
        files,
    };
    broken(&bed, &of_transports())
}

/// Checks every promise of a way to the nodes, and those of its transport. `access` must have one
/// node, which `files` looks at by other means. Else as [`check`].
#[must_use]
pub fn check_access(access: &dyn NodeAccess, files: &dyn NodeFiles) -> Vec<Broken> {
    let [node] = access.nodes() else {
        return vec![Broken {
            promise: "the suite is given one node",
            instead: format!("it was given {}", access.nodes().len()),
        }];
    };
    let bed = Bed {
        access,
        node,
        files,
    };
    // What the others work with is put on the node first.
    broken(&bed, &[access::PROMISES.to_vec(), of_transports()].concat())
}

fn of_transports() -> Vec<Promise> {
    [
        run::PROMISES,
        trust::PROMISES,
        undo::PROMISES,
        guard::PROMISES,
    ]
    .concat()
}

fn broken(bed: &Bed<'_>, promises: &[Promise]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for &(promise, kept) in promises {
        tracing::debug!(promise, "checking");
        if let Err(Instead(instead)) = bed.clean().and_then(|()| kept(bed)) {
            broken.push(Broken { promise, instead });
        }
    }
    if let Err(Instead(instead)) = bed.clean() {
        let promise = "the node can be cleaned after all";
        broken.push(Broken { promise, instead });
    }
    broken
}

/// A transport as a way that does no more than it must.
struct Alone<'a> {
    transport: &'a dyn NodeTransport,
    nodes: [Node; 1],
}

impl NodeAccess for Alone<'_> {
    fn name(&self) -> &'static str {
        "transport"
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn transport(&self) -> &dyn NodeTransport {
        self.transport
    }
}
