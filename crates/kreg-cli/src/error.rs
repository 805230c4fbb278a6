//! What a command can end with: stable exit codes, and one error type that maps to them.

mod cluster;
mod library;
mod tunnel;

use std::fmt;
use std::process::ExitCode;

pub(crate) use cluster::said;

/// How a command ended; the numbers are a contract for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything asked for is done.
    Done = 0,
    /// It failed; what stands is named in the message.
    Failed = 1,
    /// Bad usage or configuration; nothing was touched.
    Usage = 2,
    /// Some nodes are not done; each is named.
    Partial = 3,
    /// The proof did not hold.
    ProofFailed = 4,
    /// Changes are pending (`plan --exit-code`), or drift (`status`).
    Pending = 5,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending as u8)
    }
}

/// An error as a person meets it: what was tried, why it failed, what to do next.
#[derive(Debug)]
pub(crate) struct Error {
    ending: Ending,
    message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) help: Option<String>,
    /// The result with all of it is on stdout already.
    pub(crate) told: bool,
}

impl Error {
    /// The user's words or files are at fault; nothing was touched.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Ending::Usage, message)
    }

    /// The same, in the error's own words.
    pub(crate) fn input(error: &(dyn std::error::Error + 'static)) -> Self {
        let own = Self::usage(error.to_string());
        match error.source() {
            Some(cause) => own.because(cause),
            None => own,
        }
    }

    /// Something failed on the way.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Ending::Failed, message)
    }

    pub(crate) fn new(ending: Ending, message: impl Into<String>) -> Self {
        Self {
            ending,
            message: message.into(),
            causes: Vec::new(),
            help: None,
            told: false,
        }
    }

    /// Adds the whole chain of sources of `cause`, outermost first.
    pub(crate) fn because(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = match error.downcast_ref() {
                Some(error) => said(error),
                None => error.to_string(),
            };
            // Some libraries repeat their source in their own message.
            if !self.causes.last().is_some_and(|last| last.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds help if there is any.
    pub(crate) fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// For what follows a printed result: stdout keeps to one document.
    pub(crate) fn told(mut self) -> Self {
        self.told = true;
        self
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Message and causes in one line.
    pub(crate) fn line(&self) -> String {
        let causes = self.causes.iter().map(|cause| format!(": {cause}"));
        format!("{}{}", self.message, causes.collect::<String>())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<kreg_k8s::Error> for Error {
    fn from(cause: kreg_k8s::Error) -> Self {
        Self::failed("the cluster could not be read or changed").because(&cause)
    }
}

/// Turns a library's error into the command's own, saying what was tried.
pub(crate) trait Tried<T> {
    fn tried(self, what: impl fmt::Display) -> Result<T, Error>;
}

impl<T, E: std::error::Error + 'static> Tried<T> for Result<T, E> {
    fn tried(self, what: impl fmt::Display) -> Result<T, Error> {
        self.map_err(|cause| Error::failed(what.to_string()).because(&cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_listed_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: inner")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;

        let error = Error::failed("reading x").because(&Outer(Inner));
        assert_eq!(error.causes, ["outer: inner"]);
        assert_eq!(error.ending(), Ending::Failed);
    }
}
