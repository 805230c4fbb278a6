//! What each client checks along one path, from leaf to anchor.
//!
//! Sources: Go `src/crypto/x509/verify.go` and `x509.go` (`CheckSignatureFrom`),
//! OpenSSL 3 `crypto/x509/x509_vfy.c` and `v3_purp.c`, webpki `verify_cert.rs`.
//! rustls takes a trust anchor for its name and key alone, so most rules about
//! the last certificate are not its own.

use time::OffsetDateTime;

use super::facts::{Facts, SHA_224};
use super::finding::{Client, Code, Finding};
use super::path::Path;
use crate::{PublicKey, San};

use Client::{Go, OpenSsl, Rustls};

/// Place of a certificate in its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Leaf,
    Link,
    Anchor,
}

/// Everything that is wrong on `path` at `now`.
pub(super) fn check(path: &Path<'_>, now: OffsetDateTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let end = path.len() - 1;
    for (index, facts) in path.iter().enumerate() {
        let below = index.checked_sub(1).and_then(|below| path.get(below));
        let role = match index {
            0 => Role::Leaf,
            _ if index == end => Role::Anchor,
            _ => Role::Link,
        };
        dates(facts, role, now, &mut findings);
        extended_usage(facts, role, &mut findings);
        keys(facts, role, end == 0, &mut findings);
        signature(facts, index == end, end == 0, &mut findings);
        serial(facts, &mut findings);
        critical_extensions(facts, role, &mut findings);
        if let Some(below) = below {
            issuing(facts, role, index - 1, &mut findings);
            naming(below, facts, &mut findings);
        }
        names(&path[..index], facts, &mut findings);
    }
    anchor(path, &mut findings);
    findings
}

fn dates(facts: &Facts, role: Role, now: OffsetDateTime, findings: &mut Vec<Finding>) {
    let own = &facts.certificate;
    // webpki never looks at an anchor's dates.
    let clients: &[Client] = match role {
        Role::Anchor => &[Go, OpenSsl],
        Role::Leaf | Role::Link => &Client::ALL,
    };
    if let Some((code, message)) = out_of_date(facts, now) {
        findings.push(finding(code, own.subject(), message, clients));
    } else if now >= own.not_after() {
        // OpenSSL alone does not count the last second (`X509_cmp_time`).
        let message = format!("its last second is {}", own.not_after());
        findings.push(finding(Code::Expired, own.subject(), message, &[OpenSsl]));
    }
}

/// The date finding of one certificate, wherever it stands.
pub(super) fn out_of_date(facts: &Facts, now: OffsetDateTime) -> Option<(Code, String)> {
    let own = &facts.certificate;
    if now > own.not_after() {
        Some((Code::Expired, format!("it expired at {}", own.not_after())))
    } else if now < own.not_before() {
        let message = format!("it becomes valid at {}", own.not_before());
        Some((Code::NotYetValid, message))
    } else {
        None
    }
}

fn extended_usage(facts: &Facts, role: Role, findings: &mut Vec<Finding>) {
    let Some(usage) = facts.extended.filter(|usage| !usage.server_auth) else {
        return;
    };
    // Go takes `any` for everything; a CA's usages bind its leaves for Go and
    // OpenSSL, and for webpki unless it is the anchor.
    let refuses = |client: &Client| match client {
        Go => !usage.any,
        Rustls => role != Role::Anchor,
        OpenSsl => true,
    };
    findings.push(Finding::new(
        Code::EkuWrong,
        facts.certificate.subject(),
        "its extended key usage leaves out serverAuth",
        Client::ALL.into_iter().filter(refuses),
    ));
}

fn keys(facts: &Facts, role: Role, alone: bool, findings: &mut Vec<Finding>) {
    let own = &facts.certificate;
    match own.key() {
        PublicKey::Rsa(bits) if bits < 2048 => {
            // Go's crypto/rsa refuses under 1024 bits since 1.24; OpenSSL at
            // level 2 under 2048; aws-lc and ring under 2048, for a leaf in
            // the handshake and for an issuer in the chain.
            let mut clients = vec![OpenSsl, Rustls];
            if bits < 1024 && !(role == Role::Leaf && alone) {
                clients.push(Go);
            }
            let message = format!("its RSA key has {bits} bits only");
            findings.push(finding(Code::WeakKey, own.subject(), message, &clients));
        }
        PublicKey::EcdsaP256 | PublicKey::EcdsaP384 | PublicKey::Rsa(_) => {}
        PublicKey::Other => findings.push(finding(
            Code::UnevenKey,
            own.subject(),
            "its key is of a kind that Go and rustls do not know",
            &[Go, Rustls],
        )),
        other => {
            let message = format!("not every client knows its kind of key ({other})");
            findings.push(finding(Code::UnevenKey, own.subject(), message, &[]));
        }
    }
}

fn signature(facts: &Facts, is_end: bool, alone: bool, findings: &mut Vec<Finding>) {
    let Some(hash) = facts.weak_hash else {
        return;
    };
    // An anchor's signature proves nothing and is not looked at, except that
    // webpki checks a lone self-signed leaf like any other.
    let clients: &[Client] = match (is_end, alone) {
        (false, _) if hash == SHA_224 => &[Go, Rustls],
        (false, _) => &Client::ALL,
        (true, true) => &[Rustls],
        (true, false) => &[],
    };
    findings.push(finding(
        Code::WeakSignature,
        facts.certificate.subject(),
        format!("it is signed with {hash}"),
        clients,
    ));
}

fn serial(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.negative_serial {
        // Go 1.23 and later do not even parse it; in a trust file it vanishes.
        findings.push(finding(
            Code::BadSerial,
            facts.certificate.subject(),
            "its serial number is negative",
            &[Go],
        ));
    }
}

/// The rules for certificates that sign others; `below` counts the
/// intermediates between it and the leaf.
fn issuing(facts: &Facts, role: Role, below: usize, findings: &mut Vec<Finding>) {
    let subject = facts.certificate.subject();
    let tolerated_by_openssl = match facts.basic {
        Some(basic) => basic.ca,
        // No extension: at the end of the path a v1 root, or key usage alone, is let through.
        None => {
            let vouched = facts.is_v1 || facts.usage.is_some_and(|usage| usage.cert_sign);
            role == Role::Anchor && vouched
        }
    };
    let refuses = |client: &Client| match client {
        Go => !facts.is_ca() && (role == Role::Link || !facts.is_v1),
        OpenSsl => !tolerated_by_openssl,
        Rustls => !facts.is_ca() && role == Role::Link,
    };
    let refusing: Vec<_> = Client::ALL.into_iter().filter(refuses).collect();
    if !facts.is_ca() {
        findings.push(finding(
            Code::IssuerNotCa,
            subject,
            "it issued another certificate but lacks basic constraints CA:TRUE",
            &refusing,
        ));
    }
    if facts.usage.is_some_and(|usage| !usage.cert_sign) {
        findings.push(finding(
            Code::IssuerKeyUsage,
            subject,
            "its key usage lacks keyCertSign",
            &[Go, OpenSsl],
        ));
    }
    let allowed = facts.basic.and_then(|basic| basic.path_len);
    if let Some(allowed) = allowed.filter(|most| (*most as usize) < below) {
        let clients: &[Client] = match role {
            Role::Anchor => &[Go, OpenSsl],
            Role::Leaf | Role::Link => &Client::ALL,
        };
        findings.push(finding(
            Code::PathTooLong,
            subject,
            format!("it allows {allowed} intermediates below it and has {below}"),
            clients,
        ));
    }
    if facts
        .limits
        .as_ref()
        .is_some_and(|limits| limits.has_others)
    {
        findings.push(finding(
            Code::NameConstraints,
            subject,
            "it limits directory names, e-mail addresses or URIs below it",
            &[],
        ));
    }
}

/// Who signed a certificate and whom it names as its signer.
fn naming(below: &Facts, issuer: &Facts, findings: &mut Vec<Finding>) {
    if below.names_another_issuer(issuer) {
        findings.push(finding(
            Code::IssuerMismatch,
            below.certificate.subject(),
            format!(
                "its authority key identifier is not that of {}, which signed it",
                issuer.certificate.subject()
            ),
            &[OpenSsl],
        ));
    }
}

/// The names of everything below a CA, against what that CA may issue for.
fn names(below: &[&Facts], facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(limits) = &facts.limits else { return };
    for (index, lower) in below.iter().enumerate() {
        let sans = lower.certificate.sans();
        let forbidden = |name: &San, clients: &[Client]| {
            let message = format!(
                "{} may not issue for {name}, which it lists",
                facts.certificate.subject()
            );
            finding(
                Code::NameForbidden,
                lower.certificate.subject(),
                message,
                clients,
            )
        };
        let found = sans.iter().filter(|name| limits.forbid(name));
        findings.extend(found.map(|name| forbidden(name, &Client::ALL)));
        // OpenSSL takes the leaf's common name for a DNS name where none is listed.
        let no_dns = !sans.iter().any(|san| matches!(san, San::Dns(_)));
        for name in lower.common_names.iter().filter(|_| index == 0 && no_dns) {
            let name = San::Dns(name.to_ascii_lowercase());
            if name.validate().is_ok() && limits.forbid(&name) {
                findings.push(forbidden(&name, &[OpenSsl]));
            }
        }
    }
}

fn critical_extensions(facts: &Facts, role: Role, findings: &mut Vec<Finding>) {
    let critical = &facts.critical;
    if !critical.unknown.is_empty() {
        // Of an anchor rustls takes name, key and name constraints alone.
        let refusing = critical.refused_by.iter().copied();
        let refusing: Vec<_> = refusing
            .filter(|client| role != Role::Anchor || *client != Rustls)
            .collect();
        findings.push(finding(
            Code::CriticalExtension,
            facts.certificate.subject(),
            format!(
                "it has a critical extension {}",
                critical.unknown.join(", ")
            ),
            &refusing,
        ));
    }
}

/// The rules about the two ends of the path together.
fn anchor(path: &Path<'_>, findings: &mut Vec<Finding>) {
    let (Some(leaf), Some(end)) = (path.first(), path.last()) else {
        return;
    };
    let alone = path.len() == 1;
    if alone && leaf.is_issued_by(leaf) {
        findings.push(finding(
            Code::SelfSignedLeaf,
            leaf.certificate.subject(),
            "it vouches for itself, so each renewal is a new anchor",
            &[],
        ));
    } else if alone {
        // Go looks for the exact certificate before it builds a path.
        findings.push(finding(
            Code::LeafAsAnchor,
            leaf.certificate.subject(),
            "it is trusted by itself, without the CA that issued it",
            &[OpenSsl, Rustls],
        ));
    } else if !end.looks_self_signed() {
        findings.push(finding(
            Code::AnchorNotRoot,
            end.certificate.subject(),
            "it is trusted but is an intermediate, not a root",
            &[OpenSsl],
        ));
    }
    if !alone && leaf.certificate.is_self_issued() {
        let clients: &[Client] = if leaf.looks_self_signed() {
            &[OpenSsl]
        } else {
            &[]
        };
        findings.push(finding(
            Code::SameSubject,
            leaf.certificate.subject(),
            "the CA that issued it has the same subject",
            clients,
        ));
    }
}

fn finding(code: Code, subject: &str, message: impl Into<String>, by: &[Client]) -> Finding {
    Finding::new(code, subject, message, by.iter().copied())
}
