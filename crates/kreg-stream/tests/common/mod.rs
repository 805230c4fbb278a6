//! A stand-in for an API server that speaks WebSocket on loopback, driven by each test.

#![allow(unreachable_pub, reason = "shared by the tests of this crate")]

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use kreg_stream::{Limits, PodStreams};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// The server's end of one stream.
pub struct Peer {
    pub path: String,
    pub socket: WebSocketStream<TcpStream>,
}

impl Peer {
    /// Sends bytes on a channel.
    pub async fn say(&mut self, channel: u8, bytes: &[u8]) {
        let mut message = vec![channel];
        message.extend_from_slice(bytes);
        self.socket.send(Message::binary(message)).await.unwrap();
    }

    /// The next bytes and their channel; `None` when the client closes. Answers pings meanwhile.
    pub async fn hear(&mut self) -> Option<(u8, Bytes)> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Binary(mut bytes) => return Some((bytes.split_to(1)[0], bytes)),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Hears pings, and answers them, for this long; says how many there were.
    pub async fn idle(&mut self, time: Duration) -> usize {
        let mut pings = 0;
        let listen = async {
            while let Some(Ok(message)) = self.socket.next().await {
                pings += usize::from(message.is_ping());
            }
        };
        let _ = tokio::time::timeout(time, listen).await;
        pings
    }
}

/// A server, and a client of it whose requests would time out after 100 ms, sooner than a ping comes.
pub async fn server(limits: Limits) -> (TcpListener, PodStreams) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut config = kube::Config::new(url.parse().unwrap());
    config.read_timeout = Some(Duration::from_millis(100));
    config.write_timeout = Some(Duration::from_millis(100));
    (
        listener,
        PodStreams::new(config).unwrap().with_limits(limits),
    )
}

/// Takes one stream.
pub async fn accept(listener: &TcpListener) -> Peer {
    let (stream, _) = listener.accept().await.unwrap();
    let mut path = String::new();
    #[allow(
        clippy::result_large_err,
        reason = "the callback's type is tungstenite's"
    )]
    let shake = |request: &Request, mut response: Response| {
        path = request.uri().to_string();
        let protocol = "v4.channel.k8s.io".parse().unwrap();
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, shake)
        .await
        .unwrap();
    Peer { path, socket }
}

/// A ping every 200 ms, and silence for at most a second.
pub fn short() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        ping: Duration::from_millis(200),
        silence: Duration::from_secs(1),
    }
}
