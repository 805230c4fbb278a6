//! The certificates of a registry that is up: what is held and served, a new leaf, a new CA.
//!
//! [`keys`] is where CAs and their keys are kept, [`serving`] what the registry shows to its clients and how it is given
//! something else, [`holdings`] all of it at once as the rotation's state machine needs it.

mod deed;
mod holdings;
mod keys;
mod lint;
mod outlook;
mod renew;
mod rotation;
mod serving;

use std::path::PathBuf;
use std::time::Duration;

use kreg_k8s::{Names, ObjectRef, RegistryState};
use kreg_nodes::Receipt;
use kreg_pki::San;

pub use self::deed::Deed;
pub use self::lint::{Linted, Served};
pub use self::outlook::Ahead;
pub use self::renew::{Renewal, Renewed};
pub use self::rotation::{Rotated, Rotation};
pub use self::serving::Seen;
pub(crate) use self::serving::{required, seen as handshake};
use crate::error::Error;
use crate::intent::KeyLocation;
use crate::nodes::bullet_list;
use crate::prove::Proof;
use crate::registry::Registry;

/// The certificates of a registry, and what new ones are to be like.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Certificates<'a> {
    registry: &'a Registry,
    /// Where the CA's private key is kept. During a rotation `FILE.old` and `FILE.new` are beside a file.
    pub key: KeyLocation,
    /// Names and addresses that a leaf covers besides its own.
    pub sans: Vec<San>,
    /// For how many days a leaf is issued.
    pub leaf_days: Option<u32>,
    /// For how many days a CA is made.
    pub ca_days: Option<u32>,
    /// The longest that any single wait may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registry").field(self.place()).finish()
    }
}

/// Where a CA's private key was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// In a Secret that no Pod mounts.
    InCluster,
    /// With an operator, in a file.
    Outside,
    /// There is none: the certificate is its own anchor.
    None,
}

/// Why certificates were not replaced. What was served goes on being served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// The tutorial's certificate is its own anchor.
    #[error("the tutorial profile has no CA: its certificate vouches for itself")]
    NoAuthority,
    /// The Secret of a rotation is not complete. Nothing was changed.
    #[error("{secret} has no {lacks}")]
    HalfRotation {
        /// The Secret.
        secret: Box<ObjectRef>,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The key that signs is that of a third CA. Nothing was changed.
    #[error("the CA's key is neither the old one's nor the new one's")]
    StrangeKey,
    /// A CA has no key here.
    #[error("there is no key for {0}")]
    NoKeyFor(
        /// The CA's subject.
        String,
    ),
    /// The file that should hold the key does not.
    #[error("there is no private key of the CA in {}", .0.display())]
    NoKeyInFile(
        /// The file.
        PathBuf,
    ),
    /// The key is not in the cluster.
    #[error("the CA's private key is not in the cluster")]
    NoKeyInCluster,
    /// The file with the key cannot be read.
    #[error("cannot read the CA's key {}", file.display())]
    KeyFile {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A rotation is over, and a key that nobody needs is left.
    #[error("cannot remove {}", file.display())]
    KeyFileLeft {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A handshake gave no certificate.
    #[error("the registry shows no certificate")]
    NothingServed,
    /// The registry did not take the new certificate up.
    #[error("the cluster holds the new certificate, but the registry still serves {0}")]
    StillServed(
        /// Fingerprint of the one that it serves.
        String,
    ),
    /// There is no Pod.
    #[error("there is no registry that could be restarted")]
    NoWorkload,
    /// Some nodes do not trust the new certificate, so the registry keeps the one it has. Every node goes on pulling.
    #[error(
        "not every node trusts the new certificate, so the registry keeps the one it has; every node goes on \
         pulling:\n{}",
        bullet_list(.0)
    )]
    NotTrusted(
        /// The nodes, and why.
        Vec<Receipt>,
    ),
    /// Some nodes do not trust a CA, so the registry keeps the certificate it has. Every node goes on pulling.
    #[error(
        "{} not trust {authority} yet, so the registry keeps the certificate it has; every node goes on pulling:\n{}",
        if nodes.len() == 1 { "1 node does".to_owned() } else { format!("{} nodes do", nodes.len()) },
        nodes.join("\n")
    )]
    Behind {
        /// A line for each node, and why.
        nodes: Vec<String>,
        /// The CA.
        authority: String,
    },
    /// The proof after a step does not hold, so the old CA stays trusted.
    #[error("the proof does not hold")]
    Unproven(Box<Proof>),
    /// More steps than any rotation has: somebody else works on it too.
    #[error("the rotation did not come to its end")]
    Endless,
}

impl CertificatesError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        use CertificatesError as E;
        matches!(self, E::NoAuthority | E::NoKeyInFile(_) | E::KeyFile { .. })
    }
}

impl Registry {
    /// Its certificates. `timeout` is the longest that any single wait may take.
    #[must_use]
    pub fn certificates(&self, key: KeyLocation, timeout: Duration) -> Certificates<'_> {
        Certificates {
            registry: self,
            key,
            sans: Vec::new(),
            leaf_days: None,
            ca_days: None,
            timeout,
        }
    }
}

impl Certificates<'_> {
    /// The chain as served, and what a strict client has against it. `bundle_pem` is what it trusts.
    ///
    /// # Errors
    /// [`Error::Failed`] if no handshake comes about.
    pub async fn served(&self, bundle_pem: &str) -> Result<Seen, Error> {
        serving::seen(self.registry, bundle_pem).await
    }

    /// Whether two CAs are kept, of a rotation that is not at its end.
    ///
    /// # Errors
    /// [`Error::Cluster`] where that cannot be read.
    pub async fn is_rotating(&self) -> Result<bool, Error> {
        keys::is_rotating(self.registry).await
    }

    /// Where the CA's private key is.
    #[must_use]
    pub fn whereabouts(&self, state: &RegistryState) -> Whereabouts {
        match (Names::of(self.registry.place()).ca, &state.ca_key_pem) {
            (None, _) => Whereabouts::None,
            (Some(_), Some(_)) => Whereabouts::InCluster,
            (Some(_), None) => Whereabouts::Outside,
        }
    }
}
