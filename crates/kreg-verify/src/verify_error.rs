//! Why a verification cannot begin.

use std::error::Error;
use std::fmt;

use kreg_registry::{NameError, TrustError};

use crate::image::ProbeError;

/// Why nothing could be checked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A check was selected that does not exist.
    #[error("there is no check `{name}`; there are: {known}")]
    UnknownCheck {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A check was asked for that has nothing to be put to.
    #[error("check `{name}` was asked for, and nothing can be put to it: {why}")]
    NothingToCheck {
        /// The name as given.
        name: String,
        /// What it lacks.
        why: Lack,
    },
    /// Nothing is left of all checks.
    #[error("every check was left out, so nothing would be shown; skip fewer")]
    NoCheck,
    /// Nodes were named, and the cluster has none of them.
    #[error("no node of this cluster is called {names}; its nodes are {known}")]
    NoSuchNode {
        /// The names as given.
        names: String,
        /// The names there are.
        known: String,
    },
    /// The CA bundle is unusable.
    #[error("the CA of registry {registry} cannot be used")]
    Trust {
        /// Which registry.
        registry: String,
        /// Why.
        source: TrustError,
    },
    /// The nodes could not be listed.
    #[error("cannot list the cluster's nodes; is the API server up, and may this user list nodes?")]
    Nodes(#[source] Box<dyn Error + Send + Sync>),
    /// No probe image.
    #[error("cannot build the probe image")]
    Image(#[source] ProbeError),
    /// The names of the probe image are not valid.
    #[error("cannot name the probe image")]
    Name(#[source] NameError),
}

/// What a check that was asked for lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lack {
    /// No further users were given.
    Users,
    /// No stored certificate was given.
    StoredCertificate,
    /// Nothing that was read on nodes was given.
    NodeFiles,
    /// No node was given to start a Pod on.
    Node,
    /// It clears up after other checks, and none of those was asked for.
    OtherChecks,
    /// It is to be skipped, too.
    Skipped,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lack::Users => "no further users were given",
            Lack::StoredCertificate => "no stored certificate was given",
            Lack::NodeFiles => "nothing was read on nodes",
            Lack::Node => "there is no node to start a Pod on",
            Lack::OtherChecks => {
                "it clears up after others, whichever they are; ask for one of those"
            }
            Lack::Skipped => "it is to be skipped, too",
        })
    }
}
