//! A port of this machine that leads to the registry, for programs that cannot dial by themselves.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{BoxedIo, Dial};

/// Bytes on their way in one direction of one connection.
const BUFFER: usize = 64 << 10;
/// The longest beginning of a connection that is kept to be said again: more than any `ClientHello`.
const OPENING_MAX: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(250);

/// Listens on this machine and hands each connection to its own [`Dial::dial`].
///
/// TLS goes through end to end: the tunnel sees no password. As long as the registry has not said a
/// byte, what the client has said is said again over a new connection, so that a Pod that is being
/// replaced costs time and no failure. A connection that breaks later cannot be carried on: the client
/// sees its end, and the watcher hears why. Dropping the tunnel stops listening and breaks what is still
/// open; [`Tunnel::close`] also waits for that.
#[derive(Debug)]
pub struct Tunnel {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Where a tunnel listens, and how much it takes.
#[derive(Clone)]
pub struct TunnelOptions {
    /// Port 0 finds a free one.
    pub address: SocketAddr,
    /// Connections at a time; more wait to be accepted.
    pub connections: usize,
    /// How long a new connection waits for a registry that answers.
    pub patience: Duration,
    /// Hears of every connection that could not be carried, or broke on the registry's side.
    pub watcher: Option<Watcher>,
}

/// Hears of failures.
pub type Watcher = Arc<dyn Fn(&io::Error) + Send + Sync>;

impl Default for TunnelOptions {
    /// A free port of 127.0.0.1, 128 connections, 30 s.
    fn default() -> Self {
        TunnelOptions {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            connections: 128,
            patience: Duration::from_secs(30),
            watcher: None,
        }
    }
}

impl fmt::Debug for TunnelOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelOptions")
            .field("address", &self.address)
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Tunnel {
    /// Opens a tunnel.
    ///
    /// # Errors
    /// If the address cannot be bound: another program has the port, or this machine no such address.
    pub async fn open(dial: Arc<dyn Dial>, options: TunnelOptions) -> io::Result<Tunnel> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, dial, options, stopped));
        Ok(Tunnel {
            address,
            stop,
            task,
        })
    }

    /// The local address, with the port that was found free.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, ends every connection, and returns once all of it is gone.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        // The task ends by itself; it cannot fail, and a panic in it has nothing left to undo.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn serve(
    listener: TcpListener,
    dial: Arc<dyn Dial>,
    options: TunnelOptions,
    mut stopped: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(options.connections.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // Never closed, so there is always a place at last.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let stop = async {
            // The sender is gone only with the tunnel itself.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        tokio::select! {
            () = stop => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((client, peer)) => {
                    let (dial, options) = (Arc::clone(&dial), options.clone());
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = carry(client, dial.as_ref(), &options).await {
                            tracing::debug!(%peer, route = dial.route(), %error, "tunnelled connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the tunnel could not accept a connection");
                    // Out of file descriptors: the next try would fail at once.
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

async fn carry(mut client: TcpStream, dial: &dyn Dial, options: &TunnelOptions) -> io::Result<()> {
    // Small records are answered at once; a failure costs a little time, nothing else.
    let _ = client.set_nodelay(true);
    let begun = Instant::now();
    let mut opening = Vec::new();
    let report = |error: io::Error| {
        if let Some(watcher) = &options.watcher {
            watcher(&error);
        }
        Err(error)
    };
    let registry = loop {
        match answered(&mut client, &mut opening, dial).await {
            Ok(Some(registry)) => break registry,
            Ok(None) => return Ok(()),
            Err(_) if begun.elapsed() < options.patience => tokio::time::sleep(PAUSE).await,
            Err(error) => return report(error),
        }
    };
    let mut registry = RegistrySide(registry);
    match tokio::io::copy_bidirectional_with_sizes(&mut client, &mut registry, BUFFER, BUFFER).await
    {
        Ok(_) => Ok(()),
        // A client that leaves is no fault of the way.
        Err(error) => match error.downcast::<Lost>() {
            Ok(Lost(why)) => report(io::Error::other(Severed {
                route: dial.route(),
                after: begun.elapsed(),
                why,
            })),
            Err(error) => Err(error),
        },
    }
}

/// The registry's end of a connection, whose errors differ from the client's.
struct RegistrySide(BoxedIo);

/// An error of the registry's side.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Lost(io::Error);

fn lost<T>(polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    polled.map_err(|error| io::Error::other(Lost(error)))
}

impl AsyncRead for RegistrySide {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lost(Pin::new(&mut self.0).poll_read(cx, buffer))
    }
}

impl AsyncWrite for RegistrySide {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lost(Pin::new(&mut self.0).poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lost(Pin::new(&mut self.0).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        lost(Pin::new(&mut self.0).poll_shutdown(cx))
    }
}

/// A connection to the registry that has answered to what the client said; `None` if the client left.
/// What it said is kept in `opening`.
async fn answered(
    client: &mut TcpStream,
    opening: &mut Vec<u8>,
    dial: &dyn Dial,
) -> io::Result<Option<BoxedIo>> {
    let mut registry = dial.dial().await.map_err(io::Error::other)?;
    registry.write_all(opening).await?;
    registry.flush().await?;
    let (mut said, mut answer) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut said) => match read {
                Ok(0) | Err(_) => return Ok(None),
                Ok(count) => {
                    opening.extend_from_slice(&said[..count]);
                    registry.write_all(&said[..count]).await?;
                    registry.flush().await?;
                    // A client that goes on without an answer cannot be heard out twice.
                    if opening.len() > OPENING_MAX {
                        return Ok(Some(registry));
                    }
                }
            },
            read = registry.read(&mut answer) => match read? {
                0 => return Err(io::Error::other(NoAnswer { route: dial.route() })),
                count => {
                    // A client that is gone shows at the next step.
                    let _ = client.write_all(&answer[..count]).await;
                    return Ok(Some(registry));
                }
            },
        }
    }
}

/// A connection that ended before the registry said anything.
#[derive(Debug, thiserror::Error)]
#[error("the connection to {route} ended before the registry answered; look at its log")]
struct NoAnswer {
    route: String,
}

/// A connection that broke while it was carried.
#[derive(Debug, thiserror::Error)]
#[error(
    "a connection to {route} broke on the registry's side after {} s: {why}; the client must retry; it then gets a new connection",
    .after.as_secs()
)]
struct Severed {
    route: String,
    after: Duration,
    // Its words are in the message; a second time, as the source, they would be said twice.
    why: io::Error,
}

#[cfg(test)]
mod tests;
