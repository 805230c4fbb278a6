//! A directory as a node.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

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
            // A group of its own, so that all that the script starts can be ended with it.
            .process_group(0)
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
        let input = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let over = AtomicBool::new(false);
        let (stdout, stderr, end) = thread::scope(|scope| {
            scope.spawn(move || {
                // A shell that ends early closes its end; its status tells the story.
                input.map(|mut input| input.write_all(script.as_bytes()))
            });
            let stdout = scope.spawn(|| read_limited(stdout, &over));
            let stderr = scope.spawn(|| read_limited(stderr, &over));
            // What the script left running may hold its outputs open.
            let read = || stdout.is_finished() && stderr.is_finished();
            let end = wait(&mut child, &over, &read, timeout);
            (
                stdout.join().unwrap_or_default(),
                stderr.join().unwrap_or_default(),
                end,
            )
        });
        match end {
            Ok(status) => Ok(Output {
                stdout,
                stderr,
                status: status.code(),
            }),
            Err(kind) => Err(TransportError::new(node, kind)),
        }
    }
}

/// The end of `child` and of its outputs. If it does not come in time, or if there is too much
/// output, `child` and all that it started are killed.
fn wait(
    child: &mut Child,
    over: &AtomicBool,
    read: &dyn Fn() -> bool,
    timeout: Duration,
) -> Result<ExitStatus, TransportErrorKind> {
    let started = Instant::now();
    let mut status = None;
    let kind = loop {
        if status.is_none() {
            match child.try_wait() {
                Ok(ended) => status = ended,
                Err(e) => {
                    break TransportErrorKind::Lost {
                        during: RUNNING,
                        detail: e.to_string(),
                    };
                }
            }
        }
        let read = read();
        if over.load(Ordering::Relaxed) {
            break TransportErrorKind::TooMuchOutput {
                limit: OUTPUT_LIMIT,
            };
        }
        match status {
            Some(status) if read => return Ok(status),
            _ if started.elapsed() >= timeout => {
                break TransportErrorKind::Timeout {
                    during: RUNNING,
                    after: timeout,
                };
            }
            _ => thread::sleep(Duration::from_millis(2)),
        }
    };
    // Fails only if nothing of it is left.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
    Err(kind)
}

/// All of `source`, up to the limit; sets `over` if there is more.
fn read_limited(source: Option<impl Read>, over: &AtomicBool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        let limit = OUTPUT_LIMIT as u64 + 1;
        // What came before a read error is all there is.
        let _ = source.take(limit).read_to_end(&mut bytes);
        if bytes.len() > OUTPUT_LIMIT {
            over.store(true, Ordering::Relaxed);
        }
    }
    bytes
}
