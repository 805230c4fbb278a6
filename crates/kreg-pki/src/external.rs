//! Certificates made elsewhere and given as PEM.

use time::OffsetDateTime;

use crate::{Certificate, Error, Issuer, Leaf, LeafRequest, PrivateKey, TrustBundle};

/// A certificate from outside: a company CA, cert-manager, a hand-made file.
///
/// [`Issuer::issue`] makes nothing. It hands the given certificate out if it
/// meets the request, and says what is missing if it does not.
#[derive(Debug)]
pub struct External {
    chain: Vec<Certificate>,
    key: PrivateKey,
    trust: TrustBundle,
}

impl External {
    /// Reads chain and key as [`Leaf::from_pem`] does. `trust` is the CA file
    /// for the clients; without it the chain must contain its own root.
    ///
    /// # Errors
    /// As [`Leaf::from_pem`] and [`TrustBundle::from_pem`];
    /// [`Error::External`] if there is no CA file and no root in the chain.
    pub fn from_pem(
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
        trust: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let leaf = Leaf::from_pem(chain, key)?;
        let trust = match (trust, leaf.chain().last()) {
            (Some(pem), _) => TrustBundle::from_pem(pem, "the CA file")?,
            (None, Some(root)) if root.is_self_issued() => root.clone().into(),
            _ => {
                return Err(Error::External {
                    subject: leaf.certificate().subject().to_owned(),
                    reason: "its chain does not reach a self-signed root; \
                             give the CA certificate that clients are to trust"
                        .to_owned(),
                });
            }
        };
        let (mut chain, key) = leaf.into_parts();
        // The root is the clients' to hold; a server need not send it.
        if chain.len() > 1 && chain.last().is_some_and(Certificate::is_self_issued) {
            chain.pop();
        }
        Ok(Self { chain, key, trust })
    }

    /// What clients are to trust.
    #[must_use]
    pub fn bundle(&self) -> &TrustBundle {
        &self.trust
    }

    fn check(&self, request: &LeafRequest) -> Result<(), Error> {
        let Some(own) = self.chain.first() else {
            return Ok(());
        };
        let refused = |reason: String| Error::External {
            subject: own.subject().to_owned(),
            reason,
        };
        let missing = own.missing(&request.sans);
        if !missing.is_empty() {
            let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
            return Err(refused(format!(
                "it does not list {}; have it made again with these names",
                names.join(", ")
            )));
        }
        let now = request.at.unwrap_or_else(OffsetDateTime::now_utc);
        if !own.is_valid_at(now) {
            return Err(refused(format!(
                "it is valid from {} to {} only; have it renewed",
                own.not_before(),
                own.not_after()
            )));
        }
        Ok(())
    }
}

/// Of the request only the names and the moment count; key kind and validity
/// were decided elsewhere.
impl Issuer for External {
    fn issue(&self, request: &LeafRequest) -> Result<Leaf, Error> {
        self.check(request)?;
        let key = PrivateKey::from_pem(self.key.expose(), "the leaf key")?;
        Ok(Leaf::new(self.chain.clone(), key))
    }

    fn trust(&self, _leaf: &Leaf) -> TrustBundle {
        self.trust.clone()
    }
}
