//! A WebSocket with numbered channels, as Kubernetes speaks it, and whether its other end is still there.
//!
//! Source of the channels: kubernetes, `staging/src/k8s.io/apimachinery/pkg/util/httpstream/wsstream/conn.go`: the first byte
//! of a binary message is the channel's number.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{
    Error as SocketError, Message, protocol::frame::coding::CloseCode,
};

/// How long a stream waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until the API server has opened the stream.
    pub connect: Duration,
    /// Between two pings. Shorter than the idle time after which load balancers forget a connection, often 60 s.
    pub ping: Duration,
    /// Without a message from the API server, a pong included, and without a byte that could be sent.
    pub silence: Duration,
}

impl Default for Limits {
    /// 30 s to connect, a ping every 20 s, 120 s of silence.
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(30),
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(120),
        }
    }
}

/// Why a stream ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// The API server, or the network to it, is gone.
    #[error(
        "the API server was silent for {} s and answered no ping; is the network to it up?",
        .after.as_secs()
    )]
    Silent {
        /// How long was waited.
        after: Duration,
    },
    /// The API server closed the stream and gave a reason.
    #[error("the API server closed the stream with code {code} ({reason})")]
    Closed {
        /// RFC 6455, section 7.4.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// The connection closed without a message.
    #[error(
        "the connection to the API server closed without a message; it, or a proxy before it, may have restarted"
    )]
    Cut,
    /// The connection failed.
    #[error("the connection to the API server failed: {0}")]
    Failed(String),
    /// The node's side ended it.
    #[error("the Pod's node ended it: {0}")]
    Node(String),
}

impl Broken {
    pub(crate) fn from_socket(error: &SocketError) -> Broken {
        match error {
            SocketError::ConnectionClosed | SocketError::AlreadyClosed => Broken::Cut,
            SocketError::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => Broken::Cut,
            other => Broken::Failed(other.to_string()),
        }
    }
}

/// When the other end gave its last sign of life.
pub(crate) struct Pulse {
    last: Mutex<Last>,
}

struct Last {
    at: Instant,
    /// Nothing is read because nobody here takes what came; that says nothing of the other end.
    held: bool,
}

impl Pulse {
    pub(crate) fn new() -> Pulse {
        Pulse {
            last: Mutex::new(Last {
                at: Instant::now(),
                held: false,
            }),
        }
    }

    pub(crate) fn beat(&self) {
        self.set(false);
    }

    pub(crate) fn hold(&self) {
        self.set(true);
    }

    fn set(&self, held: bool) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last {
            at: Instant::now(),
            held,
        };
    }

    fn idle(&self) -> Duration {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.held {
            true => Duration::ZERO,
            false => last.at.elapsed(),
        }
    }

    /// Ends when there was no sign of life for so long.
    pub(crate) async fn stopped(&self, limit: Duration) -> Broken {
        loop {
            let idle = self.idle();
            if idle >= limit {
                return Broken::Silent { after: idle };
            }
            tokio::time::sleep(limit - idle).await;
        }
    }
}

/// Messages from the other end.
pub(crate) struct Source<'a, S> {
    pub(crate) stream: SplitStream<WebSocketStream<S>>,
    pub(crate) pulse: &'a Pulse,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Source<'_, S> {
    /// The next bytes and their channel; `None` when the other end has closed the stream normally.
    pub(crate) async fn next(&mut self) -> Result<Option<(u8, Bytes)>, Broken> {
        loop {
            let message = match self.stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Broken::from_socket(&error)),
                None => return Err(Broken::Cut),
            };
            self.pulse.beat();
            match message {
                Message::Binary(mut bytes) if !bytes.is_empty() => {
                    let channel = bytes.get_u8();
                    return Ok(Some((channel, bytes)));
                }
                Message::Close(Some(frame)) if frame.code != CloseCode::Normal => {
                    return Err(Broken::Closed {
                        code: frame.code.into(),
                        reason: frame.reason.to_string(),
                    });
                }
                Message::Close(_) => return Ok(None),
                _ => {}
            }
        }
    }
}

/// Messages to the other end.
pub(crate) struct Sink<'a, S> {
    pub(crate) sink: SplitSink<WebSocketStream<S>, Message>,
    pub(crate) pulse: &'a Pulse,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<'_, S> {
    pub(crate) async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), Broken> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel);
        message.extend_from_slice(bytes);
        self.put(Message::binary(message)).await?;
        self.pulse.beat();
        Ok(())
    }

    /// That it could be sent is no sign of life: the system takes a few bytes for a dead peer, too.
    pub(crate) async fn ping(&mut self) -> Result<(), Broken> {
        self.put(Message::Ping(Bytes::new())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Broken> {
        let sent = self.sink.send(message).await;
        sent.map_err(|error| Broken::from_socket(&error))
    }

    /// Says goodbye, if the other end takes it at once.
    pub(crate) async fn close(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        // Whether it hears it or not, the connection is dropped next.
        let _ = tokio::time::timeout(PATIENCE, self.sink.close()).await;
    }
}

/// The beats of pings; the first comes after one interval.
pub(crate) fn pings(limits: Limits) -> Interval {
    let mut pings = tokio::time::interval(limits.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    pings
}
