//! The rules of Kubernetes names, quantities and image references, each with the field it was broken in.

/// A field of a [`crate::RegistrySpec`] that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value:?}, but {rule}")]
pub struct SpecError {
    field: &'static str,
    rule: &'static str,
    value: String,
}

impl SpecError {
    pub(crate) fn new(field: &'static str, rule: &'static str, value: &str) -> Self {
        SpecError {
            field,
            rule,
            value: value.to_owned(),
        }
    }

    /// The field, such as `storage.size`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// The rule that was broken, as half a sentence.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.rule
    }

    /// What was given.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// RFC 1123 label, as Kubernetes has it (`IsDNS1123Label`).
pub(crate) fn dns_label(field: &'static str, value: &str) -> Result<(), SpecError> {
    holds(
        is_label(value),
        field,
        "a name must be a DNS-1123 label: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit",
        value,
    )
}

/// RFC 1035 label: what the API server asks of a Service's name before Kubernetes 1.34 (`IsDNS1035Label`).
pub(crate) fn service_name(field: &'static str, value: &str) -> Result<(), SpecError> {
    holds(
        is_label(value) && value.starts_with(|first: char| first.is_ascii_lowercase()),
        field,
        "a Service's name must be a DNS label: 1 to 63 of a-z, 0-9 and '-', beginning with a letter, not ending with '-'",
        value,
    )
}

/// RFC 1123 subdomain (`IsDNS1123Subdomain`).
pub(crate) fn dns_subdomain(field: &'static str, value: &str) -> Result<(), SpecError> {
    holds(
        value.len() <= 253 && value.split('.').all(is_label),
        field,
        "a name must be a DNS-1123 subdomain: labels of a-z, 0-9 and '-', joined by '.', 253 characters at most",
        value,
    )
}

pub(crate) fn port(field: &'static str, value: u16) -> Result<(), SpecError> {
    holds(value != 0, field, "a port must be 1 to 65535", "0")
}

/// A positive Kubernetes quantity, without the rarely used exponent form.
/// Source: apimachinery `pkg/api/resource/quantity.go`.
pub(crate) fn quantity(field: &'static str, value: &str) -> Result<(), SpecError> {
    const SUFFIXES: [&str; 14] = [
        "", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let end = value
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(value.len());
    let (number, suffix) = value.split_at(end);
    let positive = number.starts_with(|c: char| c.is_ascii_digit())
        && number.parse::<f64>().is_ok_and(|number| number > 0.0);
    holds(
        positive && SUFFIXES.contains(&suffix),
        field,
        "a quantity must be a positive number with a Kubernetes suffix, such as 10Gi, 512Mi or 100m",
        value,
    )
}

pub(crate) fn absolute_path(field: &'static str, value: &str) -> Result<(), SpecError> {
    let clean = value.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != "..")
    });
    holds(
        clean && !value.chars().any(char::is_control),
        field,
        "a directory must be absolute, not the root, without '.', '..', '//' or a '/' at its end",
        value,
    )
}

/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
pub(crate) fn bucket(field: &'static str, value: &str) -> Result<(), SpecError> {
    holds(
        (3..=63).contains(&value.len()) && value.split('.').all(is_label),
        field,
        "a bucket must be 3 to 63 of a-z, 0-9, '-' and '.', with a letter or digit at both ends",
        value,
    )
}

pub(crate) fn region(field: &'static str, value: &str) -> Result<(), SpecError> {
    holds(
        is_label(value),
        field,
        "a region must be of a-z, 0-9 and '-', such as us-east-1",
        value,
    )
}

pub(crate) fn endpoint(field: &'static str, value: &str) -> Result<(), SpecError> {
    let shaped = value.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|host| !host.as_str().contains('@'))
            && uri.path() == "/"
            && uri.query().is_none()
    });
    holds(
        shaped,
        field,
        "an endpoint must be https://host:port or http://host:port, without user, path or query",
        value,
    )
}

/// An image reference by its alphabet and shape; the runtime has the last word.
/// Source: distribution `reference/reference.go`.
pub(crate) fn image(field: &'static str, value: &str, own_registry: &str) -> Result<(), SpecError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/:@[]".contains(c);
    let name = value.split('@').next().unwrap_or("");
    let shaped = value.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && value.ends_with(|c: char| c.is_ascii_alphanumeric())
        && value.chars().all(legal)
        && !value.contains("//")
        && value.matches('@').count() <= 1
        && name.rsplit('/').next().is_some_and(|last| {
            !last.is_empty()
                && !last
                    .chars()
                    .any(|c| c.is_ascii_uppercase() && !last.contains(':'))
        });
    holds(
        shaped,
        field,
        "an image must be a reference such as docker.io/library/registry:2.8.3",
        value,
    )?;
    holds(
        !value.starts_with(&format!("{own_registry}/")),
        field,
        "the registry's own image cannot lie in the registry that it starts",
        value,
    )
}

fn is_label(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&value.len())
        && value.chars().all(inner)
        && !value.starts_with('-')
        && !value.ends_with('-')
}

fn holds(
    condition: bool,
    field: &'static str,
    rule: &'static str,
    value: &str,
) -> Result<(), SpecError> {
    if condition {
        Ok(())
    } else {
        Err(SpecError::new(field, rule, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        for good in ["a", "a-1", "1a", &"x".repeat(63)] {
            assert!(dns_label("f", good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "é", &"x".repeat(64)] {
            assert!(dns_label("f", bad).is_err(), "{bad}");
        }
        assert!(service_name("f", "1a").is_err());
        assert!(dns_subdomain("f", "cluster.local").is_ok());
        assert!(dns_subdomain("f", "cluster..local").is_err());
    }

    #[test]
    fn quantities() {
        for good in ["1Gi", "0.5Gi", "100m", "1", "1500M"] {
            assert!(quantity("f", good).is_ok(), "{good}");
        }
        for bad in [
            "", "0", "0Gi", "-1Gi", "1GiB", "Gi", ".Gi", "1 Gi", "1.2.3Gi", "inf",
        ] {
            assert!(quantity("f", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths() {
        assert!(absolute_path("f", "/tmp/repository").is_ok());
        for bad in ["", "/", "tmp", "/tmp/", "/tmp/../etc", "//tmp", "/a\nb"] {
            assert!(absolute_path("f", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn images() {
        for good in [
            "registry",
            "registry:2",
            "docker.io/library/registry:2.8.3",
            "localhost:5001/registry:3.0.0-RC1",
            "quay.io/a/b@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            assert!(image("f", good, "docker-registry:5000").is_ok(), "{good}");
        }
        for bad in [
            "",
            "registry:",
            "re gistry",
            "Registry",
            "a//b",
            "/a",
            "a@b@c",
            "$(id)",
        ] {
            assert!(image("f", bad, "docker-registry:5000").is_err(), "{bad}");
        }
        let own = image(
            "f",
            "docker-registry:5000/registry:2",
            "docker-registry:5000",
        )
        .unwrap_err();
        assert!(own.rule().contains("own image"));
    }

    proptest! {
        #[test]
        fn no_rule_panics_and_every_error_names_its_field(value in any::<String>()) {
            for outcome in [
                dns_label("some.field", &value),
                service_name("some.field", &value),
                dns_subdomain("some.field", &value),
                quantity("some.field", &value),
                absolute_path("some.field", &value),
                bucket("some.field", &value),
                region("some.field", &value),
                endpoint("some.field", &value),
                image("some.field", &value, "r:5000"),
            ] {
                if let Err(error) = outcome {
                    prop_assert!(error.to_string().starts_with("some.field is "));
                }
            }
        }
    }
}
