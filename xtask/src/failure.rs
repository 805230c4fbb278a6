//! The one error of the chores: what was tried, why it failed, where the log is, what to do next.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of every chore.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// A chore that did not work, told so that its reader can act on it.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Failure {
    tried: String,
    why: String,
    log: Option<PathBuf>,
    next: Option<String>,
}

impl Failure {
    /// `tried` completes "could not …"; `why` is the cause in the words of whoever refused.
    pub(crate) fn new(tried: impl Into<String>, why: impl fmt::Display) -> Self {
        Self {
            tried: tried.into(),
            why: why.to_string(),
            log: None,
            next: None,
        }
    }

    /// Names the file that holds the whole story.
    pub(crate) fn log(mut self, file: impl AsRef<Path>) -> Self {
        self.log = Some(file.as_ref().to_path_buf());
        self
    }

    /// Says what the reader should do now. The innermost advice wins: it knew most.
    pub(crate) fn next(mut self, advice: impl Into<String>) -> Self {
        self.next.get_or_insert_with(|| advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.tried, self.why)?;
        if let Some(log) = &self.log {
            write!(f, "\n  log:  {}", log.display())?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

/// Turns any error into a [`Failure`] by saying what was tried.
pub(crate) trait Tried<T> {
    /// `what` completes "could not …".
    fn tried(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Tried<T> for std::result::Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|why| Failure::new(what(), why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_attempt_cause_log_and_advice() {
        let failure = Failure::new("start dockerd", "it ended")
            .log("/tmp/dockerd.log")
            .next("read the log")
            .next("lose");
        assert_eq!(
            failure.to_string(),
            "could not start dockerd: it ended\n  log:  /tmp/dockerd.log\n  next: read the log"
        );
    }
}
