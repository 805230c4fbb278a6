//! The client itself: one registry, one user, one request at a time per call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kreg_auth::{Credentials, RegistryHost};
use secrecy::ExposeSecret;

use crate::connect::Connector;
use crate::dial::Dial;
use crate::error::{ApiError, RegistryError};
use crate::fault::ConnectError;
use crate::transport::Transport;

/// The longest document (manifest, list, error) that is read into memory, in bytes.
///
/// The distribution specification lets registries refuse manifests beyond 4 MiB.
const DOCUMENT_MAX_BYTES: usize = 8 << 20;

/// How long a request may take before its answer begins, unless set otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A client of one registry's distribution API (OCI distribution specification 1.1).
///
/// URL, `Host` and SNI carry the registry's name; where the bytes go is the [`Dial`]'s matter.
/// Redirects are not followed: kreg's registry gives none, and a password must not wander.
/// Cheap to clone; clones share connections.
///
/// ```no_run
/// # async fn example(ca_pem: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use kreg_auth::Credentials;
/// use kreg_registry::dial::TcpDial;
/// use kreg_registry::{RegistryClient, Transport};
///
/// let client = RegistryClient::new(
///     "docker-registry:5000".parse()?,
///     Arc::new(TcpDial::new("10.96.0.50:5000")),
///     Transport::trusting(ca_pem)?,
/// )
/// .with_credentials(&Credentials::new("myuser", "mypasswd")?);
/// let mut pages = client.catalog(1000, None);
/// while let Some(names) = pages.next().await? {
///     println!("{}", names.join("\n"));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RegistryClient {
    host: RegistryHost,
    scheme: &'static str,
    http: Client<Connector, Body>,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// A registry's answer to a request that was sent to see what it says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Method and URL.
    pub request: String,
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most 8 MiB.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is there once and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// This answer as an error, with the registry's own codes.
    #[must_use]
    pub fn into_error(self) -> RegistryError {
        #[derive(serde::Deserialize)]
        struct Document {
            errors: Vec<ApiError>,
        }
        let document = serde_json::from_slice::<Document>(&self.body);
        RegistryError::Refused {
            request: self.request,
            status: self.status,
            errors: document.map(|document| document.errors).unwrap_or_default(),
        }
    }

    /// This answer if its status is one of these.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] otherwise.
    pub fn expect(self, wanted: &[StatusCode]) -> Result<Answer, RegistryError> {
        if wanted.contains(&self.status) {
            Ok(self)
        } else {
            Err(self.into_error())
        }
    }

    pub(crate) fn unexpected(&self, what: impl Into<String>) -> RegistryError {
        RegistryError::Unexpected {
            request: self.request.clone(),
            what: what.into(),
        }
    }
}

impl RegistryClient {
    /// A client of `host`, without credentials, that gives each answer 30 s.
    #[must_use]
    pub fn new(host: RegistryHost, dial: Arc<dyn Dial>, transport: Transport) -> RegistryClient {
        let scheme = match transport {
            Transport::Tls(_) => "https",
            Transport::PlainHttp => "http",
        };
        let connector = Connector {
            host: host.clone(),
            dial,
            transport,
        };
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        RegistryClient {
            host,
            scheme,
            http,
            authorization: None,
            timeout: TIMEOUT,
        }
    }

    /// The same client with HTTP basic authentication on every request.
    #[must_use]
    pub fn with_credentials(mut self, credentials: &Credentials) -> RegistryClient {
        // Base64 and a space are always a valid header.
        self.authorization = HeaderValue::from_str(credentials.authorization().expose_secret())
            .ok()
            .map(|mut value| {
                value.set_sensitive(true);
                value
            });
        self
    }

    /// The same client with another limit on the time until an answer begins.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> RegistryClient {
        self.timeout = timeout;
        self
    }

    /// Which registry.
    #[must_use]
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// `GET /v2/`, whatever the answer is: the API's version check, where authentication shows.
    ///
    /// # Errors
    /// [`RegistryError`] only if there was no answer.
    pub async fn ping(&self) -> Result<Answer, RegistryError> {
        self.ask(Method::GET, "/v2/", HeaderMap::new(), Bytes::new())
            .await
    }

    /// Sends a request with a body in memory and reads the whole answer, whatever its status.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, RegistryError> {
        let (request, response) = self
            .send(method, path, headers, full(body), self.timeout)
            .await?;
        self.read(request, response).await
    }

    /// Sends a request and returns the answer as soon as it begins, with the request's name.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
        timeout: Duration,
    ) -> Result<(String, Response<Incoming>), RegistryError> {
        let url = format!("{}://{}{path}", self.scheme, self.host);
        let name = format!("{method} {url}");
        let mut request = Request::builder()
            .method(method)
            .uri(&url)
            .body(body)
            .map_err(|source| RegistryError::Form {
                request: name.clone(),
                source,
            })?;
        *request.headers_mut() = headers;
        let own = HeaderValue::from_static(concat!("kreg/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, own);
        if let Some(value) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        tracing::debug!(request = name, "registry");
        match tokio::time::timeout(timeout, self.http.request(request)).await {
            Ok(Ok(response)) => Ok((name, response)),
            Ok(Err(error)) => Err(failed(name, error)),
            Err(_) => Err(RegistryError::Timeout {
                request: name,
                after: timeout,
            }),
        }
    }

    /// Reads an answer's body into memory.
    pub(crate) async fn read(
        &self,
        request: String,
        response: Response<Incoming>,
    ) -> Result<Answer, RegistryError> {
        let (parts, body) = response.into_parts();
        let reading = Limited::new(body, DOCUMENT_MAX_BYTES).collect();
        let body = match tokio::time::timeout(self.timeout, reading).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(source)) if source.is::<LengthLimitError>() => {
                return Err(RegistryError::TooLong {
                    request,
                    most: DOCUMENT_MAX_BYTES as u64,
                });
            }
            Ok(Err(source)) => return Err(RegistryError::Broken { request, source }),
            Err(_) => {
                return Err(RegistryError::Timeout {
                    request,
                    after: self.timeout,
                });
            }
        };
        Ok(Answer {
            request,
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// A body of known bytes.
pub(crate) fn full(bytes: Bytes) -> Body {
    Full::new(bytes)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Takes the connector's own error out of hyper's wrapping.
fn failed(request: String, error: hyper_util::client::legacy::Error) -> RegistryError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(connect) = inner.downcast_ref::<ConnectError>() {
            return RegistryError::Connect {
                request,
                source: Box::new(connect.clone()),
            };
        }
        cause = inner.source();
    }
    RegistryError::Broken {
        request,
        source: Box::new(error),
    }
}
