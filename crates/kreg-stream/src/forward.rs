//! One connection to a port of a Pod.
//!
//! Source of the protocol: kubernetes, `pkg/kubelet/... /portforward/websocket.go` (now in `k8s.io/kubelet/pkg/cri/streaming`):
//! channel 0 is data, channel 1 is the error; on each the first message is the port, two bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, ReadHalf,
    WriteHalf,
};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;

use crate::socket::{Broken, Limits, Pulse, Sink, Source, pings};
use crate::streams::{Connect, PodStreams};

/// Bytes on their way in one direction.
const BUFFER: usize = 256 << 10;
/// The largest message that is sent.
const MESSAGE: usize = 32 << 10;
/// How long the Pod's last words are waited for after this end has closed its half. The protocol cannot close one half.
const LINGER: Duration = Duration::from_secs(5);
/// How long the reason is waited for when nothing more can be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a port of a Pod could not be reached, or the connection to it broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// The API server refused or failed.
    #[error("cannot forward port {port} of pod {pod}")]
    Refused {
        /// Namespace and name.
        pod: String,
        /// The Pod's port.
        port: u16,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The API server did not open the stream in time.
    #[error("cannot forward port {port} of pod {pod}: no answer of the API server within {} s", .after.as_secs())]
    Slow {
        /// Namespace and name.
        pod: String,
        /// The Pod's port.
        port: u16,
        /// How long was waited.
        after: Duration,
    },
    /// The connection was open, and broke.
    #[error("the connection to port {port} of pod {pod} broke: {why}")]
    Broken {
        /// Namespace and name.
        pod: String,
        /// The Pod's port.
        port: u16,
        /// Which side, and why.
        why: Broken,
    },
}

/// A connection to a port of a Pod.
///
/// It ends as the Pod ends it. When something between breaks it, reading and writing fail with a [`ForwardError::Broken`].
/// Dropping it closes it.
pub struct Forwarded {
    stream: DuplexStream,
    end: Arc<End>,
    /// Dropped with this.
    _here: oneshot::Sender<()>,
}

struct End {
    pod: String,
    port: u16,
    why: OnceLock<Broken>,
}

impl PodStreams {
    /// Connects to a port of a Pod. Needs the right to `create pods/portforward` (older servers: `get`).
    ///
    /// # Errors
    /// [`ForwardError`] if the API server refuses, or does not open the stream in time. That nothing listens at the
    /// port shows at the first read.
    pub async fn forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Forwarded, ForwardError> {
        let name = format!("{namespace}/{pod}");
        let refused = |error: kube::Error| ForwardError::Refused {
            pod: name.clone(),
            port,
            source: Box::new(error),
        };
        let request = kube::core::Request::new(Pod::url_path(&(), Some(namespace)))
            .portforward(pod, &[port])
            .map_err(|error| refused(kube::Error::BuildRequest(error)))?;
        let connection = self.connect(request).await.map_err(|error| match error {
            Connect::Refused(error) => refused(*error),
            Connect::Slow => ForwardError::Slow {
                pod: name.clone(),
                port,
                after: self.limits.connect,
            },
        })?;
        let (stream, local) = tokio::io::duplex(BUFFER);
        let (here, gone) = oneshot::channel();
        let end = Arc::new(End {
            pod: name.clone(),
            port,
            why: OnceLock::new(),
        });
        let (told, limits) = (Arc::clone(&end), self.limits);
        let socket = connection.into_stream();
        tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(local);
            if let Err(why) = carry(socket, reader, writer, gone, limits, &told.why).await {
                tracing::debug!(pod = told.pod, port, %why, "a forwarded connection broke");
            }
        });
        Ok(Forwarded {
            stream,
            end,
            _here: here,
        })
    }
}

/// Carries both directions at once, so that neither waits for the other. `why` is set before the local end closes.
async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    mut reader: ReadHalf<DuplexStream>,
    mut writer: WriteHalf<DuplexStream>,
    gone: oneshot::Receiver<()>,
    limits: Limits,
    told: &OnceLock<Broken>,
) -> Result<(), Broken> {
    let pulse = Pulse::new();
    let (sink, stream) = socket.split();
    let pulse = &pulse;
    let mut source = Source { stream, pulse };
    let mut sink = Sink { sink, pulse };
    let heard = Pulse::new();
    let mut from_pod = Box::pin(async {
        let mut opened = [false; 2];
        while let Some((channel, bytes)) = source.next().await? {
            let Some(opened) = opened.get_mut(usize::from(channel)) else {
                continue;
            };
            // The port, once on each channel.
            if !std::mem::replace(opened, true) {
                continue;
            }
            heard.beat();
            if channel == 1 {
                let words = String::from_utf8_lossy(&bytes).trim().to_owned();
                return Err(Broken::Node(words));
            }
            pulse.hold();
            if writer.write_all(&bytes).await.is_err() {
                return Ok(());
            }
            pulse.beat();
        }
        Ok(())
    });
    let to_pod = async {
        let mut pings = pings(limits);
        let mut buffer = vec![0; MESSAGE];
        let mut open = true;
        loop {
            tokio::select! {
                read = reader.read(&mut buffer), if open => match read {
                    Ok(count @ 1..) => sink.send(0, buffer.get(..count).unwrap_or_default()).await?,
                    Ok(0) | Err(_) => {
                        open = false;
                        heard.beat();
                    }
                },
                _ = pings.tick() => sink.ping().await?,
                _ = heard.stopped(LINGER), if !open => return Ok(()),
            }
        }
    };
    let ended = tokio::select! {
        biased;
        ended = &mut from_pod => ended,
        ended = to_pod => match ended {
            // It may have closed normally, or have said why, before it took no more.
            Err(why) => tokio::time::timeout(LAST_WORDS, &mut from_pod)
                .await
                .unwrap_or(Err(why)),
            done => done,
        },
        why = pulse.stopped(limits.silence) => Err(why),
        _ = gone => Ok(()),
    };
    drop(from_pod);
    if let Err(why) = &ended {
        // Set once, here.
        let _ = told.set(why.clone());
    }
    // The local end need not wait for the goodbye.
    drop((reader, writer));
    sink.close().await;
    ended
}

impl Forwarded {
    fn broken(&self) -> Option<io::Error> {
        let why = self.end.why.get()?.clone();
        Some(io::Error::other(ForwardError::Broken {
            pod: self.end.pod.clone(),
            port: self.end.port,
            why,
        }))
    }
}

impl std::fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarded")
            .field("pod", &self.end.pod)
            .field("port", &self.end.port)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let ended = matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        match self.broken() {
            Some(broken) if ended && buffer.remaining() > 0 => Poll::Ready(Err(broken)),
            _ => polled,
        }
    }
}

impl AsyncWrite for Forwarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        match (&polled, self.broken()) {
            (Poll::Ready(Err(_)), Some(broken)) => Poll::Ready(Err(broken)),
            _ => polled,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
