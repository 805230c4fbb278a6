//! One program in a container, to its end.
//!
//! Source of the channels: kubernetes, `staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go`.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use k8s_openapi::serde_json;
use kube::Resource as _;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;

use crate::socket::{Broken, Limits, Pulse, Sink, Source, pings};
use crate::streams::{Connect, PodStreams};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

/// The largest message that is sent.
const MESSAGE: usize = 32 << 10;

/// What to run where, and within which limits.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The Pod's namespace.
    pub namespace: &'a str,
    /// The Pod's name.
    pub pod: &'a str,
    /// The container's name.
    pub container: &'a str,
    /// The program and its arguments. They show in the container's list of processes: never a secret.
    pub command: &'a [&'a str],
    /// What the program reads. Its standard input stays open after that, because older servers can close all streams
    /// or none: the program must know where its input ends.
    pub stdin: &'a [u8],
    /// The longest time that it may run, however often it shows life.
    pub limit: Duration,
    /// The most bytes that it may write to each of standard output and standard error.
    pub output_max: usize,
}

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// How it ended, in the node's words.
    pub status: Status,
}

impl Ended {
    /// The exit status; `None` if the program never began.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        if self.status.status.as_deref() == Some("Success") {
            return Some(0);
        }
        let causes = self.status.details.as_ref()?.causes.as_ref()?;
        let exit = causes
            .iter()
            .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
        exit.message.as_ref()?.parse().ok()
    }
}

/// Why nobody knows how a program ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The API server refused; the program did not begin.
    #[error("the API server refused it")]
    Refused(#[source] Box<kube::Error>),
    /// The API server did not open the stream in time. Whether the program began is not known.
    #[error("no answer of the API server within {} s", .after.as_secs())]
    Slow {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke. The program may still run.
    #[error("the connection broke, and the program may still run: {0}")]
    Broken(Broken),
    /// The program did not end in time. It may still run.
    #[error("it did not end within {} s, and may still run", .after.as_secs())]
    Unended {
        /// How long was waited.
        after: Duration,
    },
    /// The program wrote too much. It may still run.
    #[error("it wrote more than {limit} bytes")]
    TooMuch {
        /// The most bytes for each stream.
        limit: usize,
    },
}

impl ExecError {
    /// Whether there is no such Pod any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let ExecError::Refused(error) = self else {
            return false;
        };
        matches!(error.as_ref(), kube::Error::Api(status) if status.code == 404)
    }
}

impl PodStreams {
    /// Runs a program in a container, to its end. Needs the right to `create pods/exec` (older servers: `get`).
    ///
    /// # Errors
    /// [`ExecError`] if nobody can say how it ended.
    pub async fn exec(&self, program: Program<'_>) -> Result<Ended, ExecError> {
        let refused = |error| ExecError::Refused(Box::new(error));
        let parameters = AttachParams::default()
            .container(program.container)
            .stdin(!program.stdin.is_empty())
            .stdout(true)
            .stderr(true);
        let request = kube::core::Request::new(Pod::url_path(&(), Some(program.namespace)))
            .exec(program.pod, program.command.iter().copied(), &parameters)
            .map_err(|error| refused(kube::Error::BuildRequest(error)))?;
        let connection = self.connect(request).await.map_err(|error| match error {
            Connect::Refused(error) => ExecError::Refused(error),
            Connect::Slow => ExecError::Slow {
                after: self.limits.connect,
            },
        })?;
        let run = follow(connection.into_stream(), program, self.limits);
        match tokio::time::timeout(program.limit, run).await {
            Ok(ended) => ended,
            Err(_) => Err(ExecError::Unended {
                after: program.limit,
            }),
        }
    }
}

async fn follow<S: AsyncRead + AsyncWrite + Unpin>(
    socket: WebSocketStream<S>,
    program: Program<'_>,
    limits: Limits,
) -> Result<Ended, ExecError> {
    let pulse = Pulse::new();
    let (sink, stream) = socket.split();
    let mut source = Source {
        stream,
        pulse: &pulse,
    };
    let mut sink = Sink {
        sink,
        pulse: &pulse,
    };
    let listen = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            // Closed normally, but without a status: nobody knows how it ended.
            let Some((channel, bytes)) = source.next().await? else {
                return Err(Broken::Cut.into());
            };
            let kept = match channel {
                STDOUT => &mut stdout,
                STDERR => &mut stderr,
                // Each channel begins with an empty message.
                STATUS if !bytes.is_empty() => {
                    let status: Status = serde_json::from_slice(&bytes).map_err(|error| {
                        Broken::Failed(format!("its status cannot be read: {error}"))
                    })?;
                    return Ok(Ended {
                        stdout,
                        stderr,
                        status,
                    });
                }
                _ => continue,
            };
            if kept.len() + bytes.len() > program.output_max {
                return Err(ExecError::TooMuch {
                    limit: program.output_max,
                });
            }
            kept.extend_from_slice(&bytes);
        }
    };
    let speak = async {
        for part in program.stdin.chunks(MESSAGE) {
            sink.send(STDIN, part).await?;
        }
        let mut pings = pings(limits);
        loop {
            pings.tick().await;
            sink.ping().await?;
        }
    };
    let ended = tokio::select! {
        // What the program has said comes first: it may have ended while more was sent to it.
        biased;
        ended = listen => ended,
        broken = speak => match broken {
            Err(broken) => Err(ExecError::Broken(broken)),
            Ok(never) => never,
        },
        broken = pulse.stopped(limits.silence) => Err(broken.into()),
    };
    sink.close().await;
    ended
}

impl From<Broken> for ExecError {
    fn from(broken: Broken) -> Self {
        ExecError::Broken(broken)
    }
}
