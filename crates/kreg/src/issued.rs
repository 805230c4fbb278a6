//! A certificate that was issued elsewhere: by a company's CA, or by cert-manager.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use kreg_auth::{ExposeSecret as _, SecretString};
use kreg_k8s::{Kind, Object, ObjectRef, secret};
use kreg_pki::lint::{Finding, Lint, Severity};
use kreg_pki::{External, Issuer, LeafRequest, San};
use time::OffsetDateTime;

use crate::error::{Error, IssuedError, Tried as _};
use crate::registry::Registry;

/// Where the certificate is that was issued elsewhere.
#[derive(Clone)]
#[non_exhaustive]
pub enum Issued {
    /// Here.
    Pem {
        /// The chain, leaf first.
        chain: Vec<u8>,
        /// The leaf's private key.
        key: SecretString,
        /// The CA certificates that clients are to trust; without them the chain must reach its root.
        ca: Option<Vec<u8>>,
    },
    /// In a Secret of type `kubernetes.io/tls` with the keys `tls.crt`, `tls.key` and `ca.crt`, as cert-manager writes it.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// Without what is in files: a key may stand beside a chain.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem { .. } => f.write_str("Pem { .. }"),
            Self::Secret { namespace, name } => write!(f, "Secret {namespace}/{name}"),
        }
    }
}

impl Issued {
    /// Reads it from files: the chain, its key, and the CA certificates, all PEM.
    ///
    /// # Errors
    /// [`IssuedError::Unreadable`] and [`IssuedError::NotText`].
    pub fn read(chain: &Path, key: &Path, ca: Option<&Path>) -> Result<Self, IssuedError> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|source| IssuedError::Unreadable {
                path: file.to_owned(),
                source,
            })
        };
        let text = String::from_utf8(read(key)?).map_err(|source| IssuedError::NotText {
            path: key.to_owned(),
            source,
        })?;
        Ok(Self::Pem {
            chain: read(chain)?,
            key: text.into(),
            ca: ca.map(read).transpose()?,
        })
    }
}

/// `NAMESPACE/NAME` of a Secret.
impl FromStr for Issued {
    type Err = IssuedError;

    fn from_str(text: &str) -> Result<Self, IssuedError> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self::Secret {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(IssuedError::NoName(text.to_owned())),
        }
    }
}

impl Registry {
    /// Reads the certificate, wherever it is, and judges it as every client would that reaches the registry by `sans`.
    pub(crate) async fn external(
        &self,
        issued: &Issued,
        sans: &[San],
        now: OffsetDateTime,
    ) -> Result<External, Error> {
        let (chain, key, ca) = match issued {
            Issued::Pem { chain, key, ca } => (chain.clone(), key.clone(), ca.clone()),
            Issued::Secret { namespace, name } => {
                let secret = ObjectRef::new(Kind::Secret, namespace, name);
                self.entries(&secret).await?
            }
        };
        let external = External::from_pem(&chain, key.expose_secret(), ca.as_deref())
            .map_err(IssuedError::Unusable)?;
        let request = LeafRequest::new(self.place().service()).sans(sans.to_vec());
        let leaf = external.issue(&request.issued_at(now));
        // What is missing in it is said by the issuer itself.
        let leaf = leaf.map_err(IssuedError::Unusable)?;
        let (chain, trust) = (leaf.chain_pem(), external.trust(&leaf).to_pem());
        let found = Lint::new(&chain, &trust, now)
            .endpoints(sans.iter().cloned())
            .key(leaf.key_pem())
            .run();
        let refused = found
            .into_iter()
            .filter(|one| one.severity == Severity::Error);
        let refused: Vec<Finding> = refused.collect();
        if refused.is_empty() {
            return Ok(external);
        }
        Err(IssuedError::Refused(refused).into())
    }

    async fn entries(
        &self,
        name: &ObjectRef,
    ) -> Result<(Vec<u8>, SecretString, Option<Vec<u8>>), Error> {
        let live = self.cluster().get(name).await;
        let live = live.tried(format!("cannot read {name}"))?;
        let live: Object = live.ok_or_else(|| IssuedError::NoSecret(Box::new(name.clone())))?;
        let mut entries = secret::entries(&live)?;
        let lacks = |key| IssuedError::NoEntry {
            secret: Box::new(name.clone()),
            key,
        };
        let chain = entries.remove("tls.crt").ok_or_else(|| lacks("tls.crt"))?;
        let key = entries.remove("tls.key").ok_or_else(|| lacks("tls.key"))?;
        let bytes = |text: SecretString| text.expose_secret().as_bytes().to_vec();
        Ok((bytes(chain), key, entries.remove("ca.crt").map(bytes)))
    }
}

#[cfg(test)]
mod tests;
