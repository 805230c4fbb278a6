//! One row of the verification matrix, and the means to make its files.

use std::collections::BTreeSet;

use kreg_pki::lint::{Client, Code, Finding, Lint};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use secrecy::SecretString;
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{now, san};

/// Files as a registry and its clients would hold them, and the truth about them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) chain: String,
    pub(crate) trust: String,
    pub(crate) key: Option<String>,
    pub(crate) endpoints: Vec<&'static str>,
    pub(crate) now: OffsetDateTime,
    /// A message signed with the leaf's RSA key (PKCS #1, SHA-256), as in a
    /// TLS 1.2 handshake.
    pub(crate) handshake: Option<(Vec<u8>, Vec<u8>)>,
    /// Who refuses it, by the table.
    pub(crate) refused_by: BTreeSet<Client>,
    /// What lint calls it.
    pub(crate) codes: BTreeSet<Code>,
}

impl Case {
    pub(crate) fn new(
        name: &'static str,
        chain: impl Into<String>,
        trust: impl Into<String>,
    ) -> Self {
        Self {
            name,
            chain: chain.into(),
            trust: trust.into(),
            key: None,
            endpoints: vec![HOST],
            now: now(),
            handshake: None,
            refused_by: BTreeSet::new(),
            codes: BTreeSet::new(),
        }
    }

    pub(crate) fn at(mut self, endpoint: &'static str) -> Self {
        self.endpoints = vec![endpoint];
        self
    }

    pub(crate) fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(crate) fn refused(mut self, by: &[Client]) -> Self {
        self.refused_by = by.iter().copied().collect();
        self
    }

    pub(crate) fn found(mut self, codes: &[Code]) -> Self {
        self.codes = codes.iter().copied().collect();
        self
    }

    pub(crate) fn lint(&self) -> Vec<Finding> {
        let key = self.key.clone().map(SecretString::from);
        let mut lint = Lint::new(&self.chain, &self.trust, self.now)
            .endpoints(self.endpoints.iter().map(|name| san(name)));
        if let Some(key) = &key {
            lint = lint.key(key);
        }
        lint.run()
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "chain": self.chain,
            "trust": self.trust,
            "key": self.key.clone().unwrap_or_default(),
            "endpoints": self.endpoints,
            "now": self.now.unix_timestamp(),
        })
    }
}

/// The name every row is dialled by, unless it says otherwise.
pub(crate) const HOST: &str = "docker-registry.default";

/// A certificate of arbitrary, also absurd, content, with its key.
pub(crate) struct Made {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Made {
    pub(crate) fn self_signed(mut params: CertificateParams, key: KeyPair) -> Self {
        params.use_authority_key_identifier_extension = false;
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn issue(&self, params: CertificateParams) -> Self {
        self.issue_to(params, KeyPair::generate().unwrap())
    }

    pub(crate) fn issue_to(&self, params: CertificateParams, key: KeyPair) -> Self {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let pem = params.signed_by(&key, &issuer).unwrap().pem();
        Self { params, key, pem }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The same key under other parameters, self-signed again.
    pub(crate) fn renewed(&self, params: CertificateParams) -> Self {
        let key = KeyPair::from_pem(&self.key_pem()).unwrap();
        Self::self_signed(params, key)
    }
}

/// A good root with these changes.
pub(crate) fn root(change: impl FnOnce(&mut CertificateParams)) -> Made {
    Made::self_signed(ca_params("Test Root", change), KeyPair::generate().unwrap())
}

pub(crate) fn ca_params(
    name: &str,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now() - Duration::days(30);
    params.not_after = now() + Duration::days(3000);
    change(&mut params);
    params
}

/// A good leaf for [`HOST`] with these changes.
pub(crate) fn leaf_params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(HOST);
    params.subject_alt_names = vec![dns(HOST)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now() - Duration::days(1);
    params.not_after = now() + Duration::days(90);
    change(&mut params);
    params
}

pub(crate) fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Made {
    Made::self_signed(leaf_params(change), KeyPair::generate().unwrap())
}

pub(crate) fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// Certificate policies with nothing but anyPolicy.
pub(crate) const ANY_POLICY: &[u8] = &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0];

pub(crate) fn extension(id: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(id, content.to_vec());
    extension.set_criticality(critical);
    extension
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}
