//! What a client trusts, and what a server shows of itself before trust comes into it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kreg_auth::RegistryHost;
use kreg_pki::TrustBundle;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use crate::dial::{Dial, within};
use crate::fault::{ConnectError, TlsFault};

/// A CA bundle that no client could use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not a single certificate in it.
    #[error("the CA bundle holds no certificate; give the PEM file of the registry's CA")]
    Empty,
    /// A block that is no PEM.
    #[error("certificate {number} of the CA bundle is no readable PEM block")]
    Pem {
        /// Which block, counted from 1.
        number: usize,
        /// What the reader said.
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate that cannot be a trust anchor.
    #[error("certificate {number} of the CA bundle cannot be trusted by any client")]
    Certificate {
        /// Which one, counted from 1.
        number: usize,
        /// Why.
        source: Error,
    },
    /// The cryptography does not fit together.
    #[error("the TLS library cannot be set up")]
    Library(#[source] Error),
}

/// The certificates of a PEM bundle as a client's only trust.
///
/// # Errors
/// [`TrustError`] if there is none, or one that cannot be read: a bundle is used whole or not at all.
pub fn roots_of_pem(bundle: &str) -> Result<RootCertStore, TrustError> {
    // rustls passes over what is indented or stands behind a byte order mark; kreg reads that, and
    // lint says who else does not.
    let whole = TrustBundle::from_pem(bundle, "the CA bundle").map(|read| read.to_pem());
    let bundle = whole.as_deref().unwrap_or(bundle);
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(bundle.as_bytes()).enumerate() {
        let number = index + 1;
        let certificate = certificate.map_err(|source| TrustError::Pem { number, source })?;
        roots
            .add(certificate)
            .map_err(|source| TrustError::Certificate { number, source })?;
    }
    if roots.is_empty() {
        Err(TrustError::Empty)
    } else {
        Ok(roots)
    }
}

/// A client's TLS configuration that trusts these roots and nothing of this machine.
///
/// The provider is named here, so that no process-wide default is needed or touched.
///
/// # Errors
/// [`TrustError::Library`] if the provider lacks what TLS needs.
pub fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, TrustError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Library)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificates that a server served, and what a client with given roots makes of them.
#[derive(Clone, Debug)]
pub struct ServedChain {
    /// DER, the server's own certificate first, as sent.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Whether the whole handshake succeeded under these roots and this name.
    pub verified: Result<(), TlsFault>,
}

/// How long a server may take to be connected to, and then to shake hands.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shakes hands with the registry as a client of `roots` does, and reports the chain either way.
/// A server that is silent for 30 seconds is [`TlsFault::Silent`].
///
/// # Errors
/// [`ConnectError`] only if no connection could be opened; a refused certificate is a result.
pub async fn served_chain(
    dial: &dyn Dial,
    host: &RegistryHost,
    roots: RootCertStore,
) -> Result<ServedChain, ConnectError> {
    served_within(dial, host, roots, PATIENCE).await
}

async fn served_within(
    dial: &dyn Dial,
    host: &RegistryHost,
    roots: RootCertStore,
    patience: Duration,
) -> Result<ServedChain, ConnectError> {
    let failed = |fault: TlsFault| ConnectError::tls(host, fault);
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| failed(TlsFault::Protocol(Error::General(error.to_string()))))?;
    let recorder = Arc::new(Recorder {
        verifier,
        seen: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(TlsFault::Protocol(error)))?
        .dangerous() // only records, then asks the ordinary verifier
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let stream = within(dial, patience).await.map_err(ConnectError::Dial)?;
    let hands = shake_hands(Arc::new(config), host, stream);
    let verified = match tokio::time::timeout(patience, hands).await {
        Ok(shaken) => shaken.map(drop),
        Err(_) => Err(TlsFault::Silent(patience)),
    };
    let certificates = recorder
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    Ok(ServedChain {
        certificates,
        verified,
    })
}

/// A client's side of the handshake over an open connection, with the registry's name as SNI.
pub(crate) async fn shake_hands<S: crate::dial::Io>(
    config: Arc<ClientConfig>,
    host: &RegistryHost,
    stream: S,
) -> Result<tokio_rustls::client::TlsStream<S>, TlsFault> {
    let name = ServerName::try_from(host.name().to_owned())
        .map_err(|error| TlsFault::Protocol(Error::General(error.to_string())))?;
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(TlsFault::of_io)
}

#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = all
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;

    use super::*;
    use crate::dial::{BoxedIo, DialError, TcpDial};

    const SHORT: Duration = Duration::from_millis(200);

    async fn served(dial: &dyn Dial) -> Result<ServedChain, ConnectError> {
        let host = "r:5000".parse().unwrap();
        let roots = roots_of_pem(include_str!("../tests/data/ca.pem")).unwrap();
        let asked = served_within(dial, &host, roots, SHORT);
        // Longer than any machine is late, and shorter than for ever.
        let limit = Duration::from_secs(20);
        tokio::time::timeout(limit, asked).await.unwrap()
    }

    #[tokio::test]
    async fn a_listener_that_never_answers_is_not_waited_for_without_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let found = served(&TcpDial::new(address)).await.unwrap();
        assert!(found.certificates.is_empty());
        let fault = found.verified.unwrap_err();
        assert!(matches!(fault, TlsFault::Silent(_)), "{fault}");
    }

    #[tokio::test]
    async fn neither_is_an_address_that_nothing_comes_back_from() {
        #[derive(Debug)]
        struct BlackHole;
        impl Dial for BlackHole {
            fn dial(&self) -> BoxFuture<'_, Result<BoxedIo, DialError>> {
                Box::pin(std::future::pending())
            }
            fn route(&self) -> String {
                "a black hole".to_owned()
            }
        }
        let error = served(&BlackHole).await.unwrap_err();
        assert!(matches!(error, ConnectError::Dial(_)), "{error}");
        assert!(error.to_string().contains("a black hole"), "{error}");
    }

    #[test]
    fn a_bundle_is_used_whole_or_not_at_all() {
        assert!(matches!(roots_of_pem(""), Err(TrustError::Empty)));
        assert!(matches!(
            roots_of_pem("no pem at all"),
            Err(TrustError::Empty)
        ));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            roots_of_pem(broken),
            Err(TrustError::Certificate { number: 1, .. })
        ));
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(
            roots_of_pem(cut),
            Err(TrustError::Pem { number: 1, .. })
        ));
        let make = |name| {
            let request = kreg_pki::AuthorityRequest::new(name);
            kreg_pki::Authority::generate(&request)
                .unwrap()
                .certificate_pem()
        };
        let odd = format!("\u{feff}{}  {}", make("a"), make("b"));
        assert_eq!(roots_of_pem(&odd).unwrap().len(), 2);
    }
}
