//! A certificate that was issued elsewhere, as `[tls]` and its flags name it.

use kreg::{Error as LibraryError, Issued};

use crate::config::sections::Tls;
use crate::error::Error;

/// Reads its files; `None` if kreg issues the certificate.
pub(crate) fn issued(tls: &Tls) -> Result<Option<Issued>, Error> {
    if tls.ca_key.is_some() && (tls.cert.is_some() || tls.secret.is_some()) {
        return Err(Error::usage(
            "[tls] says ca_key, which is for a CA of kreg's own, and a certificate of another",
        )
        .help("keep one of them in kreg.toml"));
    }
    let issued = match (&tls.cert, &tls.key, &tls.secret) {
        (None, None, None) => return Ok(None),
        (Some(cert), Some(key), None) => Issued::read(cert, key, tls.ca.as_deref()),
        (None, None, Some(secret)) => secret.parse(),
        _ => {
            return Err(Error::usage(
                "[tls] must have both cert and key for a certificate that was issued elsewhere, or only secret",
            )
            .help("see `kreg init`"));
        }
    };
    Ok(Some(issued.map_err(LibraryError::from)?))
}
