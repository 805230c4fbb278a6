//! Why there is no connection to a registry.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use kreg_auth::RegistryHost;
use rustls::{CertificateError, Error, InvalidMessage};

use crate::dial::DialError;

/// Why there is no connection to speak over.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not even a plain connection.
    #[error(transparent)]
    Dial(DialError),
    /// A connection, but no TLS over it.
    #[error("TLS with {host} failed; {advice}")]
    Tls {
        /// Under which name.
        host: String,
        /// What to do next.
        advice: &'static str,
        /// What went wrong.
        source: TlsFault,
    },
}

impl ConnectError {
    /// A TLS handshake with this registry that failed so.
    #[must_use]
    pub fn tls(host: &RegistryHost, source: TlsFault) -> ConnectError {
        ConnectError::Tls {
            host: host.to_string(),
            advice: advice(&source),
            source,
        }
    }

    /// The TLS failure, if it was one.
    #[must_use]
    pub fn fault(&self) -> Option<&TlsFault> {
        match self {
            ConnectError::Tls { source, .. } => Some(source),
            ConnectError::Dial(_) => None,
        }
    }
}

fn advice(fault: &TlsFault) -> &'static str {
    use rustls::CertificateError as C;
    match (fault, fault.certificate()) {
        (_, Some(C::UnknownIssuer | C::BadSignature)) => {
            "the served certificate is not signed by the given CA: is it the CA of this registry, and was the registry restarted after its certificate changed?"
        }
        (_, Some(C::Expired | C::ExpiredContext { .. })) => {
            "the served certificate has expired: renew it"
        }
        (_, Some(C::NotValidYet | C::NotValidYetContext { .. })) => {
            "the served certificate is not valid yet: compare the clocks"
        }
        (_, Some(C::NotValidForName | C::NotValidForNameContext { .. })) => {
            "the served certificate is not for this name: issue one whose subject alternative names hold it"
        }
        (_, Some(_)) => "look at the served certificate",
        (TlsFault::NotTls, _) => {
            "give the registry a certificate and key (REGISTRY_HTTP_TLS_CERTIFICATE, _KEY)"
        }
        _ => "look at the registry's log",
    }
}

/// A TLS handshake that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The server does not speak TLS.
    #[error("the server does not speak TLS; it seems to speak plain HTTP")]
    NotTls,
    /// The two sides could not agree, or a certificate was refused.
    #[error("{0}")]
    Protocol(Error),
    /// The connection broke.
    #[error("the connection broke during the TLS handshake: {0}")]
    Broken(Arc<io::Error>),
    /// The server took the connection, and no more.
    #[error("the server did not answer the TLS handshake within {} s", .0.as_secs())]
    Silent(Duration),
}

impl TlsFault {
    /// Why the certificate was refused, if that is what happened.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateError> {
        match self {
            TlsFault::Protocol(Error::InvalidCertificate(error)) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn of_io(error: io::Error) -> TlsFault {
        let inner = error
            .get_ref()
            .and_then(|inner| (inner as &(dyn StdError + 'static)).downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => TlsFault::NotTls,
            Some(inner) => TlsFault::Protocol(inner.clone()),
            None => TlsFault::Broken(Arc::new(error)),
        }
    }
}
