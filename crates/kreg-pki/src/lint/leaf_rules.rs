//! What a server certificate must be by itself, no matter who issued it.

use std::net::IpAddr;

use time::Duration;

use super::facts::Facts;
use super::finding::{Client, Code, Finding};
use crate::San;

use Client::{Go, OpenSsl, Rustls};

/// Longest life that Apple's verifier accepts (support.apple.com/HT210176).
const LONGEST: Duration = Duration::days(825);

/// Everything about the leaf that needs no path: bits, names, length of life.
pub(super) fn check(leaf: &Facts, endpoints: &[San]) -> Vec<Finding> {
    let mut findings = Vec::new();
    usages(leaf, &mut findings);
    if leaf.certificate.sans().is_empty() {
        no_names(leaf, endpoints, &mut findings);
    } else {
        listed_names(leaf, endpoints, &mut findings);
        endpoints_covered(leaf, endpoints, &mut findings);
    }
    findings
}

fn usages(leaf: &Facts, findings: &mut Vec<Finding>) {
    let own = &leaf.certificate;
    let mut add = |code, message: &str, clients: &[Client]| {
        findings.push(Finding::new(
            code,
            own.subject(),
            message,
            clients.iter().copied(),
        ));
    };
    if leaf.is_ca() {
        add(
            Code::CaAsLeaf,
            "it is a server certificate and says CA:TRUE",
            &[Rustls],
        );
    }
    if leaf.usage.is_some_and(|usage| !usage.serves) {
        add(
            Code::LeafKeyUsage,
            "its key usage has neither digitalSignature nor keyEncipherment",
            &[OpenSsl],
        );
    }
    if leaf.extended.is_none() {
        add(Code::EkuAbsent, "it has no extended key usage", &[]);
    }
    let life = own.not_after() - own.not_before();
    if life > LONGEST {
        add(
            Code::LongLived,
            &format!("it is valid for {} days", life.whole_days()),
            &[],
        );
    }
}

fn no_names(leaf: &Facts, endpoints: &[San], findings: &mut Vec<Finding>) {
    // OpenSSL alone still falls back to the common names.
    let by_common_name = |endpoint: &San| match endpoint {
        San::Dns(asked) => by_common_name(leaf, asked),
        San::Ip(_) => false,
    };
    let mut clients = vec![Go, Rustls];
    if !endpoints.iter().all(by_common_name) {
        clients.push(OpenSsl);
    }
    findings.push(Finding::new(
        Code::NoSan,
        leaf.certificate.subject(),
        if leaf.has_san {
            "its subject alternative names hold neither a DNS name nor an address"
        } else {
            "it has a common name only, which Go and rustls ignore"
        },
        clients,
    ));
}

fn listed_names(leaf: &Facts, endpoints: &[San], findings: &mut Vec<Finding>) {
    for san in leaf.certificate.sans() {
        let San::Dns(name) = san else { continue };
        if let Ok(ip) = name.parse::<IpAddr>() {
            let wanted = endpoints.contains(&San::Ip(ip)) && !leaf.certificate.covers(&San::Ip(ip));
            findings.push(Finding::new(
                Code::IpAsDns,
                leaf.certificate.subject(),
                format!("it lists the address {ip} as a DNS name, which never matches"),
                Client::ALL.into_iter().filter(|_| wanted),
            ));
        } else if let Err(error) = san.validate() {
            findings.push(Finding::new(
                Code::OddName,
                leaf.certificate.subject(),
                error.to_string(),
                [],
            ));
        }
    }
}

fn endpoints_covered(leaf: &Facts, endpoints: &[San], findings: &mut Vec<Finding>) {
    let sans = leaf.certificate.sans();
    for endpoint in endpoints {
        let written_as_dns = San::Dns(endpoint.to_string());
        if matches!(endpoint, San::Ip(_)) && sans.contains(&written_as_dns) {
            continue; // said better by `ip-as-dns`
        }
        let refuses = |client: &Client| !serves(*client, leaf, endpoint);
        let refusing: Vec<_> = Client::ALL.into_iter().filter(refuses).collect();
        if !refusing.is_empty() {
            let listed: Vec<_> = sans.iter().map(ToString::to_string).collect();
            findings.push(Finding::new(
                Code::NameNotCovered,
                leaf.certificate.subject(),
                format!(
                    "it is not valid for {endpoint}, only for {}",
                    listed.join(", ")
                ),
                refusing,
            ));
        }
    }
}

/// Whether the client accepts the certificate under this name. All agree but
/// for some leniencies: Go lets `*.local` stand for `a.local` and
/// `::ffff:10.0.0.1` for `10.0.0.1`; OpenSSL lets `reg*.example.com` stand for
/// `reg1.example.com`, and falls back to the common names where no DNS name is
/// listed.
fn serves(client: Client, leaf: &Facts, endpoint: &San) -> bool {
    let sans = leaf.certificate.sans();
    if leaf.certificate.covers(endpoint) {
        return true;
    }
    let asked = match endpoint {
        San::Dns(asked) => asked,
        San::Ip(asked) => {
            let same = |san: &San| matches!(san, San::Ip(own) if own.to_canonical() == *asked);
            return client == Go && sans.iter().any(same);
        }
    };
    match client {
        Go => asked.split_once('.').is_some_and(|(_, rest)| {
            sans.contains(&San::Dns(format!("*.{}", rest.to_ascii_lowercase())))
        }),
        OpenSsl => {
            let mut listed = sans.iter().filter_map(|san| match san {
                San::Dns(name) => Some(name),
                San::Ip(_) => None,
            });
            match listed.next() {
                None => by_common_name(leaf, asked),
                Some(first) => std::iter::once(first)
                    .chain(listed)
                    .any(|pattern| openssl_matches(pattern, asked)),
            }
        }
        Rustls => false,
    }
}

fn by_common_name(leaf: &Facts, asked: &str) -> bool {
    leaf.common_names
        .iter()
        .any(|name| openssl_matches(name, asked))
}

/// OpenSSL's `equal_wildcard` (crypto/x509/v3_utl.c) with its default flags: one `*` at the
/// start or the end of the first label, and two labels after it.
fn openssl_matches(pattern: &str, asked: &str) -> bool {
    if pattern.eq_ignore_ascii_case(asked) {
        return true;
    }
    let (Some((label, rest)), Some((first, asked_rest))) =
        (pattern.split_once('.'), asked.split_once('.'))
    else {
        return false;
    };
    let Some((head, tail)) = label.split_once('*') else {
        return false;
    };
    let (first, head, tail) = (
        first.to_ascii_lowercase(),
        head.to_ascii_lowercase(),
        tail.to_ascii_lowercase(),
    );
    let whole = head.is_empty() && tail.is_empty();
    rest.contains('.')
        && !rest.contains('*')
        && rest.eq_ignore_ascii_case(asked_rest)
        && (head.is_empty() || tail.is_empty())
        && !tail.contains('*')
        && first.len() >= head.len() + tail.len() + usize::from(whole)
        && first.starts_with(&head)
        && first.ends_with(&tail)
        && (whole || !first.starts_with("xn--"))
}
