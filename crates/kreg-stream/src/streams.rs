//! Two clients from one configuration.

use std::fmt;
use std::sync::Arc;

use kube::client::Connection;
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::client::Clients;
use crate::socket::Limits;

/// A client for requests, and a way to open streams to Pods, which a client for requests would cut off.
///
/// Cheap to clone. The client for streams stays inside: only [`PodStreams::forward`] and [`PodStreams::exec`] use it.
#[derive(Clone)]
pub struct PodStreams {
    requests: Client,
    /// `None` where the client was made elsewhere; it serves streams as well then.
    clients: Option<Arc<Clients>>,
    // Made for the first stream: most commands need none.
    streams: Arc<OnceCell<Client>>,
    pub(crate) limits: Limits,
}

impl PodStreams {
    /// Both clients of `config`. Requests have the timeouts that it says. Streams have only its time to connect. Both go
    /// through its `proxy_url`, `http`, `https` or `socks5` with a port; what fails there is a
    /// [`ProxyError`](crate::ProxyError) among the error's sources. A program for credentials is run once for both. Its
    /// `default_retry` counts as off.
    ///
    /// # Errors
    /// If kube cannot make a client of the configuration.
    pub fn new(config: Config) -> Result<PodStreams, kube::Error> {
        let clients = Clients::new(config)?;
        Ok(PodStreams {
            requests: clients.for_requests()?,
            clients: Some(Arc::new(clients)),
            streams: Arc::default(),
            limits: Limits::default(),
        })
    }

    /// One client for both, made elsewhere. If it has a read timeout, that breaks every stream that is silent for so
    /// long: use [`PodStreams::new`] wherever there is a configuration.
    #[must_use]
    pub fn of_client(client: Client) -> PodStreams {
        PodStreams {
            requests: client,
            clients: None,
            streams: Arc::default(),
            limits: Limits::default(),
        }
    }

    /// Other limits for streams.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> PodStreams {
        self.limits = limits;
        self
    }

    /// The client for requests. Its timeouts break a stream that is silent: never open one with it.
    #[must_use]
    pub fn requests(&self) -> &Client {
        &self.requests
    }

    /// Opens a WebSocket; the time for that is limited by [`Limits::connect`].
    pub(crate) async fn connect(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<Connection, Connect> {
        let connect = async {
            let client = self
                .streams
                .get_or_try_init(|| async {
                    match &self.clients {
                        Some(clients) => clients.for_streams(),
                        None => Ok(self.requests.clone()),
                    }
                })
                .await?;
            client.connect(request).await
        };
        match tokio::time::timeout(self.limits.connect, connect).await {
            Ok(connected) => connected.map_err(|error| Connect::Refused(Box::new(error))),
            Err(_) => Err(Connect::Slow),
        }
    }
}

/// Why a stream did not open.
pub(crate) enum Connect {
    Refused(Box<kube::Error>),
    Slow,
}

impl fmt::Debug for PodStreams {
    /// Without the configuration, which may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodStreams")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
