//! The chain as served, not as stored: what the registry shows to whoever connects.

use futures::future::BoxFuture;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;

use super::certificate::Facts;
use crate::check::{Check, Context, Outcome};
use crate::registry::{ConnectError, ServedChain, roots_of_pem, served_chain};

/// The served chain verifies under the CA bundle for the registry's name, today.
///
/// The bundle's certificates must be in date too: this program's verifier takes an expired root,
/// the Go programs on the nodes (containerd, dockerd, CRI-O) do not.
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
            let chain = match served_chain(context.dial.as_ref(), &target.host, roots).await {
                Ok(chain) => chain,
                Err(error) => return Outcome::failed_by(&error),
            };
            let now = OffsetDateTime::now_utc();
            let mut outcome = judge(context, &chain, &bundle(&target.ca_pem), now);
            for certificate in &chain.certificates {
                let facts = Facts::of(certificate);
                let text =
                    facts.map_or_else(|| "not readable".to_owned(), |facts| facts.to_string());
                outcome = outcome.with("served certificate", text);
            }
            outcome.with("reached by", context.dial.route())
        })
    }
}

fn judge(context: &Context, chain: &ServedChain, bundle: &[Facts], now: OffsetDateTime) -> Outcome {
    let host = &context.target.host;
    if let Err(fault) = &chain.verified {
        return Outcome::failed_by(&ConnectError::tls(host, fault.clone()));
    }
    if let Some(stale) = bundle.iter().find(|facts| !facts.is_valid_at(now)) {
        return Outcome::fail(format!(
            "the CA bundle holds a certificate that is out of date, which container runtimes refuse: {stale}"
        ));
    }
    let Some(leaf) = chain.certificates.first().and_then(|der| Facts::of(der)) else {
        return Outcome::fail("the served certificate cannot be read; issue a new one");
    };
    let days = (leaf.not_after - now).whole_days();
    Outcome::pass(format!("valid for {}, {days} days left", host.name()))
}

fn bundle(ca_pem: &str) -> Vec<Facts> {
    CertificateDer::pem_slice_iter(ca_pem.as_bytes())
        .filter_map(Result::ok)
        .filter_map(|der| Facts::of(&der))
        .collect()
}
