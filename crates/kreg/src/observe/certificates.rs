//! The certificate that the cluster holds, and the one that is served.

use kreg_k8s::RegistryState;
use kreg_pki::lint::{Finding, Lint, Severity};
use kreg_pki::{Certificate, TrustBundle};
use kreg_verify::doctor::{LintFinding, Observations};
use time::OffsetDateTime;

use crate::certificates::required;
use crate::error::Error;
use crate::registry::Registry;

/// The certificate that the cluster holds.
pub(super) fn held(
    registry: &Registry,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let (Some(chain), Some(bundle)) = (&state.tls_chain_pem, &state.ca_bundle_pem) else {
        return Ok(());
    };
    let now = OffsetDateTime::now_utc();
    let endpoints = required(registry, state)?;
    let lint = Lint::new(chain.as_bytes(), bundle.as_bytes(), now).endpoints(endpoints);
    let findings = match &state.tls_key_pem {
        Some(key) => lint.key(key).run(),
        None => lint.run(),
    };
    seen.certificates.held = findings.into_iter().map(finding).collect();
    let held = in_cluster(state);
    if let Some(leaf) = held.first() {
        seen.certificates.described = described(leaf);
    }
    let trusted = TrustBundle::from_pem(bundle, "the CA bundle").unwrap_or_default();
    seen.certificates.ends_in_days = held
        .iter()
        .chain(trusted.issuers_of(&held))
        .filter(|one| one.needs_renewal(now, one.renewal_threshold()))
        .map(|one| (one.not_after() - now).whole_days())
        .min();
    Ok(())
}

/// The served chain, where it is not the one that the cluster holds.
pub(super) fn served(
    registry: &Registry,
    state: &RegistryState,
    chain: &[Certificate],
    bundle: &str,
    seen: &mut Observations,
) -> Result<(), Error> {
    let held = in_cluster(state);
    let (Some(held), Some(shown)) = (held.first(), chain.first()) else {
        return Ok(());
    };
    if held == shown {
        return Ok(());
    }
    let pem: String = chain.iter().map(Certificate::to_pem).collect();
    let endpoints = required(registry, state)?;
    let lint = Lint::new(pem.as_bytes(), bundle.as_bytes(), OffsetDateTime::now_utc());
    let findings = lint.endpoints(endpoints).run();
    seen.certificates.served = findings.into_iter().map(finding).collect();
    seen.certificates.differ = Some((described(held), described(shown)));
    Ok(())
}

/// What cannot be read is a finding of lint, and no certificate here.
fn in_cluster(state: &RegistryState) -> Vec<Certificate> {
    let chain = state.tls_chain_pem.as_deref().unwrap_or_default();
    Certificate::all_from_pem(chain, "the registry's certificate").unwrap_or_default()
}

fn finding(one: Finding) -> LintFinding {
    LintFinding {
        code: one.code.to_string(),
        subject: one.subject,
        message: one.message,
        remedy: one.remedy.to_owned(),
        error: one.severity == Severity::Error,
    }
}

fn described(leaf: &Certificate) -> String {
    let names: Vec<_> = leaf.sans().iter().map(ToString::to_string).collect();
    format!(
        "{}, issued by {}, valid {} to {}, names: {}",
        leaf.subject(),
        leaf.issuer(),
        leaf.not_before().date(),
        leaf.not_after().date(),
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    )
}
