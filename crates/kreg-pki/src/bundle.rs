//! The certificates that clients are told to trust: `ca.crt`.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{Certificate, Error, blocks};

/// A set of trusted certificates in a fixed order, without repetition and
/// never with a private key.
///
/// ```
/// # use kreg_pki::{Authority, AuthorityRequest};
/// # let old = Authority::generate(&AuthorityRequest::new("a"))?;
/// # let new = Authority::generate(&AuthorityRequest::new("a"))?;
/// let overlap = old.bundle().union(&new.bundle());
/// assert_eq!(overlap.len(), 2);
/// assert_eq!(overlap.union(&old.bundle()), overlap);
/// # Ok::<(), kreg_pki::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TrustBundle {
    certificates: Vec<Certificate>,
}

impl TrustBundle {
    /// A bundle of these certificates, the first of equal ones kept.
    #[must_use]
    pub fn new(certificates: impl IntoIterator<Item = Certificate>) -> Self {
        let mut bundle = Self::default();
        for certificate in certificates {
            if !bundle.certificates.contains(&certificate) {
                bundle.certificates.push(certificate);
            }
        }
        bundle
    }

    /// Reads every certificate of `pem`, whatever text, byte order marks or
    /// line ends surround the blocks. `what` names the source in messages.
    ///
    /// # Errors
    /// [`Error::PrivateKeyInBundle`] before anything else, because the file is
    /// meant to be copied around; [`Error::Pem`] if a block is damaged or
    /// none is there; [`Error::Certificate`] if one is not X.509.
    pub fn from_pem(pem: impl AsRef<[u8]>, what: &str) -> Result<Self, Error> {
        let text = pem.as_ref();
        let has_key = blocks::parse(text, what)?
            .iter()
            .any(|block| blocks::is_private_key(block.label()));
        if has_key {
            return Err(Error::PrivateKeyInBundle {
                what: what.to_owned(),
            });
        }
        Certificate::all_from_pem(text, what).map(Self::new)
    }

    /// One PEM block per certificate, each with a final newline, nothing else:
    /// safe to append to, and the same bytes for the same bundle.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.certificates.iter().map(Certificate::to_pem).collect()
    }

    /// The certificates in order.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Number of certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Whether this very certificate is in it.
    #[must_use]
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.certificates.contains(certificate)
    }

    /// Everything of both: first this one's, then what only `other` has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.certificates.iter().chain(&other.certificates).cloned())
    }

    /// What this one has and `other` has not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let only_here = |certificate: &&Certificate| !other.contains(certificate);
        Self::new(self.certificates.iter().filter(only_here).cloned())
    }

    /// Those that issued a certificate of `chain`, in order. The others may end without any harm to
    /// it, such as an old CA during a rotation.
    pub fn issuers_of(&self, chain: &[Certificate]) -> impl Iterator<Item = &Certificate> {
        let issued = |root: &&Certificate| chain.iter().any(|one| one.is_issued_by(root));
        self.certificates.iter().filter(issued)
    }

    /// SHA-256 of each certificate, as [`Certificate::fingerprint`].
    #[must_use]
    pub fn fingerprints(&self) -> Vec<&str> {
        self.certificates
            .iter()
            .map(Certificate::fingerprint)
            .collect()
    }

    /// SHA-256 of [`TrustBundle::to_pem`], 64 lower case hex digits: what
    /// `sha256sum ca.crt` prints on a node that holds the bundle.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.to_pem()))
    }
}

impl From<Certificate> for TrustBundle {
    fn from(certificate: Certificate) -> Self {
        Self::new([certificate])
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.certificates).finish()
    }
}
