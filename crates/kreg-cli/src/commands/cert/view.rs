//! One certificate as `kreg cert` shows it.

use kreg_pki::Certificate;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// Lower-case hex.
    pub(super) serial: String,
    /// DNS names and addresses, as in the certificate.
    pub(super) sans: Vec<String>,
    pub(super) is_ca: bool,
    pub(super) key_algorithm: String,
    /// RFC 3339, UTC.
    pub(super) not_before: String,
    pub(super) not_after: String,
    /// Whole days; negative when it is over.
    pub(super) days_left: i64,
    /// Not valid now, or less than a third of its life left.
    pub(super) renewal_due: bool,
    /// SHA-256 of the DER form, lower-case hex.
    pub(super) fingerprint: String,
}

impl View {
    pub(super) fn of(certificate: &Certificate, now: OffsetDateTime) -> Self {
        let date = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            serial: certificate.serial().to_owned(),
            sans: certificate.sans().iter().map(ToString::to_string).collect(),
            is_ca: certificate.is_ca(),
            key_algorithm: certificate.key().to_string(),
            not_before: date(certificate.not_before()),
            not_after: date(certificate.not_after()),
            days_left: (certificate.not_after() - now).whole_days(),
            renewal_due: certificate.needs_renewal(now, certificate.renewal_threshold()),
            fingerprint: certificate.fingerprint().to_owned(),
        }
    }

    pub(super) fn all(certificates: &[Certificate], now: OffsetDateTime) -> Vec<Self> {
        certificates
            .iter()
            .map(|certificate| Self::of(certificate, now))
            .collect()
    }

    /// Several lines, one fact each.
    pub(super) fn text(&self, title: &str) -> String {
        let due = if self.renewal_due {
            ", renewal is due"
        } else {
            ""
        };
        let mut facts = vec![
            ("subject", self.subject.clone()),
            ("issuer", self.issuer.clone()),
            (
                "valid",
                format!("{} to {}", self.not_before, self.not_after),
            ),
            ("left", format!("{} days{due}", self.days_left)),
            ("key", self.key_algorithm.clone()),
            ("serial", self.serial.clone()),
            ("sha256", self.fingerprint.clone()),
        ];
        if !self.sans.is_empty() {
            facts.insert(2, ("names", self.sans.join(", ")));
        }
        let lines = facts
            .iter()
            .map(|(name, value)| format!("  {name:<8} {value}"));
        std::iter::once(title.to_owned())
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n")
    }
}
