//! The certificates of a registry that is up: what is held and served, a new leaf, a new CA.
//!
//! `keys` is where CAs and their keys are kept, `serving` what the registry shows to its clients and how it is given
//! something else, `holdings` all of it at once as the rotation's state machine needs it.

mod deed;
mod holdings;
mod keys;
mod lint;
mod outlook;
mod renew;
mod rotation;
mod serving;

use std::time::Duration;

use kreg_k8s::{Names, RegistryState};
use kreg_pki::San;

pub use self::deed::Deed;
pub use self::lint::{Linted, Served};
pub use self::outlook::Ahead;
pub use self::renew::{Renewal, Renewed};
pub use self::rotation::{Rotated, Rotation};
pub use self::serving::Seen;
pub(crate) use self::serving::{required, seen as handshake};
pub use crate::error::CertificatesError;
use crate::error::Error;
use crate::intent::KeyLocation;
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
