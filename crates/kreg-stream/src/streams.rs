//! Two clients from one configuration.

use std::fmt;
use std::sync::Arc;

use kube::client::Connection;
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::socket::Limits;

/// A client for requests, and a way to open streams to Pods, which a client for requests would cut off.
///
/// Cheap to clone. The client for streams stays inside: only [`PodStreams::forward`] and [`PodStreams::exec`] use it.
#[derive(Clone)]
pub struct PodStreams {
    requests: Client,
    /// `None` where the client was made elsewhere; it serves streams as well then.
    config: Option<Arc<Config>>,
    // Made for the first stream: a client may run a login program of the kubeconfig, and most commands need no stream.
    streams: Arc<OnceCell<Client>>,
    pub(crate) limits: Limits,
}

impl PodStreams {
    /// Both clients of `config`. Requests have the timeouts that it says. Streams have only its time to connect. Both go
    /// through its `proxy_url`, `http`, `https` or `socks5` with a port; what fails there is a
    /// [`ProxyError`](crate::ProxyError) among the error's sources.
    ///
    /// # Errors
    /// If kube cannot make a client of the configuration.
    pub fn new(config: Config) -> Result<PodStreams, kube::Error> {
        Ok(PodStreams {
            requests: client(config.clone())?,
            config: Some(Arc::new(config)),
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
            config: None,
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
                    let Some(config) = &self.config else {
                        return Ok(self.requests.clone());
                    };
                    let mut config = Config::clone(config);
                    config.read_timeout = None;
                    // A registry that is slow to read stops the writer for a while, and that is no fault.
                    config.write_timeout = None;
                    config.default_retry = false;
                    client(config)
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

fn client(config: Config) -> Result<Client, kube::Error> {
    match config.proxy_url.clone() {
        Some(proxy) => crate::proxied::client(&config, &proxy),
        None => Client::try_from(config),
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
