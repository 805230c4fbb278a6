//! Opens the connections that requests go over: dial, then TLS under the registry's own name.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use kreg_auth::RegistryHost;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tower_service::Service;

use super::client::Transport;
use super::tls::{TlsFault, shake_hands};
use crate::dial::{BoxedIo, Dial, DialError};

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
    pub(crate) fn tls(host: &RegistryHost, source: TlsFault) -> ConnectError {
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
            "the served certificate has expired: renew it (`kreg cert renew`)"
        }
        (_, Some(C::NotValidYet | C::NotValidYetContext { .. })) => {
            "the served certificate is not valid yet: compare the clocks"
        }
        (_, Some(C::NotValidForName | C::NotValidForNameContext { .. })) => {
            "the served certificate is not for this name: issue one whose subject alternative names hold it"
        }
        (_, Some(_)) => "look at the served certificate (`kreg cert lint`)",
        (TlsFault::NotTls, _) => {
            "give the registry a certificate and key (REGISTRY_HTTP_TLS_CERTIFICATE, _KEY)"
        }
        _ => "look at the registry's log",
    }
}

/// Bytes asked of a connection at a time. rustls alone asks for 4 KiB: four calls of the kernel for a record.
const READ: usize = 128 << 10;

/// Gives hyper its connections; every one leads to the one registry, whatever the URL says.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) host: RegistryHost,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) transport: Transport,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<TokioIo<Wire>, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let stream = connector.dial.dial().await.map_err(ConnectError::Dial)?;
            let stream: BoxedIo = match connector.transport {
                Transport::PlainHttp => stream,
                Transport::Tls(config) => Box::new(
                    shake_hands(
                        config,
                        &connector.host,
                        BufReader::with_capacity(READ, stream),
                    )
                    .await
                    .map_err(|fault| ConnectError::tls(&connector.host, fault))?,
                ),
            };
            Ok(TokioIo::new(Wire(stream)))
        })
    }
}

/// A connection as hyper's pool wants it.
pub(super) struct Wire(BoxedIo);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    // Without these two hyper copies every body before it is encrypted.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
