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

use crate::dial::{BoxedIo, Dial};
use crate::fault::ConnectError;
use crate::tls::shake_hands;
use crate::transport::Transport;

/// Bytes asked of a connection at a time. rustls alone asks for 4 KiB: four calls of the kernel for a record.
const READ: usize = 128 << 10;

/// Gives hyper its connections; every one leads to the one registry, whatever the URL says.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    pub(crate) host: RegistryHost,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) transport: Transport,
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
pub(crate) struct Wire(BoxedIo);

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
