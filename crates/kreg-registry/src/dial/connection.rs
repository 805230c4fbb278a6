//! What a way to a registry is, and why there may be none.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's two directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, of whichever kind.
pub type BoxedIo = Box<dyn Io>;

/// Opens connections to one registry. The registry's name stays out of it: a client
/// uses the name in URL, `Host` and SNI, whatever the connection leads to.
pub trait Dial: fmt::Debug + Send + Sync {
    /// Opens one connection.
    fn dial(&self) -> BoxFuture<'_, Result<BoxedIo, DialError>>;

    /// The way in words, such as `pod kreg-system/docker-registry-0, port 5000, through the API server`.
    fn route(&self) -> String;
}

/// As [`Dial::dial`], for at most this long.
///
/// # Errors
/// [`DialError`] if it fails, or takes longer than `limit`.
pub async fn within(dial: &dyn Dial, limit: Duration) -> Result<BoxedIo, DialError> {
    match tokio::time::timeout(limit, dial.dial()).await {
        Ok(dialled) => dialled,
        Err(_) => {
            let words = format!("no connection within {} s", limit.as_secs());
            let source = io::Error::new(io::ErrorKind::TimedOut, words);
            Err(DialError::new(dial.route(), source))
        }
    }
}

/// A connection that could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to {route}")]
pub struct DialError {
    /// Where to, as [`Dial::route`] says it.
    pub route: String,
    /// Why not.
    pub source: Arc<dyn Error + Send + Sync>,
}

impl DialError {
    /// A failed dial over this route.
    pub fn new(route: impl Into<String>, source: impl Error + Send + Sync + 'static) -> DialError {
        DialError {
            route: route.into(),
            source: Arc::new(source),
        }
    }
}
