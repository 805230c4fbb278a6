//! `rustls-pki-types`, asked as its users do: the first fault refuses the file.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::asn1_rs::{Any, FromDer as _};
use zeroize::Zeroize as _;

use super::{Refusal, fits_pkcs8, label_of};
use crate::Certificate;

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, Refusal> {
    CertificateDer::pem_slice_iter(pem)
        .map(|der| {
            let der = der.map_err(|_| Refusal::Damaged)?;
            Certificate::from_der(&der).map_err(|_| Refusal::Content)
        })
        .collect()
}

/// The label decides what is read, so that it must be the right one; aws-lc takes PKCS #8 for a
/// key of SEC 1 as well.
pub(super) fn key(pem: &[u8]) -> Result<(), Refusal> {
    use rustls_pki_types::pem::Error;
    let mut key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound => Refusal::Nothing,
        _ => Refusal::Damaged,
    })?;
    let fits = PrivateKeyDer::try_from(key.secret_der()).is_ok_and(|held| fits(&key, &held))
        && Any::from_der(key.secret_der()).is_ok();
    key.zeroize();
    if fits { Ok(()) } else { Err(Refusal::Content) }
}

fn fits(key: &PrivateKeyDer<'_>, held: &PrivateKeyDer<'_>) -> bool {
    match (key, held) {
        (PrivateKeyDer::Sec1(_), PrivateKeyDer::Pkcs8(held)) => fits_pkcs8(label_of(key), held),
        _ => label_of(key) == label_of(held),
    }
}
