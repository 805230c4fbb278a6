//! Private keys: made here, or read from the three forms that OpenSSL writes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
};
use rcgen::{KeyPair, PublicKeyData, RsaKeySize};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, blocks};

/// Kind and size of a key. P-521 and Ed25519 are left out on purpose: support
/// among registry clients is uneven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256 with SHA-256; every client has it and it is cheap.
    #[default]
    EcdsaP256,
    /// ECDSA on NIST P-384 with SHA-384.
    EcdsaP384,
    /// RSA, 2048 bits, SHA-256.
    Rsa2048,
    /// RSA, 3072 bits, SHA-256.
    Rsa3072,
    /// RSA, 4096 bits, SHA-256; takes seconds to generate.
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them, for command line help and tests.
    pub const ALL: [Self; 5] = [
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
    ];

    /// Whether the key can encrypt, which decides the leaf's key usage bits.
    #[must_use]
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// The name used in configuration: `ecdsa-p256`, `rsa-4096`, …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| Error::Key {
                what: format!("`{text}`"),
                reason: format!(
                    "no such algorithm; use one of {}",
                    Self::ALL.map(Self::as_str).join(", ")
                ),
            })
    }
}

impl serde::Serialize for KeyAlgorithm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for KeyAlgorithm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A private key in memory. Never printed by `Debug`, wiped when dropped,
/// always written as PKCS #8 whatever form it was read from.
pub struct PrivateKey {
    pair: KeyPair,
    pem: SecretString,
}

impl PrivateKey {
    /// Makes a new random key.
    ///
    /// # Errors
    /// [`Error::Generate`] if the crypto library cannot make one.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let generate_rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        let pair = match algorithm {
            KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyAlgorithm::Rsa2048 => generate_rsa(RsaKeySize::_2048),
            KeyAlgorithm::Rsa3072 => generate_rsa(RsaKeySize::_3072),
            KeyAlgorithm::Rsa4096 => generate_rsa(RsaKeySize::_4096),
        };
        pair.map(Self::from_pair)
            .map_err(Error::generate("generate a private key"))
    }

    /// Reads the one private key of `pem`: PKCS #8 (`PRIVATE KEY`), PKCS #1
    /// (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), also when the label
    /// does not fit the content. Certificates and `EC PARAMETERS` beside it
    /// are passed over. `what` names the source in messages.
    ///
    /// # Errors
    /// [`Error::Pem`] if the text is damaged; [`Error::Key`] if there is no
    /// key, more than one, an encrypted one, or one of a kind that
    /// [`KeyAlgorithm`] leaves out.
    pub fn from_pem(pem: impl AsRef<[u8]>, what: &str) -> Result<Self, Error> {
        let refused = |reason: &str| Error::Key {
            what: what.to_owned(),
            reason: reason.to_owned(),
        };
        let mut keys = blocks::parse(pem.as_ref(), what)?
            .into_iter()
            .filter(|block| blocks::is_private_key(block.label()));
        let block = keys
            .next()
            .ok_or_else(|| refused("it holds no private key block"))?;
        if keys.next().is_some() {
            return Err(refused("it holds more than one private key; give one"));
        }
        let encrypted = block.label() == "ENCRYPTED PRIVATE KEY" || block.is_encrypted();
        if encrypted {
            return Err(refused(
                "it is encrypted; decrypt it first with `openssl pkey -in FILE -out PLAIN`",
            ));
        }
        let pkcs8 = to_pkcs8(block.der()).ok_or_else(|| {
            refused(
                "it is not an ECDSA P-256 or P-384 key or an RSA key of 2048 bits and more; \
                 make a new one of these kinds",
            )
        })?;
        KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))
            .map(Self::from_pair)
            .map_err(Error::generate("load a private key"))
    }

    /// The key as PKCS #8 PEM (`PRIVATE KEY`), the form that Go, OpenSSL and
    /// the registry all read.
    #[must_use]
    pub fn to_pem(&self) -> &SecretString {
        &self.pem
    }

    /// The public half as DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7).
    #[must_use]
    pub fn public_key_der(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// Whether the key is RSA.
    #[must_use]
    pub fn is_rsa(&self) -> bool {
        self.pair.algorithm() == &rcgen::PKCS_RSA_SHA256
    }

    pub(crate) fn expose(&self) -> &str {
        self.pem.expose_secret()
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    fn from_pair(pair: KeyPair) -> Self {
        let pem = blocks::encode("PRIVATE KEY", pair.serialized_der()).into();
        Self { pair, pem }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([secret])")
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

/// PKCS #8 from any of the three encodings, told apart by content.
fn to_pkcs8(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let parsed = PrivateKeyDer::try_from(der).ok()?;
    for algorithm in [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
    ] {
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(algorithm, der) {
            let pkcs8 = pair.to_pkcs8v1().ok()?;
            return Some(Zeroizing::new(pkcs8.as_ref().to_vec()));
        }
    }
    let pair = match parsed {
        PrivateKeyDer::Pkcs8(_) => rsa::KeyPair::from_pkcs8(der),
        _ => rsa::KeyPair::from_der(der),
    }
    .ok()?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    Some(Zeroizing::new(pkcs8.as_ref().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn only_the_names_of_algorithms_are_read(text in "\\PC{0,20}|(ecdsa|rsa)-p?[0-9]{3,4}") {
            match text.parse::<KeyAlgorithm>() {
                Ok(algorithm) => proptest::prop_assert_eq!(algorithm.as_str(), text),
                Err(_) => proptest::prop_assert!(KeyAlgorithm::ALL.iter().all(|a| a.as_str() != text)),
            }
        }
    }
}
