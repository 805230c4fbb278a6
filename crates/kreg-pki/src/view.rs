//! A certificate as documents and people read it.

use std::fmt;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Certificate;

/// What a certificate says, and how long it lasts from a given moment.
///
/// Its text is several lines, one fact each, indented by two spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct View {
    /// The subject, `O=kreg, CN=…`.
    pub subject: String,
    /// The issuer's subject.
    pub issuer: String,
    /// Lower-case hex.
    pub serial: String,
    /// DNS names and addresses, as in the certificate.
    pub sans: Vec<String>,
    /// Whether it may issue others.
    pub is_ca: bool,
    /// Kind and size of its key.
    pub key_algorithm: String,
    /// First valid second, RFC 3339, UTC.
    pub not_before: String,
    /// Last valid second, RFC 3339, UTC.
    pub not_after: String,
    /// Whole days; negative when it is over.
    pub days_left: i64,
    /// Not valid now, or less than a third of its life left.
    pub renewal_due: bool,
    /// SHA-256 of the DER form, lower-case hex.
    pub fingerprint: String,
}

impl View {
    /// Of one certificate at `now`.
    #[must_use]
    pub fn of(certificate: &Certificate, now: OffsetDateTime) -> Self {
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

    /// Of each certificate at `now`.
    #[must_use]
    pub fn all(certificates: &[Certificate], now: OffsetDateTime) -> Vec<Self> {
        let views = certificates.iter().map(|one| Self::of(one, now));
        views.collect()
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  subject  {}", self.subject)?;
        writeln!(f, "  issuer   {}", self.issuer)?;
        if !self.sans.is_empty() {
            writeln!(f, "  names    {}", self.sans.join(", "))?;
        }
        writeln!(f, "  valid    {} to {}", self.not_before, self.not_after)?;
        let due = if self.renewal_due {
            ", renewal is due"
        } else {
            ""
        };
        writeln!(f, "  left     {} days{due}", self.days_left)?;
        writeln!(f, "  key      {}", self.key_algorithm)?;
        writeln!(f, "  serial   {}", self.serial)?;
        write!(f, "  sha256   {}", self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::{Authority, AuthorityRequest, Issuer as _, LeafRequest};

    #[test]
    fn a_certificate_is_shown_with_what_is_left_of_it() {
        let made = datetime!(2026-11-23 12:00 UTC);
        let ca = Authority::generate(&AuthorityRequest::new("r").issued_at(made)).unwrap();
        let request = LeafRequest::new("r").sans(["registry".parse().unwrap()]);
        let leaf = ca
            .issue(&request.issued_at(made).validity_days(90))
            .unwrap();
        let fresh = View::of(leaf.certificate(), made);
        assert_eq!((fresh.days_left, fresh.renewal_due), (90, false));
        let document = serde_json::to_value(&fresh).unwrap();
        let fields: Vec<_> = document.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            [
                "subject",
                "issuer",
                "serial",
                "sans",
                "isCa",
                "keyAlgorithm",
                "notBefore",
                "notAfter",
                "daysLeft",
                "renewalDue",
                "fingerprint"
            ]
        );
        assert_eq!(document["sans"], serde_json::json!(["registry"]));
        assert!(
            document["notAfter"]
                .as_str()
                .unwrap()
                .starts_with("2027-02-2")
        );
        let late = View::of(leaf.certificate(), made + time::Duration::days(70));
        assert!(late.renewal_due);
        let text = late.to_string();
        assert!(text.contains("\n  names    registry\n"), "{text}");
        assert!(text.contains(" days, renewal is due\n"), "{text}");
        let ca = View::of(ca.certificate(), made);
        assert!(ca.is_ca && !ca.to_string().contains("names"), "{ca}");
    }
}
