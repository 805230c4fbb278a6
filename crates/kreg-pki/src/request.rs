//! What is asked of an issuer.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::{Certificate, Error, KeyAlgorithm, San};

/// Clock skew that a new certificate forgives: it is valid from an hour before
/// it was made.
pub const BACKDATE: Duration = Duration::HOUR;

/// Days from the issue of a leaf to its end, unless the request says otherwise. It is the longest
/// life that the CA/B Forum recommended from 2020 to 2026 (Baseline Requirements, section 6.3.2:
/// at most 398 days, better 397). Where a program renews certificates, ask for fewer.
pub const LEAF_DAYS: u32 = 397;

/// Stands in the subject of every CA that is made here.
const ORGANIZATION: &str = "kreg";

/// Most characters of a common name (`ub-common-name`, RFC 5280 appendix A.1).
const MAX_COMMON_NAME: usize = 64;

/// A server certificate to be made: names, key kind, validity.
///
/// ```
/// use kreg_pki::{KeyAlgorithm, LeafRequest};
/// let request = LeafRequest::new("docker-registry")
///     .sans(["docker-registry".parse()?, "10.96.0.50".parse()?])
///     .algorithm(KeyAlgorithm::Rsa2048)
///     .validity_days(30);
/// # Ok::<(), kreg_pki::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafRequest {
    pub(crate) common_name: String,
    pub(crate) sans: Vec<San>,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) validity: Duration,
    pub(crate) at: Option<OffsetDateTime>,
}

impl LeafRequest {
    /// ECDSA P-256, [`LEAF_DAYS`], no names yet. The common name is for people
    /// only: clients look at the names added by [`LeafRequest::sans`].
    #[must_use]
    pub fn new(common_name: impl Into<String>) -> Self {
        Self {
            common_name: common_name.into(),
            sans: Vec::new(),
            algorithm: KeyAlgorithm::default(),
            validity: Duration::days(i64::from(LEAF_DAYS)),
            at: None,
        }
    }

    /// Adds names and addresses; one that is already there is not repeated.
    #[must_use]
    pub fn sans(mut self, sans: impl IntoIterator<Item = San>) -> Self {
        for san in sans {
            if !self.sans.contains(&san) {
                self.sans.push(san);
            }
        }
        self
    }

    /// Kind of the key that will be made.
    #[must_use]
    pub fn algorithm(mut self, algorithm: KeyAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Days from the moment of issue to the end. The start lies [`BACKDATE`]
    /// before that moment.
    #[must_use]
    pub fn validity_days(mut self, days: u32) -> Self {
        self.validity = Duration::days(i64::from(days));
        self
    }

    /// The moment of issue; without it the clock's time when it is issued.
    #[must_use]
    pub fn issued_at(mut self, now: OffsetDateTime) -> Self {
        self.at = Some(now);
        self
    }

    /// The leaf profile: `CA:FALSE`, `digitalSignature` (and `keyEncipherment`
    /// for RSA), `serverAuth`, SAN, AKI, SKI, random serial.
    pub(crate) fn params(&self) -> Result<CertificateParams, Error> {
        if self.sans.is_empty() {
            return Err(self.refused(
                "it lists no name; clients ignore the common name, so add at least one SAN",
            ));
        }
        if self.common_name.is_empty() || self.common_name.chars().count() > MAX_COMMON_NAME {
            return Err(self.refused("the common name must have 1 to 64 characters"));
        }
        if self.common_name.contains(char::is_control) {
            return Err(self.refused("the common name holds a control character; leave it out"));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        params.subject_alt_names = self.sans.iter().map(san_type).collect::<Result<_, _>>()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.algorithm.is_rsa() {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        (params.not_before, params.not_after) = period(self.at, self.validity)
            .ok_or_else(|| self.refused("the validity is empty or ends after the year 9999"))?;
        Ok(params)
    }

    pub(crate) fn refused(&self, reason: &str) -> Error {
        Error::Request {
            common_name: self.common_name.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// An authority to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRequest {
    pub(crate) instance: String,
    pub(crate) algorithm: KeyAlgorithm,
    validity: Duration,
    at: Option<OffsetDateTime>,
}

impl AuthorityRequest {
    /// ECDSA P-256, 3650 days. `instance` goes into the subject, so that two
    /// registries' authorities are told apart; a random part tells apart the
    /// old and the new one of a rotation.
    #[must_use]
    pub fn new(instance: impl Into<String>) -> Self {
        Self {
            instance: instance.into(),
            algorithm: KeyAlgorithm::default(),
            validity: Duration::days(3650),
            at: None,
        }
    }

    /// Whether a CA comes from such a request, of whatever instance: its subject says so.
    #[must_use]
    pub fn has_made(ca: &Certificate) -> bool {
        let prefix = format!("O={ORGANIZATION}, OU=");
        ca.is_ca() && ca.subject().starts_with(&prefix)
    }

    /// Kind of the authority's key.
    #[must_use]
    pub fn algorithm(mut self, algorithm: KeyAlgorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Days from the moment of issue to the end.
    #[must_use]
    pub fn validity_days(mut self, days: u32) -> Self {
        self.validity = Duration::days(i64::from(days));
        self
    }

    /// The moment of issue; without it the clock's time when it is made.
    #[must_use]
    pub fn issued_at(mut self, now: OffsetDateTime) -> Self {
        self.at = Some(now);
        self
    }

    /// The CA profile: `CA:TRUE, pathlen:0`, `keyCertSign` and `cRLSign`, SKI,
    /// no extended usages (Go would hand them down to the leaves).
    pub(crate) fn params(&self) -> Result<CertificateParams, Error> {
        let refused = |reason: &str| Error::Request {
            common_name: self.instance.clone(),
            reason: reason.to_owned(),
        };
        if self.instance.is_empty() || self.instance.chars().count() > MAX_COMMON_NAME {
            return Err(refused("the instance must have 1 to 64 characters"));
        }
        if self.instance.contains(char::is_control) {
            return Err(refused(
                "the instance holds a control character; leave it out",
            ));
        }
        let serial = serial()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, ORGANIZATION);
        name.push(DnType::OrganizationalUnitName, self.instance.as_str());
        name.push(
            DnType::CommonName,
            format!("kreg CA {}", hex::encode(&serial.as_ref()[..4])),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial);
        (params.not_before, params.not_after) = period(self.at, self.validity)
            .ok_or_else(|| refused("the validity is empty or ends after the year 9999"))?;
        Ok(params)
    }
}

/// Start and end in whole seconds, the finest that X.509 knows.
fn period(
    at: Option<OffsetDateTime>,
    validity: Duration,
) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let at = at
        .unwrap_or_else(OffsetDateTime::now_utc)
        .to_offset(time::UtcOffset::UTC)
        .replace_nanosecond(0)
        .ok()?;
    let end = at.checked_add(validity).filter(|end| *end > at)?;
    Some((at.checked_sub(BACKDATE)?, end))
}

/// 126 random bits, positive and of one length: beyond the 64 that the CA/B
/// Forum asks for, inside the 20 bytes of RFC 5280 section 4.1.2.2.
fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(Error::generate("draw a random serial number"))?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn san_type(san: &San) -> Result<SanType, Error> {
    san.validate()?;
    match san {
        San::Ip(ip) => Ok(SanType::IpAddress(ip.to_canonical())),
        San::Dns(name) => name
            .as_str()
            .try_into()
            .map(SanType::DnsName)
            .map_err(Error::generate("write a DNS name into the certificate")),
    }
}
