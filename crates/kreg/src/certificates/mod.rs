//! The certificates of a registry that is up: what is held and served, a new leaf, a new CA.
//!
//! `keys` is where CAs and their keys are kept, `serving` what the registry shows to its clients and how it is given
//! something else, `holdings` all of it at once as the rotation's state machine needs it. `elsewhere` recognises
//! certificates that somebody else issued.

mod deed;
mod elsewhere;
mod holdings;
mod keys;
mod lint;
mod outlook;
mod renew;
mod rotation;
mod serving;
mod show;

use std::time::Duration;

use kreg_pki::San;

pub use self::deed::Deed;
pub use self::lint::{Linted, NOT_THE_ONE_HELD};
pub use self::outlook::Ahead;
pub use self::renew::Renewed;
pub use self::rotation::{Rotated, Rotation};
pub(crate) use self::serving::{handshake, required};
pub use self::show::{Shown, Whereabouts};
pub use crate::error::CertificatesError;
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
