//! The registry's certificate.

use crate::doctor::{Action, Diagnosis, LintFinding, Observations, Signature};

/// Which signature a finding of kreg-pki's lint is.
fn signature(code: &str) -> Signature {
    match code {
        "expired" => Signature::CertificateExpired,
        "not-yet-valid" => Signature::CertificateNotYetValid,
        "untrusted" => Signature::CertificateWrongCa,
        "no-san" => Signature::CertificateCnOnly,
        "name-not-covered" | "ip-as-dns" => Signature::CertificateNameMissing,
        "key-mismatch" | "key-unusable" => Signature::KeyMismatch,
        _ => Signature::CertificateRefused,
    }
}

/// Errors of the certificate that the cluster holds; or, where another is served, of that one.
pub(super) fn certificate(seen: &Observations) -> Vec<Diagnosis> {
    let mut found: Vec<Diagnosis> = Vec::new();
    let held = seen.certificates.held.iter().map(|one| (one, "held"));
    let served = seen.certificates.served.iter().map(|one| (one, "served"));
    for (finding, which) in held.chain(served).filter(|(one, _)| one.error) {
        let id = signature(&finding.code);
        match found.iter_mut().find(|known| known.id == id) {
            Some(known) => known.evidence.push(evidence(finding, which)),
            None => found.push(diagnosed(seen, id, finding, which)),
        }
    }
    found
}

fn evidence(finding: &LintFinding, which: &str) -> String {
    format!("{which}: {}: {}", finding.subject, finding.message)
}

fn diagnosed(seen: &Observations, id: Signature, finding: &LintFinding, which: &str) -> Diagnosis {
    let registry = &seen.registry;
    let cause = match id {
        Signature::CertificateExpired => "a certificate of the registry has expired".to_owned(),
        Signature::CertificateNotYetValid => {
            "the registry's certificate is not valid yet: it was made under another clock, or the clocks differ".to_owned()
        }
        Signature::CertificateWrongCa => {
            "the registry's certificate is not signed by the CA that the nodes trust".to_owned()
        }
        Signature::CertificateCnOnly => {
            "the registry's certificate has a common name only, which clients do not look at any more".to_owned()
        }
        Signature::CertificateNameMissing => format!(
            "the registry's certificate does not name what nodes connect to ({})",
            registry.endpoint
        ),
        Signature::KeyMismatch => {
            "the registry's private key does not belong to its certificate".to_owned()
        }
        _ => format!("clients refuse the registry's certificate: {}", finding.message),
    };
    let one = Diagnosis::new(id, cause)
        .seen(evidence(finding, which))
        .seen_all(
            (!seen.certificates.described.is_empty()).then(|| seen.certificates.described.clone()),
        )
        .about(format!(
            "Secret {}/{}",
            registry.namespace, registry.tls_secret
        ));
    match id {
        Signature::CertificateNotYetValid => one
            .fix("compare the clocks: date -u, here and on the nodes")
            .fix(Action::RenewLeaf),
        _ => one.fix(Action::RenewLeaf).fix(Action::LintCertificates),
    }
}

/// distribution reads its certificate at its start only.
pub(super) fn not_served(seen: &Observations) -> Vec<Diagnosis> {
    let Some((held, served)) = &seen.certificates.differ else {
        return Vec::new();
    };
    let registry = &seen.registry;
    vec![
        Diagnosis::new(
            Signature::CertificateNotServed,
            "the registry serves another certificate than the cluster holds: it was not restarted since",
        )
        .warning()
        .seen(format!("held: {held}"))
        .seen(format!("served: {served}"))
        .about(format!("Secret {}/{}", registry.namespace, registry.tls_secret))
        .fix(Action::Apply(None)),
    ]
}

pub(super) fn ends_soon(seen: &Observations) -> Vec<Diagnosis> {
    let Some(days) = seen.certificates.ends_in_days.filter(|days| *days >= 0) else {
        return Vec::new();
    };
    vec![
        Diagnosis::new(
            Signature::CertificateEndsSoon,
            format!("a certificate of the registry ends in {days} days; then every pull fails"),
        )
        .warning()
        .seen(&seen.certificates.described)
        .fix(Action::RenewLeaf),
    ]
}
