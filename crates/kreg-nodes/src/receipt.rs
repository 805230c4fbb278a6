//! What became of one node.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Advice, Node, Refusal, TransportError};

/// What became of one node: printed as one line, kept as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The node's name.
    pub node: String,
    /// The address it was reached at, or tried.
    pub address: String,
    /// The outcome.
    pub state: State,
    /// The step that failed, such as `connect`, `probe`, `plan`, `write`, `rename`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<String>,
    /// Why it is not well: what was tried, on which file, and what came back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// The setting that the remedy is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advice: Option<Advice>,
    /// Each reason why the plan leaves the node alone; reason and remedy above hold all of them.
    #[serde(skip)]
    pub refusals: Vec<Refusal>,
    /// What is to be set by the system's own means, where nothing was written for that reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snippet: Option<String>,
    /// Each file that was looked at, in the order of the work.
    pub files: Vec<FileReport>,
    /// What went well and yet needs a look.
    pub warnings: Vec<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// The outcome for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum State {
    /// Everything was as wanted; no file was touched.
    Unchanged,
    /// Files were changed (or, where only looking, would be).
    Changed,
    /// A step failed. What was done before it is in the journal; the next run fixes it.
    Failed,
    /// The node could not be reached or entered.
    Unreachable,
    /// Nothing was written, on purpose: the reason and the remedy say why.
    Refused,
    /// A file is not as kreg left it, so kreg left it alone.
    Dirty,
}

/// What became of one file or directory on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReport {
    /// Absolute path on the node.
    pub path: String,
    /// The outcome.
    pub status: FileStatus,
    /// More about it; empty if there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The outcome for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileStatus {
    /// Written.
    Changed,
    /// As wanted already; not touched, not even its times.
    Unchanged,
    /// Brought back to what it was before kreg, or removed if it was not there.
    Restored,
    /// Not as kreg left it; left alone.
    Dirty,
    /// The step named in the detail failed.
    Failed,
}

impl Receipt {
    /// A receipt without anything to report yet.
    #[must_use]
    pub fn new(node: &Node, state: State) -> Receipt {
        Receipt {
            node: node.name.clone(),
            address: node.address.clone(),
            state,
            step: None,
            reason: None,
            remedy: None,
            advice: None,
            refusals: Vec::new(),
            snippet: None,
            files: Vec::new(),
            warnings: Vec::new(),
            millis: 0,
        }
    }

    /// The receipt of a node that a transport could not serve.
    #[must_use]
    pub fn from_transport(node: &Node, error: &TransportError) -> Receipt {
        let state = match error.is_unreachable() {
            true => State::Unreachable,
            false => State::Failed,
        };
        Receipt {
            advice: error.advice(),
            ..Receipt::new(node, state).because(error.step(), error.to_string(), error.remedy())
        }
    }

    /// Whether the node is as wanted now.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self.state, State::Unchanged | State::Changed)
    }

    /// What there is to say of it: why the node is not well, or the files that are not as they were.
    #[must_use]
    pub fn detail(&self) -> String {
        self.reason.clone().unwrap_or_else(|| {
            let changed = |file: &&FileReport| file.status != FileStatus::Unchanged;
            let files = self.files.iter().filter(changed);
            let paths: Vec<_> = files.map(|file| file.path.as_str()).collect();
            paths.join(", ")
        })
    }

    pub(crate) fn because(
        mut self,
        step: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Receipt {
        let remedy = remedy.into();
        self.step = Some(step.into());
        self.reason = Some(reason.into());
        self.remedy = (!remedy.is_empty()).then_some(remedy);
        self
    }
}

impl fmt::Display for Receipt {
    /// `worker-1: failed at write: ...; remedy`, on one line unless the remedy has more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.node, self.state)?;
        if let (State::Failed, Some(step)) = (self.state, &self.step) {
            write!(f, " at {step}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Unchanged => "unchanged",
            State::Changed => "changed",
            State::Failed => "failed",
            State::Unreachable => "unreachable",
            State::Refused => "refused",
            State::Dirty => "dirty",
        })
    }
}
