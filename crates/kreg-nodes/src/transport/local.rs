//! A directory as a node.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::error::RUNNING;
use super::{NodeTransport, OUTPUT_LIMIT, Output, TransportError, TransportErrorKind};
use crate::Node;

/// A directory that holds a node's file tree: an image being built, or a test. Every path
/// that kreg reads or writes lies below it (the script's `KREG_ROOT`).
///
/// With `/` it is this machine itself.
#[derive(Clone, Debug)]
pub struct LocalRoot {
    root: PathBuf,
    shell: Vec<String>,
    env: Vec<(String, String)>,
}

impl LocalRoot {
    /// The file tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> LocalRoot {
        LocalRoot {
            root: root.into(),
            shell: vec!["sh".to_owned()],
            env: Vec::new(),
        }
    }

    /// Another shell than `sh`, with its leading arguments: `["busybox", "sh"]`.
    #[must_use]
    pub fn shell<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> LocalRoot {
        self.shell = command.into_iter().map(Into::into).collect();
        self
    }

    /// One more environment variable for the shell.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> LocalRoot {
        self.env.push((name.into(), value.into()));
        self
    }

    fn start(&self, node: &Node) -> Result<Child, TransportError> {
        let program = self.shell.first().map_or("sh", String::as_str);
        let mut command = Command::new(program);
        command.args(self.shell.iter().skip(1)).arg("-s");
        if self.root != Path::new("/") {
            command.env("KREG_ROOT", &self.root);
        }
        command
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| {
                let (program, detail) = (program.to_owned(), e.to_string());
                TransportError::new(node, TransportErrorKind::Start { program, detail })
            })
    }
}

impl NodeTransport for LocalRoot {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        let mut child = self.start(node)?;
        let started = Instant::now();
        let input = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let (stdout, stderr, status) = thread::scope(|scope| {
            scope.spawn(move || {
                // A shell that ends early closes its end; its status tells the story.
                input.map(|mut input| input.write_all(script.as_bytes()))
            });
            let stdout = scope.spawn(move || read_limited(stdout));
            let stderr = scope.spawn(move || read_limited(stderr));
            let status = wait(&mut child, started, timeout);
            let join =
                |handle: thread::ScopedJoinHandle<'_, Vec<u8>>| handle.join().unwrap_or_default();
            (join(stdout), join(stderr), status)
        });
        let kind = match status {
            Ok(Some(_)) if stdout.len().max(stderr.len()) > OUTPUT_LIMIT => {
                TransportErrorKind::TooMuchOutput {
                    limit: OUTPUT_LIMIT,
                }
            }
            Ok(Some(status)) => {
                return Ok(Output {
                    stdout,
                    stderr,
                    status: status.code(),
                });
            }
            Ok(None) => TransportErrorKind::Timeout {
                during: RUNNING,
                after: timeout,
            },
            Err(e) => TransportErrorKind::Lost {
                during: RUNNING,
                detail: e.to_string(),
            },
        };
        Err(TransportError::new(node, kind))
    }
}

/// The end of `child`; none, and the child killed, if it did not come in time.
fn wait(
    child: &mut Child,
    started: Instant,
    timeout: Duration,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= timeout {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// All of `source`, cut one byte past the limit, so that the caller sees that it was passed.
fn read_limited(source: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut source) = source {
        let limit = OUTPUT_LIMIT as u64 + 1;
        // What came before a read error is all there is.
        let _ = source.by_ref().take(limit).read_to_end(&mut bytes);
        let _ = std::io::copy(&mut source, &mut std::io::sink());
    }
    bytes
}
