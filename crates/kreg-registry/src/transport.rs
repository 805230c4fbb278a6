//! How a client's bytes travel.

use std::sync::Arc;

use crate::tls::{TrustError, client_config, roots_of_pem};

/// How bytes travel.
#[derive(Clone, Debug)]
pub enum Transport {
    /// TLS under this configuration, see [`client_config`].
    Tls(Arc<rustls::ClientConfig>),
    /// None; for negative controls, and for registries that are not kreg's.
    PlainHttp,
}

impl Transport {
    /// TLS that trusts the certificates of this PEM bundle and nothing else.
    ///
    /// # Errors
    /// As [`roots_of_pem`].
    pub fn trusting(ca_pem: &str) -> Result<Transport, TrustError> {
        Ok(Transport::Tls(client_config(roots_of_pem(ca_pem)?)?))
    }
}
