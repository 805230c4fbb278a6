//! Why something failed, typed: what was tried, and the facts. What to do next is for the program to say, in its own words.

mod certificates;
mod collection;
mod find;
mod intent;
mod issued;
mod material;
mod tunnel;
mod users;

use std::fmt::Display;

use kreg_nodes::AccessError;
use kreg_verify::{LoginError, VerifyError};

pub use self::certificates::CertificatesError;
pub use self::collection::CollectionError;
pub use self::find::{FindError, NotUp};
pub use self::intent::{DirectoryTaken, IntentError, NoAddress, NoNode, NoSuchNode};
pub use self::issued::IssuedError;
pub use self::material::MaterialError;
pub use self::tunnel::TunnelError;
pub use self::users::{CopiesError, UsersError};

/// The error of another crate below a step.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why something that this crate does failed. Each case says what was tried; its sources say why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not clear which registry is meant.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The registry is not up.
    #[error(transparent)]
    NotUp(#[from] NotUp),
    /// The registry cannot be put there as it is asked for.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// Certificates and passwords could not be decided on.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// A certificate that was issued elsewhere cannot serve.
    #[error(transparent)]
    Issued(#[from] IssuedError),
    /// No node can be made to trust the registry.
    #[error(transparent)]
    NoNode(#[from] NoNode),
    /// A node was asked for that is not in the cluster.
    #[error(transparent)]
    NoSuchNode(#[from] NoSuchNode),
    /// A node is to be reached by its address and has none.
    #[error(transparent)]
    NoAddress(#[from] NoAddress),
    /// The directory for images is another registry's.
    #[error(transparent)]
    DirectoryTaken(#[from] DirectoryTaken),
    /// A way to the nodes could not be prepared or retired.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A user was not changed.
    #[error(transparent)]
    Users(#[from] UsersError),
    /// The registry does not say whether it lets a user in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The cluster could not be read or changed.
    #[error("the cluster could not be read or changed")]
    Cluster(#[from] kreg_k8s::Error),
    /// Certificates were not replaced.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// Nothing was collected, or not all.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// The pull Secret was not shared.
    #[error(transparent)]
    Copies(#[from] CopiesError),
    /// No tunnel leads to the registry, or this machine's clients cannot use it.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// Nothing could be checked.
    #[error("cannot check anything at all")]
    Proof(#[from] VerifyError),
    /// This account may not take the startup taint off nodes.
    #[error("this user may not take the taint {taint} off nodes")]
    TaintRights {
        /// The taint's key.
        taint: String,
        /// What it lacks.
        source: Box<kreg_k8s::Error>,
    },
    /// The startup taint cannot be taken off a node that has proven its pull.
    #[error("{node} has proven its pull, but the taint {taint} cannot be taken off")]
    TaintStays {
        /// The node.
        node: String,
        /// The taint's key.
        taint: String,
        /// The cluster's answer.
        source: Box<kreg_k8s::Error>,
    },
    /// What is asked for needs Pods, and there is no cluster, only its objects.
    #[error("this needs a cluster that runs, and there are only objects")]
    NoCluster,
    /// A step failed for a reason that lies below it.
    #[error("{tried}")]
    Failed {
        /// What was tried.
        tried: String,
        /// What went wrong.
        source: BoxError,
    },
}

impl Error {
    /// Whether what was asked for is at fault. Nothing was changed then.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Error::Find(error) => error.is_input(),
            Error::Material(error) => error.is_input(),
            Error::Users(error) => error.is_input(),
            Error::Certificates(error) => error.is_input(),
            Error::Tunnel(error) => error.is_input(),
            Error::Intent(_)
            | Error::NoSuchNode(_)
            | Error::NoAddress(_)
            | Error::Collection(CollectionError::BarePod)
            | Error::Copies(_)
            | Error::Issued(_) => true,
            Error::Proof(error) => matches!(
                error,
                VerifyError::UnknownCheck { .. }
                    | VerifyError::NothingToCheck { .. }
                    | VerifyError::NoCheck
                    | VerifyError::NoSuchNode { .. }
            ),
            _ => false,
        }
    }
}

/// Says what was tried when another crate's function failed.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl Display) -> Result<T, Error>;
}

impl<T, E: Into<BoxError>> Tried<T> for Result<T, E> {
    fn tried(self, what: impl Display) -> Result<T, Error> {
        self.map_err(|source| Error::Failed {
            tried: what.to_string(),
            source: source.into(),
        })
    }
}
