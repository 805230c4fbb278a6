//! The verdict of a rustls client with an explicit trust store.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

/// Verifies as a TLS client would: chain, dates, purpose, name.
pub(crate) fn verify(
    chain_pem: &str,
    trust_pem: &str,
    endpoint: &str,
    now: OffsetDateTime,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for root in certificates(trust_pem)? {
        roots
            .add(root)
            .map_err(|error| format!("anchor: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let chain = certificates(chain_pem)?;
    let (leaf, links) = chain.split_first().ok_or("empty chain")?;
    let name = ServerName::try_from(endpoint).map_err(|error| error.to_string())?;
    let seconds = u64::try_from(now.unix_timestamp()).map_err(|error| error.to_string())?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier
        .verify_server_cert(leaf, links, &name, &[], at)
        .map(drop)
        .map_err(|error| error.to_string())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}
