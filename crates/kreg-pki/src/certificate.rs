//! One certificate, read once into plain values.

use std::fmt;
use std::net::IpAddr;

use rustls_pki_types::CertificateDer;
use serde::Serialize;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::{Error, San, blocks, signature};

/// An X.509 certificate: its DER bytes and what clients decide on.
///
/// Serialises as a plain object (`subject`, `issuer`, `serial`, `sans`,
/// `not_before`, `not_after` in RFC 3339, `is_ca`, `key`, `fingerprint`).
#[derive(Clone, Serialize)]
pub struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    sans: Vec<San>,
    #[serde(serialize_with = "rfc3339")]
    not_before: OffsetDateTime,
    #[serde(serialize_with = "rfc3339")]
    not_after: OffsetDateTime,
    is_ca: bool,
    #[serde(serialize_with = "display")]
    key: PublicKey,
    fingerprint: String,
    #[serde(skip)]
    der: Vec<u8>,
}

/// Kind and size of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKey {
    /// NIST P-256.
    EcdsaP256,
    /// NIST P-384.
    EcdsaP384,
    /// NIST P-521.
    EcdsaP521,
    /// RSA with this many bits.
    Rsa(usize),
    /// Ed25519.
    Ed25519,
    /// Anything else.
    Other,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// # Errors
    /// [`Error::Certificate`] if it is not X.509 or bytes follow it.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        Self::read(der, "the input", 1)
    }

    /// Reads every certificate of `pem` in file order; other blocks are passed
    /// over. `what` names the source in messages.
    ///
    /// # Errors
    /// [`Error::Pem`] if the text is damaged or holds no certificate,
    /// [`Error::Certificate`] if a block is not X.509.
    pub fn all_from_pem(pem: impl AsRef<[u8]>, what: &str) -> Result<Vec<Self>, Error> {
        let certificates = blocks::parse(pem.as_ref(), what)?
            .iter()
            .filter(|block| block.label() == blocks::CERTIFICATE)
            .enumerate()
            .map(|(index, block)| Self::read(block.der(), what, index + 1))
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(Error::Pem {
                what: what.to_owned(),
                reason: "it holds no CERTIFICATE block".to_owned(),
            });
        }
        Ok(certificates)
    }

    fn read(der: &[u8], what: &str, index: usize) -> Result<Self, Error> {
        let refused = |reason: String| Error::Certificate {
            what: what.to_owned(),
            index,
            reason,
        };
        let (rest, parsed) =
            X509Certificate::from_der(der).map_err(|error| refused(error.to_string()))?;
        if !rest.is_empty() {
            return Err(refused(format!("{} bytes follow it", rest.len())));
        }
        Ok(Self {
            subject: name(parsed.subject()),
            issuer: name(parsed.issuer()),
            serial: hex::encode(parsed.raw_serial()),
            sans: sans(&parsed),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            is_ca: parsed.is_ca(),
            key: public_key(parsed.public_key()),
            fingerprint: hex::encode(Sha256::digest(der)),
            der: der.to_vec(),
        })
    }

    /// The subject, `O=kreg, CN=…`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's subject.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in lower case hex, two digits a byte.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// DNS and IP names in certificate order; other kinds of name are left
    /// out, because registry clients never look at them.
    #[must_use]
    pub fn sans(&self) -> &[San] {
        &self.sans
    }

    /// First valid second, UTC.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// Last valid second, UTC.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether basic constraints say `CA:TRUE`.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Kind and size of the key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// SHA-256 of the DER form, 64 lower case hex digits, as
    /// `openssl x509 -fingerprint -sha256` without the colons.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as one PEM block with a final newline.
    #[must_use]
    pub fn to_pem(&self) -> String {
        blocks::encode(blocks::CERTIFICATE, &self.der)
    }

    /// Whether clients accept it for `endpoint`, by its names alone.
    #[must_use]
    pub fn covers(&self, endpoint: &San) -> bool {
        self.sans.iter().any(|san| san.matches(endpoint))
    }

    /// Those of `endpoints` that it does not serve.
    #[must_use]
    pub fn missing<'a>(&self, endpoints: impl IntoIterator<Item = &'a San>) -> Vec<San> {
        endpoints
            .into_iter()
            .filter(|endpoint| !self.covers(endpoint))
            .cloned()
            .collect()
    }

    /// Whether `now` lies inside its validity, both ends included.
    #[must_use]
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether it is to be replaced: not valid at `now`, or over within
    /// `threshold` from then.
    #[must_use]
    pub fn needs_renewal(&self, now: OffsetDateTime, threshold: Duration) -> bool {
        !self.is_valid_at(now) || self.not_after - now <= threshold
    }

    /// The usual threshold for [`Certificate::needs_renewal`]: a third of the
    /// lifetime, as ACME clients do.
    #[must_use]
    pub fn renewal_threshold(&self) -> Duration {
        (self.not_after - self.not_before) / 3
    }

    /// Whether issuer and subject are the same name, byte for byte.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.with_parsed(|parsed| parsed.issuer().as_raw() == parsed.subject().as_raw())
            .unwrap_or(false)
    }

    /// Whether `issuer` made it: the names agree byte for byte and the
    /// signature verifies. Says nothing about dates and usages; those are
    /// `lint`'s.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        self.names_as_issuer(issuer) && self.is_signed_by(issuer) == Some(true)
    }

    /// Whether `issuer`'s key made its signature; `None` if that cannot be checked.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> Option<bool> {
        self.with_parsed(|own| issuer.with_parsed(|other| signature::is_by(own, other, issuer.key)))
            .flatten()
            .flatten()
    }

    /// Whether `issuer`'s subject stands in its issuer field, byte for byte.
    pub(crate) fn names_as_issuer(&self, issuer: &Self) -> bool {
        self.with_parsed(|own| {
            issuer.with_parsed(|other| own.issuer().as_raw() == other.subject().as_raw())
        })
        .flatten()
        .unwrap_or(false)
    }

    /// Whether it belongs to the private key.
    #[must_use]
    pub fn belongs_to(&self, key: &crate::PrivateKey) -> bool {
        self.with_parsed(|parsed| parsed.public_key().raw == key.public_key_der())
            .unwrap_or(false)
    }

    pub(crate) fn pki_der(&self) -> CertificateDer<'_> {
        CertificateDer::from(self.der.as_slice())
    }

    /// Looks at the parsed form again; `None` cannot happen for bytes that
    /// [`Certificate::from_der`] took.
    pub(crate) fn with_parsed<T>(&self, look: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        let (_, parsed) = X509Certificate::from_der(&self.der).ok()?;
        Some(look(&parsed))
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("issuer", &self.issuer)
            .field("not_after", &self.not_after)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ecdsa-p256"),
            Self::EcdsaP384 => f.write_str("ecdsa-p384"),
            Self::EcdsaP521 => f.write_str("ecdsa-p521"),
            Self::Rsa(bits) => write!(f, "rsa-{bits}"),
            Self::Ed25519 => f.write_str("ed25519"),
            Self::Other => f.write_str("other"),
        }
    }
}

/// The name as text; one that does not decode is shown as hex, not dropped.
fn name(name: &X509Name<'_>) -> String {
    let registry = oid::OidRegistry::default().with_x509().with_pkcs9();
    name.to_string_with_registry(&registry)
        .unwrap_or_else(|_| hex::encode(name.as_raw()))
}

fn sans(parsed: &X509Certificate<'_>) -> Vec<San> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(dns) => Some(San::Dns(dns.to_ascii_lowercase())),
            GeneralName::IPAddress(bytes) => ip(bytes).map(San::Ip),
            _ => None,
        })
        .collect()
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn public_key(info: &SubjectPublicKeyInfo<'_>) -> PublicKey {
    let algorithm = &info.algorithm;
    if algorithm.algorithm == oid::OID_SIG_ED25519 {
        return PublicKey::Ed25519;
    }
    match info.parsed() {
        Ok(ParsedKey::RSA(key)) => PublicKey::Rsa(key.key_size()),
        Ok(ParsedKey::EC(_)) => {
            let curve = algorithm.parameters.as_ref().and_then(|p| p.as_oid().ok());
            match curve {
                Some(curve) if curve == oid::OID_EC_P256 => PublicKey::EcdsaP256,
                Some(curve) if curve == oid::OID_NIST_EC_P384 => PublicKey::EcdsaP384,
                Some(curve) if curve == oid::OID_NIST_EC_P521 => PublicKey::EcdsaP521,
                _ => PublicKey::Other,
            }
        }
        _ => PublicKey::Other,
    }
}

fn rfc3339<S: serde::Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = at
        .format(&time::format_description::well_known::Rfc3339)
        .map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
}

fn display<S: serde::Serializer>(shown: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(shown)
}
