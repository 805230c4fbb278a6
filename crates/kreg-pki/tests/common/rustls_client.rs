//! The verdict of a rustls client with an explicit trust store.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
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

/// What a rustls server does at start: refuses a key that does not fit.
pub(crate) fn serve(chain_pem: &str, key_pem: &str) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|e| e.to_string())?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(certificates(chain_pem)?, key, &provider)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// The part of the handshake in which the leaf's own key counts.
pub(crate) fn check_handshake(
    chain_pem: &str,
    (message, signature): &(Vec<u8>, Vec<u8>),
) -> Result<(), String> {
    let chain = certificates(chain_pem)?;
    let leaf = webpki::EndEntityCert::try_from(&chain[0]).map_err(|e| e.to_string())?;
    rustls::crypto::aws_lc_rs::default_provider()
        .signature_verification_algorithms
        .mapping
        .iter()
        .flat_map(|(_, algorithms)| *algorithms)
        .map(|algorithm| leaf.verify_signature(*algorithm, message, signature))
        .reduce(Result::or)
        .ok_or("no algorithm in this rustls")?
        .map_err(|error| format!("handshake: {error}"))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}
