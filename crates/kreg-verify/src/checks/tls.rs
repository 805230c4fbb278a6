//! The chain as served, not as stored: what the registry shows to whoever connects.

use futures::future::BoxFuture;
use kreg_pki::lint::{Finding, Lint, Severity};
use kreg_pki::{Certificate, San};
use time::OffsetDateTime;

use crate::check::{Check, Context, Outcome};
use kreg_registry::{ConnectError, ServedChain, roots_of_pem, served_chain};

/// The served chain verifies under the CA bundle for the registry's name, today, and no client on
/// a node would refuse it.
///
/// The handshake shows what rustls says; what Go (containerd, dockerd, CRI-O) and OpenSSL say is
/// [`kreg_pki::lint`]'s: they refuse some chains that rustls takes, such as those of expired roots.
#[derive(Clone, Copy, Debug)]
pub struct Tls;

impl Check for Tls {
    fn name(&self) -> &str {
        "tls"
    }

    fn title(&self) -> String {
        "the certificate as served is valid under the CA".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let target = &context.target;
            let roots = match roots_of_pem(&target.ca_pem) {
                Ok(roots) => roots,
                Err(error) => return Outcome::failed_by(&error),
            };
            let served = match served_chain(context.dial.as_ref(), &target.host, roots).await {
                Ok(served) => served,
                Err(error) => return Outcome::failed_by(&error),
            };
            judge(context, &served, OffsetDateTime::now_utc())
                .with("reached by", context.dial.route())
        })
    }
}

fn judge(context: &Context, served: &ServedChain, now: OffsetDateTime) -> Outcome {
    let host = &context.target.host;
    let chain: Vec<_> = served
        .certificates
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .collect();
    let findings = lint(context, &chain, now);
    let mut outcome = verdict(host.name(), served, &chain, &findings, now)
        .unwrap_or_else(|fault| Outcome::failed_by(&ConnectError::tls(host, fault)));
    for certificate in &chain {
        outcome = outcome.with("served certificate", described(certificate));
    }
    for finding in findings {
        outcome = outcome.with("finding", format!("{finding}; {}", finding.remedy));
    }
    outcome
}

fn verdict(
    name: &str,
    served: &ServedChain,
    chain: &[Certificate],
    findings: &[Finding],
    now: OffsetDateTime,
) -> Result<Outcome, kreg_registry::TlsFault> {
    served.verified.clone()?;
    let Some(leaf) = chain.first() else {
        return Ok(Outcome::fail(
            "the served certificate cannot be read; issue a new one",
        ));
    };
    if let Some(finding) = findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
    {
        return Ok(Outcome::fail(format!("{finding}; {}", finding.remedy)));
    }
    let days = (leaf.not_after() - now).whole_days();
    let warnings = match findings.len() {
        0 => String::new(),
        count => format!(", {count} warnings"),
    };
    Ok(Outcome::pass(format!(
        "valid for {name}, {days} days left{warnings}"
    )))
}

/// What every kind of client would say, under the name that nodes use.
fn lint(context: &Context, chain: &[Certificate], now: OffsetDateTime) -> Vec<Finding> {
    if chain.is_empty() {
        return Vec::new(); // nothing was served: that is the handshake's matter
    }
    let pem: String = chain.iter().map(Certificate::to_pem).collect();
    let lint = Lint::new(&pem, &context.target.ca_pem, now);
    match context.target.host.name().parse::<San>() {
        Ok(name) => lint.endpoints([name]).run(),
        Err(_) => lint.run(),
    }
}

fn described(certificate: &Certificate) -> String {
    let names: Vec<_> = certificate.sans().iter().map(ToString::to_string).collect();
    format!(
        "subject {}; issuer {}; valid {} to {}; names {}",
        certificate.subject(),
        certificate.issuer(),
        certificate.not_before().date(),
        certificate.not_after().date(),
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        },
    )
}
