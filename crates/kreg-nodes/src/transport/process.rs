//! A program on this machine: fed, read, and ended in time.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::RUNNING;
use super::{OUTPUT_LIMIT, TransportErrorKind};

/// What a program printed, and how it ended: by itself, or by what ended it.
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) end: Result<ExitStatus, TransportErrorKind>,
}

/// Runs `command` with `input`, for `timeout` at most, and until it prints more than
/// [`OUTPUT_LIMIT`]. It gets a process group of its own, which is killed as a whole.
///
/// # Errors
/// [`TransportErrorKind::Start`] if it cannot be started.
pub(crate) fn run(
    command: &mut Command,
    input: &[u8],
    timeout: Duration,
) -> Result<Ran, TransportErrorKind> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| TransportErrorKind::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            detail: e.to_string(),
        })?;
    let (stdin, input) = (child.stdin.take(), input.to_vec());
    thread::spawn(move || {
        // A program that ends early closes its end; its status tells the story.
        stdin.map(|mut stdin| stdin.write_all(&input))
    });
    let (stdout, stderr) = (
        Heard::to(child.stdout.take()),
        Heard::to(child.stderr.take()),
    );
    let end = wait(&mut child, [&stdout, &stderr], timeout);
    if end.is_err() {
        // Fails only if nothing of it is left.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
    }
    Ok(Ran {
        stdout: stdout.take(),
        stderr: stderr.take(),
        end,
    })
}

/// The end of `child` and of its outputs, if it comes in time and after no more than may be printed.
fn wait(
    child: &mut Child,
    outputs: [&Heard; 2],
    timeout: Duration,
) -> Result<ExitStatus, TransportErrorKind> {
    let started = Instant::now();
    let mut status = None;
    loop {
        if status.is_none() {
            status = child.try_wait().map_err(|e| TransportErrorKind::Lost {
                during: RUNNING,
                detail: e.to_string(),
            })?;
        }
        // What the program left running may hold its outputs open.
        let read = outputs.iter().all(|output| output.is_over());
        if outputs.iter().any(|output| output.is_too_much()) {
            return Err(TransportErrorKind::TooMuchOutput {
                limit: OUTPUT_LIMIT,
            });
        }
        match status {
            Some(status) if read => return Ok(status),
            _ if started.elapsed() >= timeout => {
                return Err(TransportErrorKind::Timeout {
                    during: RUNNING,
                    after: timeout,
                });
            }
            _ => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// What an output gave so far. Another program that holds the output open keeps only the reader waiting.
#[derive(Clone)]
struct Heard(Arc<(Mutex<Vec<u8>>, AtomicBool)>);

impl Heard {
    fn to(source: Option<impl Read + Send + 'static>) -> Heard {
        let heard = Heard(Arc::default());
        let ours = heard.clone();
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            let mut source = source;
            // What came before a read error is all there is.
            while let Some(Ok(count @ 1..)) = source.as_mut().map(|from| from.read(&mut buffer)) {
                ours.bytes().extend_from_slice(&buffer[..count]);
                if ours.is_too_much() {
                    break;
                }
            }
            ours.0.1.store(true, Ordering::Release);
        });
        heard
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.0.1.load(Ordering::Acquire)
    }

    fn is_too_much(&self) -> bool {
        self.bytes().len() > OUTPUT_LIMIT
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes())
    }
}
