//! Clients of one configuration, which log in once.
//!
//! kube's own builder (kube-client 5.0.0, `client/builder.rs`) runs a kubeconfig's program for credentials three times for
//! each client, and its connectors through proxies lack what [`proxied`](crate::proxied) says. Its layer that tries 15
//! times, and waits as long as the server's `Retry-After` says (`client/retry.rs`), is left out: kreg tries again itself.

use http::uri::Scheme;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt as _, middleware::AuthLayer};
use kube::{Client, Config};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tower::ServiceExt as _;

use crate::proxied::{BoxError, Dial, Through};

/// A configuration, and the login that all of its clients share.
pub(crate) struct Clients {
    config: Config,
    auth: Option<AuthLayer>,
}

impl Clients {
    /// Logs in, if the configuration names a program for that.
    pub(crate) fn new(mut config: Config) -> Result<Self, kube::Error> {
        let auth = config.auth_layer()?;
        if auth.is_some() {
            // It gave a token, which it also renews, and is not asked for a certificate.
            config.auth_info.exec = None;
        }
        // As kube's builder does it.
        if CryptoProvider::get_default().is_none() {
            // Another thread was faster, which is as good.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        Ok(Clients { config, auth })
    }

    /// A client for requests: with all timeouts.
    pub(crate) fn for_requests(&self) -> Result<Client, kube::Error> {
        self.client(&self.config)
    }

    /// A client for streams, which may be silent. A registry that is slow to read stops the writer for a while, and that is
    /// no fault either.
    pub(crate) fn for_streams(&self) -> Result<Client, kube::Error> {
        let mut config = self.config.clone();
        config.read_timeout = None;
        config.write_timeout = None;
        self.client(&config)
    }

    /// As kubectl does it, a proxy that speaks TLS is verified like the API server.
    fn client(&self, config: &Config) -> Result<Client, kube::Error> {
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        match &config.proxy_url {
            None => self.over(config, plain),
            Some(proxy) if proxy.scheme() == Some(&Scheme::HTTPS) => {
                let dial = config.rustls_https_connector_with_connector(plain)?;
                self.over(config, Through::new(proxy, dial))
            }
            Some(proxy) => self.over(config, Through::new(proxy, plain)),
        }
    }

    fn over<D: Dial>(&self, config: &Config, connector: D) -> Result<Client, kube::Error> {
        let connector = config.rustls_https_connector_with_connector(connector)?;
        let mut connector = TimeoutConnector::new(connector);
        connector.set_connect_timeout(config.connect_timeout);
        connector.set_read_timeout(config.read_timeout);
        connector.set_write_timeout(config.write_timeout);
        connector.set_reset_reader_on_write(config.reset_reader_on_write);
        let service = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .build::<_, Body>(connector)
            .map_request(|request: http::Request<Body>| {
                tracing::debug!(method = %request.method(), url = %request.uri(), "requesting");
                request
            })
            .map_err(BoxError::from);
        let builder = ClientBuilder::new(service, &config.default_namespace)
            .with_layer(&config.extra_headers_layer()?);
        let base = config.base_uri_layer();
        Ok(match &self.auth {
            Some(auth) => builder.with_layer(auth).with_layer(&base).build(),
            None => builder.with_layer(&base).build(),
        })
    }
}
