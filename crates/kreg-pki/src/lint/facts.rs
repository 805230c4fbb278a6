//! What the rules look at, read once per certificate.

use std::collections::BTreeSet;

use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Version;

use super::finding::Client;
use super::limits::Limits;
use crate::Certificate;

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
    pub(super) common_names: Vec<String>,
    /// `None` without the extension.
    pub(super) limits: Option<Limits>,
    pub(super) critical: Critical,
    pub(super) negative_serial: bool,
    /// `MD5`, `SHA-1` or `SHA-224`.
    pub(super) weak_hash: Option<&'static str>,
    serial: Vec<u8>,
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    authority_serial: Option<Vec<u8>>,
}

/// Critical extensions that somebody does not know and must refuse for, RFC 5280 section 4.2.
#[derive(Default)]
pub(super) struct Critical {
    /// Their object identifiers.
    pub(super) unknown: Vec<String>,
    /// Who refuses because of any of them.
    pub(super) refused_by: BTreeSet<Client>,
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
            common_names: parsed
                .subject()
                .iter_common_name()
                .filter_map(|name| name.as_str().ok())
                .map(str::to_owned)
                .collect(),
            limits: None,
            critical: Critical::default(),
            negative_serial: parsed
                .raw_serial()
                .first()
                .is_some_and(|byte| byte & 0x80 != 0),
            weak_hash: weak_hash(parsed),
            serial: parsed.raw_serial().to_vec(),
            subject_key_id: None,
            authority_key_id: None,
            authority_serial: None,
        })?;
        certificate.with_parsed(|parsed| facts.read_extensions(parsed))?;
        Some(facts)
    }

    fn read_extensions(&mut self, parsed: &X509Certificate<'_>) {
        for extension in parsed.extensions() {
            self.critical.read(extension);
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
                ParsedExtension::NameConstraints(limits) => {
                    self.limits = Some(Limits::read(limits));
                }
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    self.subject_key_id = Some(id.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                    self.authority_serial = id.authority_cert_serial.map(<[u8]>::to_vec);
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

    /// Whether the key identifier or serial number by which it names its issuer is not that of
    /// `issuer`. OpenSSL then looks for another one (`X509_check_akid`, crypto/x509/v3_purp.c).
    pub(super) fn names_another_issuer(&self, issuer: &Self) -> bool {
        let differ = |own: &Option<Vec<u8>>, other: Option<&Vec<u8>>| match (own, other) {
            (Some(own), Some(other)) => own != other,
            _ => false,
        };
        differ(&self.authority_key_id, issuer.subject_key_id.as_ref())
            || differ(&self.authority_serial, Some(&issuer.serial))
    }

    /// Whether `issuer` made it. Where the signature is of a kind that cannot
    /// be checked here (hashes long broken, rare curves), names and key
    /// identifiers decide: the rules then say why clients refuse it.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.certificate.names_as_issuer(&issuer.certificate)
            && match self.certificate.is_signed_by(&issuer.certificate) {
                Some(signed) => signed,
                None => !self.names_another_issuer(issuer),
            }
    }
}

impl Critical {
    fn read(&mut self, extension: &X509Extension<'_>) {
        if !extension.critical {
            return;
        }
        let id = extension.oid.to_id_string();
        let (go, openssl, rustls) = match id.as_str() {
            // Key usage, names, basic constraints, name constraints, CRL distribution points,
            // extended key usage.
            "2.5.29.15" | "2.5.29.17" | "2.5.29.19" | "2.5.29.30" | "2.5.29.31" | "2.5.29.37" => {
                (true, true, true)
            }
            // Everything about policies.
            "2.5.29.32" | "2.5.29.33" | "2.5.29.36" | "2.5.29.54" => (true, true, false),
            // Authority key identifier.
            "2.5.29.35" => (true, false, false),
            // Netscape's certificate type, RFC 3779 addresses and systems, proxies.
            "2.16.840.1.113730.1.1"
            | "1.3.6.1.5.5.7.1.7"
            | "1.3.6.1.5.5.7.1.8"
            | "1.3.6.1.5.5.7.1.14" => (false, true, false),
            // Certificate transparency.
            "1.3.6.1.4.1.11129.2.4.2" => (false, false, true),
            _ => (false, false, false),
        };
        let known = [
            (Client::Go, go),
            (Client::OpenSsl, openssl),
            (Client::Rustls, rustls),
        ];
        let refusing = known.into_iter().filter(|(_, known)| !known);
        self.refused_by.extend(refusing.map(|(client, _)| client));
        if !(go && openssl && rustls) {
            self.unknown.push(id);
        }
    }
}

/// Short, but not broken: OpenSSL still takes it.
pub(super) const SHA_224: &str = "SHA-224";

/// The hash of the signature, if clients no longer accept it.
fn weak_hash(parsed: &X509Certificate<'_>) -> Option<&'static str> {
    match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
        // sha1WithRSAEncryption, its OIW twin, ecdsa-with-SHA1.
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" => Some("SHA-1"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        // sha224WithRSAEncryption, ecdsa-with-SHA224.
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Some(SHA_224),
        _ => None,
    }
}
