//! A registry cannot be put there as it is asked for.

use std::path::PathBuf;

use kreg_nodes::{Receipt, StorageDir};

use crate::words::bullet_list;

/// Why a registry cannot be put there as it is asked for. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntentError {
    /// Where tenants make namespaces, one of them may have made this one, and reads what comes to lie in it.
    #[error(
        "namespace {namespace} is there already, and no registry of kreg's is recorded in it: the account that made it \
         may read the CA's key and the passwords that would lie there; nothing was changed"
    )]
    Namespace {
        /// Its name.
        namespace: String,
    },
    /// Nobody is to find the registry empty because something was not said that was said last time.
    #[error(
        "the registry keeps its images at `{before}`; at `{wanted}` it would have none of them; nothing was changed"
    )]
    OtherStorage {
        /// Where they are.
        before: String,
        /// Where it would look for them.
        wanted: String,
    },
    /// No keys of the S3 server are given, and the cluster holds none.
    #[error("images are to lie in S3, but no keys are given, and the cluster holds none")]
    NoS3Keys,
    /// The CA's key cannot be read.
    #[error("cannot read the CA's key {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// Why no node can be made to trust the registry.
#[derive(Debug, thiserror::Error)]
#[error(
    "no node can be made to trust the registry; nothing was changed:\n{}",
    bullet_list(.0)
)]
pub struct NoNode(
    /// Each node, and why.
    pub Vec<Receipt>,
);

/// A node is to be reached by its address and has none.
#[derive(Debug, thiserror::Error)]
#[error("node {0} has no InternalIP")]
pub struct NoAddress(
    /// Its name.
    pub String,
);

/// A node was asked for that is not in the cluster.
#[derive(Debug, thiserror::Error)]
#[error("there is no node {node} in this cluster")]
pub struct NoSuchNode {
    /// The name that was asked for.
    pub node: String,
    /// The names of the cluster's nodes.
    pub known: Vec<String>,
}

/// The directory is another registry's.
#[derive(Debug, thiserror::Error)]
#[error("the directory {directory} is another registry's:\n{}", bullet_list(.nodes))]
pub struct DirectoryTaken {
    /// The directory.
    pub directory: StorageDir,
    /// The nodes on which it is, and whose.
    pub nodes: Vec<Receipt>,
}
