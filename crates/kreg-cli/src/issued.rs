//! A certificate that was issued elsewhere, as `[tls]` and its flags name it.

use std::path::Path;

use kreg::Issued;

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
    match (&tls.cert, &tls.key, &tls.secret) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), None) => files(cert, key, tls.ca.as_deref()).map(Some),
        (None, None, Some(secret)) => of_secret(secret).map(Some),
        _ => Err(Error::usage(
            "[tls] must have both cert and key for a certificate that was issued elsewhere, or only secret",
        )
        .help("see `kreg init`")),
    }
}

fn files(cert: &Path, key: &Path, ca: Option<&Path>) -> Result<Issued, Error> {
    let read = |file: &Path| {
        std::fs::read(file).map_err(|cause| {
            Error::usage(format!("cannot read {}", file.display())).because(&cause)
        })
    };
    let text = String::from_utf8(read(key)?)
        .map_err(|cause| Error::usage(format!("{} is not PEM", key.display())).because(&cause))?;
    Ok(Issued::Pem {
        chain: read(cert)?,
        key: text.into(),
        ca: ca.map(read).transpose()?,
    })
}

fn of_secret(secret: &str) -> Result<Issued, Error> {
    match secret.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(Issued::Secret {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            })
        }
        _ => Err(Error::usage(format!(
            "`{secret}` does not name a Secret with its namespace"
        ))
        .help("write it as NAMESPACE/NAME")),
    }
}
