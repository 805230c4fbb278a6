//! What the rules look at, read once per certificate.

use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA512;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Version;

use crate::{Certificate, PublicKey};

/// A certificate and the extensions that decide its fate.
pub(super) struct Facts {
    pub(super) certificate: Certificate,
    pub(super) is_v1: bool,
    /// `None` without the extension.
    pub(super) basic: Option<Basic>,
    /// `None` without the extension.
    pub(super) usage: Option<Usage>,
    /// `None` without the extension.
    pub(super) extended: Option<Extended>,
    pub(super) has_san: bool,
    pub(super) common_name: Option<String>,
    pub(super) has_name_constraints: bool,
    pub(super) negative_serial: bool,
    /// `SHA-1` or `MD5`.
    pub(super) weak_hash: Option<&'static str>,
    /// Signed in a way that the parser's verifier leaves out.
    exotic_signature: bool,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
}

/// Basic constraints, RFC 5280 section 4.2.1.9.
#[derive(Clone, Copy)]
pub(super) struct Basic {
    pub(super) ca: bool,
    pub(super) path_len: Option<u32>,
}

/// Key usage, RFC 5280 section 4.2.1.3.
#[derive(Clone, Copy)]
pub(super) struct Usage {
    pub(super) cert_sign: bool,
    /// Any of the bits that OpenSSL wants of a TLS server.
    pub(super) serves: bool,
}

/// Extended key usage, RFC 5280 section 4.2.1.12.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    pub(super) server_auth: bool,
    pub(super) any: bool,
}

impl Facts {
    /// `None` cannot happen for a [`Certificate`].
    pub(super) fn read(certificate: Certificate) -> Option<Self> {
        let mut facts = certificate.with_parsed(|parsed| Self {
            certificate: certificate.clone(),
            is_v1: parsed.version() == X509Version::V1,
            basic: None,
            usage: None,
            extended: None,
            has_san: false,
            common_name: parsed
                .subject()
                .iter_common_name()
                .last()
                .and_then(|name| name.as_str().ok())
                .map(str::to_owned),
            has_name_constraints: false,
            negative_serial: parsed
                .raw_serial()
                .first()
                .is_some_and(|byte| byte & 0x80 != 0),
            weak_hash: weak_hash(parsed),
            exotic_signature: parsed.signature_algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA512,
            subject_key_id: None,
            authority_key_id: None,
        })?;
        certificate.with_parsed(|parsed| facts.read_extensions(parsed))?;
        Some(facts)
    }

    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) {
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(basic) => {
                    self.basic = Some(Basic {
                        ca: basic.ca,
                        path_len: basic.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(usage) => {
                    self.usage = Some(Usage {
                        cert_sign: usage.key_cert_sign(),
                        serves: usage.digital_signature()
                            || usage.key_encipherment()
                            || usage.key_agreement(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    self.extended = Some(Extended {
                        server_auth: usage.server_auth,
                        any: usage.any,
                    });
                }
                ParsedExtension::SubjectAlternativeName(_) => self.has_san = true,
                ParsedExtension::NameConstraints(_) => self.has_name_constraints = true,
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    self.subject_key_id = Some(id.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
    }

    pub(super) fn is_ca(&self) -> bool {
        self.basic.is_some_and(|basic| basic.ca)
    }

    /// OpenSSL's own guess at "self-signed", made before any signature is
    /// checked: same names, and key identifiers that do not contradict it
    /// (`ossl_x509v3_cache_extensions`, crypto/x509/v3_purp.c).
    pub(super) fn looks_self_signed(&self) -> bool {
        let contradicts = match (&self.authority_key_id, &self.subject_key_id) {
            (Some(authority), Some(subject)) => authority != subject,
            _ => false,
        };
        self.certificate.is_self_issued() && !contradicts
    }

    /// Whether `issuer` made it. Where the signature is of a kind that cannot
    /// be checked here (keys and hashes too weak, rare curves), names and key
    /// identifiers decide: the rules then say why clients refuse it.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        if self.certificate.is_issued_by(&issuer.certificate) {
            return true;
        }
        let checkable = self.weak_hash.is_none()
            && !self.exotic_signature
            && match issuer.certificate.key() {
                PublicKey::Rsa(bits) => bits >= 2048,
                PublicKey::EcdsaP256 | PublicKey::EcdsaP384 | PublicKey::Ed25519 => true,
                _ => false,
            };
        let keys_agree = match (&self.authority_key_id, &issuer.subject_key_id) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        !checkable && keys_agree && self.certificate.names_as_issuer(&issuer.certificate)
    }
}

/// The hash of the signature, if clients no longer accept it.
fn weak_hash(parsed: &X509Certificate<'_>) -> Option<&'static str> {
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // sha1WithRSAEncryption, its OIW twin, ecdsa-with-SHA1.
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" => Some("SHA-1"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        _ => None,
    }
}
