//! Subject alternative names: the only names that clients look at.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::Error;

/// A name or address that a certificate is valid for (RFC 5280 section
/// 4.2.1.6). A port is never part of it.
///
/// Parse it from text to have it checked; an IP literal becomes [`San::Ip`],
/// because clients never match an address against a DNS name:
///
/// ```
/// use kreg_pki::San;
/// assert!(matches!("10.96.0.50".parse()?, San::Ip(_)));
/// assert!(matches!("*.registry.example".parse()?, San::Dns(_)));
/// assert!("docker-registry:5000".parse::<San>().is_err());
/// # Ok::<(), kreg_pki::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum San {
    /// A host name in lower case ASCII, possibly with `*` as its first label.
    Dns(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl San {
    /// Whether a certificate that lists `self` serves `endpoint`.
    ///
    /// Names compare without regard to case; `*` stands for exactly one
    /// leftmost label (RFC 6125 section 6.4.3) and needs two labels after it,
    /// which OpenSSL and webpki demand although Go does not. An IPv4 address inside IPv6
    /// (`::ffff:10.0.0.1`) is dialled as IPv4; a certificate that lists the long form serves
    /// neither, as OpenSSL and webpki have it, although Go does not mind.
    #[must_use]
    pub fn matches(&self, endpoint: &Self) -> bool {
        match (self, endpoint) {
            (Self::Ip(own), Self::Ip(asked)) => *own == asked.to_canonical(),
            (Self::Dns(own), Self::Dns(asked)) => dns_matches(own, asked),
            _ => false,
        }
    }

    /// Checks the rules that [`San::from_str`] applies, for values that were
    /// built by hand or read from a certificate.
    ///
    /// # Errors
    /// [`Error::San`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Ip(_) => Ok(()),
            Self::Dns(name) => check_dns(name).map_err(|reason| Error::San {
                name: name.clone(),
                reason,
            }),
        }
    }
}

/// Checks the name too: letters, digits and hyphens in labels of 1 to 63
/// characters, 253 in all (RFC 1035 section 2.3.4, RFC 1123 section 2.1).
impl FromStr for San {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Ip(ip.to_canonical()));
        }
        let san = Self::Dns(text.to_ascii_lowercase());
        san.validate().map(|()| san)
    }
}

impl From<IpAddr> for San {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl serde::Serialize for San {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn dns_matches(own: &str, asked: &str) -> bool {
    if own.eq_ignore_ascii_case(asked) {
        return true;
    }
    let (Some(suffix), Some((first, rest))) = (own.strip_prefix("*."), asked.split_once('.'))
    else {
        return false;
    };
    suffix.contains('.')
        && !first.is_empty()
        && !first.contains('*')
        && suffix.eq_ignore_ascii_case(rest)
}

fn check_dns(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err("it is an IP address written as a DNS name, which no client accepts");
    }
    if !name.is_ascii() {
        return Err("it is not ASCII; write it in punycode (xn--…)");
    }
    if name.contains("://") {
        return Err("it is a URL; give the host name alone");
    }
    if name.contains(':') {
        return Err("a port is never part of it; give the host name alone");
    }
    if name.contains('_') {
        return Err("underscores are not host name characters and some clients refuse them");
    }
    if name.ends_with('.') {
        return Err("leave out the final dot");
    }
    if name.len() > 253 {
        return Err("it is longer than 253 characters");
    }
    let labels = match name.strip_prefix("*.") {
        Some(rest) if !rest.contains('.') => {
            return Err("a wildcard needs two labels after it, as in *.registry.example");
        }
        Some(rest) => rest,
        None => name,
    };
    labels.split('.').try_for_each(check_label)?;
    match labels.rsplit('.').next() {
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => {
            Err("its last label is a number, so it reads as a broken IP address")
        }
        _ => Ok(()),
    }
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("it has an empty label (two dots in a row, or one in front)");
    }
    if label.len() > 63 {
        return Err("a label is longer than 63 characters");
    }
    if label.contains('*') {
        return Err("a wildcard is only allowed as the whole first label");
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a label begins or ends with a hyphen");
    }
    if label
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        Ok(())
    } else {
        Err("only letters, digits, hyphens and dots are allowed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_addresses_and_names() {
        for (text, shown) in [
            ("10.96.0.50", "10.96.0.50"),
            ("[fd00::50]", "fd00::50"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("Docker-Registry", "docker-registry"),
            ("*.Registry.example", "*.registry.example"),
        ] {
            assert_eq!(text.parse::<San>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, part) in [
            ("", "empty"),
            ("docker-registry:5000", "port"),
            ("https://registry", "URL"),
            ("regist\u{fc}r", "punycode"),
            ("docker_registry", "underscore"),
            ("registry.", "final dot"),
            ("a..b", "empty label"),
            ("*.local", "two labels"),
            ("a.*.example", "whole first label"),
            ("-a.example", "hyphen"),
            ("10.96.0", "number"),
            ("300.1.2.3", "number"),
            ("a b", "only letters"),
        ] {
            let error = text.parse::<San>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(San::Dns("10.96.0.50".into()).validate().is_err());
    }

    #[test]
    fn wildcard_is_one_label() {
        let wildcard: San = "*.registry.example".parse().unwrap();
        let covers = |name: &str| wildcard.matches(&San::Dns(name.into()));
        assert!(covers("a.registry.example") && covers("A.REGISTRY.example"));
        assert!(!covers("registry.example") && !covers("a.b.registry.example"));
        assert!(!San::Dns("*.local".into()).matches(&San::Dns("a.local".into())));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,80}") {
            let _ = text.parse::<San>();
        }

        #[test]
        fn what_parses_prints_and_parses_again(text in "[a-zA-Z0-9.*:-]{0,40}") {
            if let Ok(san) = text.parse::<San>() {
                prop_assert_eq!(&san.to_string().parse::<San>().unwrap(), &san);
                prop_assert!(san.matches(&san));
            }
        }
    }
}
