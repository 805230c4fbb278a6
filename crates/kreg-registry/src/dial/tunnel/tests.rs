use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

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
    let tunnel = Tunnel::open(dial, TunnelOptions::default()).await.unwrap();
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
async fn a_registry_that_is_not_there_ends_the_connection_and_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (tunnel, mut heard) = watched(TcpDial::new(free.clone())).await;
    let mut client = TcpStream::connect(tunnel.address()).await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.ok();
    assert!(rest.is_empty());
    let said = heard.recv().await.unwrap();
    assert!(said.contains(&free), "{said}");
    tunnel.close().await;
}

/// A way whose connections answer once and then break.
#[derive(Debug)]
struct Breaks;

impl Dial for Breaks {
    fn dial(&self) -> futures::future::BoxFuture<'_, Result<BoxedIo, super::super::DialError>> {
        Box::pin(async {
            let (near, mut far) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let mut heard = [0; 5];
                far.read_exact(&mut heard).await.unwrap();
                far.write_all(b"HELLO").await.unwrap();
            });
            Ok(Box::new(Broken(near)) as BoxedIo)
        })
    }

    fn route(&self) -> String {
        "a pod behind a server that restarts".to_owned()
    }
}

struct Broken(tokio::io::DuplexStream);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.0).poll_read(cx, buffer);
        match polled.is_ready() && buffer.filled().len() == before {
            true => Poll::Ready(Err(io::Error::other("the API server is gone"))),
            false => polled,
        }
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What the watcher of such a tunnel hears.
async fn watched(dial: impl Dial + 'static) -> (Tunnel, mpsc::UnboundedReceiver<String>) {
    let (said, heard) = mpsc::unbounded_channel();
    let options = TunnelOptions {
        patience: Duration::ZERO,
        watcher: Some(Arc::new(move |error| drop(said.send(error.to_string())))),
        ..TunnelOptions::default()
    };
    (Tunnel::open(Arc::new(dial), options).await.unwrap(), heard)
}

#[tokio::test]
async fn a_connection_that_breaks_half_way_is_reported_with_its_side_and_reason() {
    let (tunnel, mut heard) = watched(Breaks).await;
    let mut client = TcpStream::connect(tunnel.address()).await.unwrap();
    assert_eq!(ask(&mut client, "hello").await, "HELLO");
    let said = heard.recv().await.unwrap();
    for part in [
        "a pod behind a server that restarts",
        "on the registry's side",
        "the API server is gone",
        "must retry",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), client.read_to_end(&mut rest));
    ended.await.expect("the client sees the end").ok();
    tunnel.close().await;
}

#[tokio::test]
async fn a_client_that_leaves_is_not_reported() {
    let (tunnel, mut heard) = watched(TcpDial::new(shouter().await.to_string())).await;
    let mut client = TcpStream::connect(tunnel.address()).await.unwrap();
    assert_eq!(ask(&mut client, "hello").await, "HELLO");
    client.set_zero_linger().unwrap();
    drop(client);
    tokio::time::sleep(Duration::from_millis(300)).await;
    tunnel.close().await;
    assert_eq!(heard.recv().await, None);
}

/// Two servers of which the first takes a connection, hears it out and hangs up.
#[derive(Debug)]
struct Replaced {
    first: std::sync::atomic::AtomicBool,
    old: TcpDial,
    new: TcpDial,
}

impl Dial for Replaced {
    fn dial(&self) -> futures::future::BoxFuture<'_, Result<BoxedIo, super::super::DialError>> {
        match self.first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            true => self.old.dial(),
            false => self.new.dial(),
        }
    }

    fn route(&self) -> String {
        "a pod that is being replaced".to_owned()
    }
}

#[tokio::test]
async fn what_was_said_to_a_server_that_left_is_said_to_the_next() {
    let leaving = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let old = TcpDial::new(leaving.local_addr().unwrap().to_string());
    let left = tokio::spawn(async move {
        let (mut stream, _) = leaving.accept().await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        heard
    });
    let dial = Replaced {
        first: true.into(),
        old,
        new: TcpDial::new(shouter().await.to_string()),
    };
    let tunnel = Tunnel::open(Arc::new(dial), TunnelOptions::default())
        .await
        .unwrap();
    let mut client = TcpStream::connect(tunnel.address()).await.unwrap();
    assert_eq!(ask(&mut client, "hello").await, "HELLO");
    assert_eq!(&left.await.unwrap(), b"hello");
    assert_eq!(ask(&mut client, "again").await, "AGAIN");
    tunnel.close().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let dial = Arc::new(TcpDial::new(shouter().await.to_string()));
    let options = TunnelOptions {
        connections: 1,
        ..TunnelOptions::default()
    };
    let tunnel = Tunnel::open(dial, options).await.unwrap();
    let mut one = TcpStream::connect(tunnel.address()).await.unwrap();
    assert_eq!(ask(&mut one, "one").await, "ONE");
    let mut two = TcpStream::connect(tunnel.address()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), ask(&mut two, "two")).await;
    assert!(
        early.is_err(),
        "a second connection was carried beside the first"
    );
    drop(one);
    let mut answer = [0; 3];
    tokio::time::timeout(Duration::from_secs(10), two.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"TWO");
    tunnel.close().await;
}
