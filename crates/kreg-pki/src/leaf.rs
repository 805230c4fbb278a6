//! A server certificate together with its key.

use std::fmt;

use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

use crate::{Certificate, Error, PrivateKey, San};

/// What the registry serves: certificate chain and private key, which belong
/// together by construction.
pub struct Leaf {
    chain: Vec<Certificate>,
    key: PrivateKey,
}

impl Leaf {
    /// Reads a chain and its key, as from a `kubernetes.io/tls` Secret. The
    /// certificates may come in any order: the one that belongs to the key
    /// goes first, each one's issuer follows, strangers are left out.
    ///
    /// # Errors
    /// [`Error::Pem`], [`Error::Certificate`] or [`Error::Key`] if a part
    /// cannot be read, [`Error::KeyMismatch`] if they do not belong together.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let key = PrivateKey::from_pem(key, "the leaf key")?;
        let found = Certificate::all_from_pem(chain, "the certificate chain")?;
        Ok(Self {
            chain: order(found, &key, "the certificate chain")?,
            key,
        })
    }

    /// Of parts that are known to fit.
    pub(crate) fn new(chain: Vec<Certificate>, key: PrivateKey) -> Self {
        Self { chain, key }
    }

    pub(crate) fn into_parts(self) -> (Vec<Certificate>, PrivateKey) {
        (self.chain, self.key)
    }

    /// The server's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        // Both constructors put at least one there.
        &self.chain[0]
    }

    /// The server's certificate first, then what links it to the authority.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The chain as PEM, for `tls.crt`.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(Certificate::to_pem).collect()
    }

    /// The key as PKCS #8 PEM, for `tls.key`.
    #[must_use]
    pub fn key_pem(&self) -> &SecretString {
        self.key.to_pem()
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// See [`Certificate::covers`].
    #[must_use]
    pub fn covers(&self, endpoint: &San) -> bool {
        self.certificate().covers(endpoint)
    }

    /// See [`Certificate::needs_renewal`].
    #[must_use]
    pub fn needs_renewal(&self, now: OffsetDateTime, threshold: Duration) -> bool {
        self.certificate().needs_renewal(now, threshold)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("chain", &self.chain)
            .field("key", &self.key)
            .finish()
    }
}

/// The chain of `key` out of `found`: owner first, then issuer by issuer.
pub(crate) fn order(
    mut found: Vec<Certificate>,
    key: &PrivateKey,
    what: &str,
) -> Result<Vec<Certificate>, Error> {
    let first = found
        .iter()
        .position(|certificate| certificate.belongs_to(key))
        .ok_or_else(|| Error::KeyMismatch {
            what: what.to_owned(),
        })?;
    let mut chain = vec![found.swap_remove(first)];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let Some(next) = found.iter().position(|other| last.is_issued_by(other)) else {
            break;
        };
        chain.push(found.swap_remove(next));
    }
    Ok(chain)
}
