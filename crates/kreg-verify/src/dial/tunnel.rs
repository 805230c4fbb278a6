//! A port of this machine that leads to the registry, for programs that cannot dial by themselves.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::Dial;

/// Listens on 127.0.0.1 and hands each connection to its own [`Dial::dial`].
///
/// Only local programs reach the port, and TLS goes through end to end: the tunnel sees no password.
/// Dropping it stops listening and breaks what is still open; [`Tunnel::close`] also waits for that.
#[derive(Debug)]
pub struct Tunnel {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Opens a tunnel at `port`, or at a free port for 0.
    ///
    /// # Errors
    /// If the port cannot be bound, usually because another program has it.
    pub async fn open(dial: Arc<dyn Dial>, port: u16) -> io::Result<Tunnel> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(serve(listener, dial, stopped));
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

async fn serve(listener: TcpListener, dial: Arc<dyn Dial>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, peer)) => {
                    let dial = Arc::clone(&dial);
                    connections.spawn(async move {
                        if let Err(error) = carry(client, dial.as_ref()).await {
                            tracing::debug!(%peer, route = dial.route(), %error, "tunnelled connection ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the tunnel could not accept a connection"),
            },
        }
    }
    connections.shutdown().await;
}

async fn carry(mut client: TcpStream, dial: &dyn Dial) -> io::Result<()> {
    let mut registry = dial.dial().await.map_err(io::Error::other)?;
    tokio::io::copy_bidirectional(&mut client, &mut registry).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::TcpDial;
    use super::*;

    /// A server that sends back what it gets, in capitals.
    async fn shouter() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        buffer.make_ascii_uppercase();
                        stream.write_all(&buffer[..count]).await.unwrap();
                    }
                });
            }
        });
        address
    }

    async fn ask(stream: &mut TcpStream, text: &str) -> String {
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn connections_are_carried_side_by_side_and_close_ends_them() {
        let dial = Arc::new(TcpDial::new(shouter().await.to_string()));
        let tunnel = Tunnel::open(dial, 0).await.unwrap();
        let address = tunnel.address();
        let mut one = TcpStream::connect(address).await.unwrap();
        let mut two = TcpStream::connect(address).await.unwrap();
        assert_eq!(ask(&mut two, "two").await, "TWO");
        assert_eq!(ask(&mut one, "one").await, "ONE");
        tunnel.close().await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), one.read_to_end(&mut rest)).await;
        ended
            .expect("the open connection ends with the tunnel")
            .ok();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_ends_the_connection() {
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let tunnel = Tunnel::open(Arc::new(TcpDial::new(free.to_string())), 0)
            .await
            .unwrap();
        let mut client = TcpStream::connect(tunnel.address()).await.unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.ok();
        assert!(rest.is_empty());
        tunnel.close().await;
    }
}
