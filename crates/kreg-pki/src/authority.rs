//! A private certificate authority.

use std::fmt;

use rcgen::Issuer as Signer;
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::leaf::order;
use crate::lint::{Code, Lint};
use crate::{
    AuthorityRequest, Certificate, Error, Issuer, Leaf, LeafRequest, PrivateKey, San, TrustBundle,
};

/// A certificate authority: made here, or loaded from PEM.
///
/// Its certificate goes to every node; its key signs server certificates and
/// should stay where few can read it.
pub struct Authority {
    /// Own certificate first, then up to the root; one if it is the root.
    chain: Vec<Certificate>,
    key: PrivateKey,
}

impl Authority {
    /// Makes a new root.
    ///
    /// # Errors
    /// [`Error::Request`] if the request makes no sense, [`Error::Generate`]
    /// if the crypto library cannot make it.
    pub fn generate(request: &AuthorityRequest) -> Result<Self, Error> {
        let params = request.params()?;
        let key = PrivateKey::generate(request.algorithm)?;
        let signed = params
            .self_signed(key.pair())
            .map_err(Error::generate("sign the authority's own certificate"))?;
        Ok(Self {
            chain: vec![Certificate::from_der(signed.der())?],
            key,
        })
    }

    /// Loads an authority. `certificate` may hold the whole chain up to the
    /// root in any order; `key` any form that [`PrivateKey::from_pem`] reads.
    ///
    /// # Errors
    /// [`Error::Pem`], [`Error::Certificate`], [`Error::Key`] if a part cannot
    /// be read; [`Error::KeyMismatch`] if they do not belong together;
    /// [`Error::NotAnAuthority`] if some client would refuse what it signs:
    /// no `CA:TRUE`, no `keyCertSign`, a chain that ends before its root (only
    /// Go and rustls accept an intermediate as an anchor), a subject that
    /// cannot be repeated byte for byte in the leaf's issuer field, or whatever
    /// else [`lint`](crate::lint) finds in a leaf that it signs for a trial.
    pub fn from_pem(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        const WHAT: &str = "the authority's certificate";
        let key = PrivateKey::from_pem(key, "the authority's key")?;
        let found = Certificate::all_from_pem(certificate, WHAT)?;
        let authority = Self {
            chain: order(found, &key, WHAT)?,
            key,
        };
        authority.check()?;
        Ok(authority)
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        // Both constructors put at least one there.
        &self.chain[0]
    }

    /// The certificate as PEM; with its chain if it is not a root, so that
    /// [`Authority::from_pem`] takes it back.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.chain.iter().map(Certificate::to_pem).collect()
    }

    /// The key as PKCS #8 PEM.
    #[must_use]
    pub fn key_pem(&self) -> &SecretString {
        self.key.to_pem()
    }

    /// What clients must trust: the root.
    #[must_use]
    pub fn bundle(&self) -> TrustBundle {
        TrustBundle::new(self.chain.last().cloned())
    }

    fn check(&self) -> Result<(), Error> {
        let own = self.certificate();
        let refused = |reason: &str| Error::NotAnAuthority {
            subject: own.subject().to_owned(),
            reason: reason.to_owned(),
        };
        if !own.is_ca() {
            return Err(refused(
                "it lacks basic constraints CA:TRUE; OpenSSL and Go refuse what it signs. \
                 Give the certificate of a CA",
            ));
        }
        let may_sign = own.with_parsed(|parsed| match parsed.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        });
        if may_sign != Some(true) {
            return Err(refused(
                "its key usage lacks keyCertSign; OpenSSL and Go refuse what it signs",
            ));
        }
        if !self.chain.last().is_some_and(Certificate::is_self_issued) {
            return Err(refused(
                "its chain ends before a root, and OpenSSL trusts only roots; \
                 append the certificates up to the self-signed one",
            ));
        }
        let repeatable = own.with_parsed(|parsed| {
            let mut parts = parsed.subject().iter_rdn();
            parts.all(|part| part.iter().count() == 1)
        });
        if repeatable != Some(true) {
            return Err(refused(
                "its subject joins several attributes in one part, which cannot be repeated \
                 in a leaf; make a new CA",
            ));
        }
        // Shows now, not at the first renewal, what clients will say.
        let at = self.period().0;
        let probe = LeafRequest::new("probe")
            .sans([San::Dns("probe.invalid".to_owned())])
            .issued_at(at);
        let probe = self.sign(&probe, at)?;
        let findings = Lint::new(&probe.chain_pem(), &self.bundle().to_pem(), at).run();
        // Which names it may issue for shows when a name is asked for, the dates likewise.
        let passing = [Code::NameForbidden, Code::Expired, Code::NotYetValid];
        match findings
            .into_iter()
            .find(|found| !found.refused_by.is_empty() && !passing.contains(&found.code))
        {
            Some(found) => Err(refused(&format!("what it signs is refused: {found}"))),
            None => Ok(()),
        }
    }

    /// First and last moment at which the whole chain is valid.
    fn period(&self) -> (OffsetDateTime, OffsetDateTime) {
        let own = self.certificate();
        let (mut first, mut last) = (own.not_before(), own.not_after());
        for link in &self.chain {
            first = first.max(link.not_before());
            last = last.min(link.not_after());
        }
        (first, last)
    }

    fn sign(&self, request: &LeafRequest, now: OffsetDateTime) -> Result<Leaf, Error> {
        let own = self.certificate();
        let (first, last) = self.period();
        if now > last {
            return Err(Error::AuthorityExpired {
                subject: own.subject().to_owned(),
                not_after: last,
            });
        }
        let unusable = |reason: &str| Error::NotAnAuthority {
            subject: own.subject().to_owned(),
            reason: reason.to_owned(),
        };
        if now < first {
            return Err(unusable(&format!(
                "it becomes valid at {first} only; set the clock right, or wait"
            )));
        }
        let mut params = request.params()?;
        // A leaf is never valid where its authority is not.
        params.not_before = params.not_before.max(first);
        params.not_after = params.not_after.min(last);
        let signer = Signer::from_ca_cert_der(&own.pki_der(), self.key.pair()).map_err(|_| {
            unusable("its subject has a form that cannot be repeated in a leaf; make a new CA")
        })?;
        let key = PrivateKey::generate(request.algorithm)?;
        let signed = params
            .signed_by(key.pair(), &signer)
            .map_err(Error::generate("sign the server certificate"))?;
        let leaf = Certificate::from_der(signed.der())?;
        if !leaf.is_issued_by(own) {
            return Err(unusable(
                "its subject repeats an attribute, so that a leaf would not name it exactly; \
                 make a new CA",
            ));
        }
        if leaf.is_self_issued() {
            return Err(request.refused(
                "its subject is the authority's own, which OpenSSL takes for self-signed; \
                 change the common name",
            ));
        }
        let links = self.chain.iter().filter(|link| !link.is_self_issued());
        Ok(Leaf::new(
            std::iter::once(leaf).chain(links.cloned()).collect(),
            key,
        ))
    }
}

/// Cuts the validity to that of the authority and its chain, so that no leaf
/// outlives them.
///
/// # Errors
/// [`Error::AuthorityExpired`], [`Error::NotAnAuthority`] before its first
/// moment, [`Error::Request`], [`Error::San`], or [`Error::Generate`].
impl Issuer for Authority {
    fn issue(&self, request: &LeafRequest) -> Result<Leaf, Error> {
        let now = request.at.unwrap_or_else(OffsetDateTime::now_utc);
        let leaf = self.sign(request, now)?;
        let forbidden = Lint::new(&leaf.chain_pem(), &self.bundle().to_pem(), now)
            .run()
            .into_iter()
            .find(|finding| finding.code == Code::NameForbidden);
        match forbidden {
            Some(finding) => Err(request.refused(&finding.message)),
            None => Ok(leaf),
        }
    }

    fn trust(&self, _leaf: &Leaf) -> TrustBundle {
        self.bundle()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", self.certificate())
            .field("key", &self.key)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyAlgorithm;

    #[test]
    fn default_is_ten_years_of_p256() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let ca = Authority::generate(&AuthorityRequest::new("r").issued_at(now)).unwrap();
        let own = ca.certificate();
        assert_eq!(own.not_before(), now - crate::BACKDATE);
        assert_eq!(own.not_after(), now + time::Duration::days(3650));
        assert_eq!(own.key().to_string(), KeyAlgorithm::EcdsaP256.to_string());
        assert!(own.is_ca() && own.is_self_issued() && own.subject().contains("OU=r"));
    }
}
