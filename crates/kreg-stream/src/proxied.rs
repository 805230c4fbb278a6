//! Connections through a proxy: HTTP `CONNECT` (RFC 9110, section 9.3.6), also over TLS, or SOCKS5
//! (RFC 1928).
//!
//! kube's own connectors (kube-client 5.0.0, `client/builder.rs`) forget the status with which a proxy refuses, and give
//! no password to a SOCKS5 proxy.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use percent_encoding::percent_decode_str;
use tower::Service;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why there is no connection through a proxy. It names the proxy without the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Nothing answers at its address.
    #[error("the proxy {proxy} cannot be reached")]
    Unreachable {
        /// Its URL.
        proxy: Arc<str>,
        /// What the system said.
        source: BoxError,
    },
    /// It answered `CONNECT` with something else than 200.
    #[error("the proxy {proxy} refuses to connect to {target}: {status}{}", advice(*status))]
    Refused {
        /// Its URL.
        proxy: Arc<str>,
        /// Host and port that were asked for.
        target: String,
        /// Its answer.
        status: StatusCode,
    },
    /// It is not a proxy of that kind, or broke off.
    #[error("the proxy {proxy} did not connect to {target}")]
    Failed {
        /// Its URL.
        proxy: Arc<str>,
        /// Host and port that were asked for.
        target: String,
        /// What went wrong.
        source: BoxError,
    },
}

impl ProxyError {
    /// Whether it says no for good, so that asking again is useless.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, ProxyError::Refused { status, .. } if status.is_client_error())
    }
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "; give user and password in its URL: http://USER:PASSWORD@HOST:PORT"
        }
        StatusCode::FORBIDDEN => "; have this host and port allowed there",
        _ => "",
    }
}

/// What connects to one host itself.
pub(crate) trait Dial:
    Service<Uri, Response: Stream, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<D> Dial for D where
    D: Service<Uri, Response: Stream, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

pub(crate) trait Stream: Read + Write + Connection + Unpin + Send + 'static {}

impl<S: Read + Write + Connection + Unpin + Send + 'static> Stream for S {}

/// Connects to anything by way of the proxy. Names are resolved there, as kubectl has it.
#[derive(Clone)]
pub(crate) struct Through<D> {
    dial: D,
    way: Arc<Way>,
}

struct Way {
    /// For messages.
    name: Arc<str>,
    /// `http` or `https`, whatever is spoken then.
    address: Uri,
    socks: bool,
    user: Option<(String, String)>,
}

impl<D> Through<D> {
    /// `proxy` is `http`, `https` or `socks5`, with host and port; `dial` connects to it, and for `https` speaks TLS.
    pub(crate) fn new(proxy: &Uri, dial: D) -> Self {
        let scheme = proxy.scheme_str().unwrap_or("http");
        let authority = proxy.authority().map_or("", |all| all.as_str());
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = user.map(|user| match user.split_once(':') {
            Some((user, password)) => (decoded(user), decoded(password)),
            None => (decoded(user), String::new()),
        });
        let socks = scheme == "socks5";
        let spoken = if socks { "http" } else { scheme };
        Through {
            dial,
            way: Arc::new(Way {
                name: format!("{scheme}://{host}").into(),
                address: format!("{spoken}://{host}/").parse().unwrap_or_default(),
                socks,
                user,
            }),
        }
    }
}

impl<D: Dial> Service<Uri> for Through<D> {
    type Response = D::Response;
    type Error = ProxyError;
    type Future = Later<Result<D::Response, ProxyError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        let ready = self.dial.poll_ready(context);
        ready.map_err(|error| self.way.unreachable(error))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let dialled = self.dial.call(self.way.address.clone());
        let way = Arc::clone(&self.way);
        Box::pin(async move {
            let stream = dialled.await.map_err(|error| way.unreachable(error))?;
            match way.socks {
                true => way.socks(stream, target).await,
                false => way.connect(stream, &target).await,
            }
        })
    }
}

impl Way {
    fn unreachable(&self, error: impl Into<BoxError>) -> ProxyError {
        ProxyError::Unreachable {
            proxy: Arc::clone(&self.name),
            source: error.into(),
        }
    }

    fn failed(&self, target: &str, error: impl Into<BoxError>) -> ProxyError {
        ProxyError::Failed {
            proxy: Arc::clone(&self.name),
            target: target.to_owned(),
            source: error.into(),
        }
    }

    async fn connect<S: Stream>(&self, stream: S, target: &Uri) -> Result<S, ProxyError> {
        let target = host_and_port(target);
        let failed = |error: BoxError| self.failed(&target, error);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|error| failed(error.into()))?;
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::connect(&target).header(HOST, &target);
        if let Some((user, password)) = &self.user {
            let both = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
            let mut value = HeaderValue::try_from(format!("Basic {both}"))
                .map_err(|error| failed(error.into()))?;
            value.set_sensitive(true);
            request = request.header(PROXY_AUTHORIZATION, value);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(error.into()))?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed(error.into()))?;
        if answer.status() != StatusCode::OK {
            return Err(ProxyError::Refused {
                proxy: Arc::clone(&self.name),
                target: target.clone(),
                status: answer.status(),
            });
        }
        let upgraded = hyper::upgrade::on(answer)
            .await
            .map_err(|error| failed(error.into()))?;
        match upgraded.downcast::<S>() {
            // The client of TLS and of HTTP speaks first.
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io),
            _ => Err(failed("it spoke before it was spoken to".into())),
        }
    }

    async fn socks<S: Stream>(&self, stream: S, target: Uri) -> Result<S, ProxyError> {
        let name = host_and_port(&target);
        let mut handshake = SocksV5::new(self.address.clone(), Given(Some(stream)));
        if let Some((user, password)) = self.user.clone() {
            handshake = handshake.with_auth(user, password);
        }
        let connected = handshake.call(with_port(target)).await;
        connected.map_err(|error| self.failed(&name, error))
    }
}

/// The port that is meant where none is said; hyper-util's handshakes take 443 always.
fn port(target: &Uri) -> u16 {
    let default = if target.scheme() == Some(&Scheme::HTTP) {
        80
    } else {
        443
    };
    target.port_u16().unwrap_or(default)
}

fn host_and_port(target: &Uri) -> String {
    format!("{}:{}", target.host().unwrap_or_default(), port(target))
}

fn with_port(target: Uri) -> Uri {
    let authority = host_and_port(&target);
    let mut parts = target.clone().into_parts();
    parts.authority = authority.parse().ok();
    Uri::from_parts(parts).unwrap_or(target)
}

/// A connection that is there already.
struct Given<S>(Option<S>);

impl<S: Send + 'static> Service<Uri> for Given<S> {
    type Response = S;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<S, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let used = || std::io::Error::other("one connection serves once");
        std::future::ready(self.0.take().ok_or_else(used))
    }
}

#[cfg(test)]
mod tests;
