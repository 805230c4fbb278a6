//! The one thing that a backend must be able to do.

pub(crate) mod error;
mod local;
pub(crate) mod process;

use std::time::Duration;

pub use error::{TransportError, TransportErrorKind};
pub use local::LocalRoot;

use crate::Node;

/// Runs POSIX shell scripts on nodes. Every backend passes [`crate::conformance::check`].
///
/// Blocking: call it from a thread that may wait. Calls for different nodes come from
/// several threads at once, calls for one node never do.
pub trait NodeTransport: Send + Sync {
    /// Runs `script` on `node` by a POSIX shell, as root where writing to `/etc` needs it,
    /// and waits until it ends, for `timeout` at most.
    ///
    /// The script is given whole, on standard input or by other means, never in argv. It
    /// must not read its standard input.
    ///
    /// # Errors
    /// [`TransportError`] if the script could not be run to its end. A script that ends
    /// with another status than 0 is no error here: see [`Output::status`].
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError>;
}

impl<T: NodeTransport + ?Sized> NodeTransport for &T {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        (**self).run(node, script, timeout)
    }
}

impl<T: NodeTransport + ?Sized> NodeTransport for Box<T> {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        (**self).run(node, script, timeout)
    }
}

/// What a script wrote and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Standard output, byte for byte.
    pub stdout: Vec<u8>,
    /// Standard error, byte for byte.
    pub stderr: Vec<u8>,
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
}

impl Output {
    /// The last lines of standard error, for messages: at most 400 characters, no control
    /// characters.
    #[must_use]
    pub fn stderr_tail(&self) -> String {
        tail(&self.stderr)
    }

    /// What was answered in place of what was asked for, as `stderr_tail`: standard output, and
    /// standard error after it.
    #[must_use]
    pub fn said(&self) -> String {
        let both = [tail(&self.stdout), tail(&self.stderr)];
        tail(both.join(" ").as_bytes())
    }
}

/// The end of a text that somebody else wrote, fit to stand in a message.
pub(crate) fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let clean: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let skip = clean.chars().count().saturating_sub(400);
    clean.chars().skip(skip).collect()
}

/// The most that a script may print, in bytes, before a backend gives up on it.
pub const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;
