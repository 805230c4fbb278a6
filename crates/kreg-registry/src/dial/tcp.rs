//! A registry that this machine reaches by itself.

use futures::future::BoxFuture;
use tokio::net::TcpStream;

use super::connection::{BoxedIo, Dial, DialError};

/// Connects to a fixed address, such as `127.0.0.1:40123` or `registry.example.com:5000`.
#[derive(Clone, Debug)]
pub struct TcpDial {
    address: String,
}

impl TcpDial {
    /// Dials `host:port`; a name is resolved again for each connection.
    #[must_use]
    pub fn new(address: impl Into<String>) -> TcpDial {
        TcpDial {
            address: address.into(),
        }
    }
}

impl Dial for TcpDial {
    fn dial(&self) -> BoxFuture<'_, Result<BoxedIo, DialError>> {
        Box::pin(async move {
            let stream = TcpStream::connect(&self.address)
                .await
                .map_err(|source| DialError::new(self.route(), source))?;
            // Requests are small and answered at once; a failure costs a little time, nothing else.
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as BoxedIo)
        })
    }

    fn route(&self) -> String {
        self.address.clone()
    }
}
