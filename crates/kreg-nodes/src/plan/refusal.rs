//! Why a node is left alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Advice;

/// Why nothing is written on a node, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refusal {
    /// What kind of reason.
    pub kind: RefusalKind,
    /// The reason, naming file and value.
    pub reason: String,
    /// What to do, with the snippet to set where there is one.
    pub remedy: String,
    /// The setting that the remedy is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<Advice>,
    /// What to set by the system's own means, alone and whole, where nothing is to be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

/// Kinds of reasons to leave a node alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// No container runtime was found.
    NoRuntime,
    /// A release of a runtime that would not keep what kreg writes.
    UnsupportedRuntime,
    /// A system that makes its files from its own settings.
    ManagedSystem,
    /// Another agent on the node would erase what kreg writes.
    ForeignAgent,
    /// containerd looks in no directory for registries.
    NoConfigPath,
    /// The runtime's configuration cannot be read or makes its CRI plugin fail.
    BrokenConfig,
    /// A directory that the runtime reads instead of kreg's.
    Shadowed,
    /// A file that kreg did not write.
    Foreign,
    /// The path holds something else than a regular file.
    NotAFile,
    /// Markers in a shared file that cannot be made sense of.
    BrokenMarkers,
    /// An entry of kreg's own journal that cannot be read.
    BrokenJournal,
    /// The place cannot be written to.
    ReadOnly,
    /// No free space.
    NoSpace,
    /// Not running as root.
    NotRoot,
    /// The registry's address is needed and was not given.
    NoAddress,
}

/// Every reason to leave a node alone; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refused(
    /// The reasons, in the order in which they were found.
    pub Vec<Refusal>,
);

impl Refused {
    /// All reasons in one text.
    #[must_use]
    pub fn reason(&self) -> String {
        join(self.0.iter().map(|refusal| refusal.reason.as_str()))
    }

    /// All remedies in one text.
    #[must_use]
    pub fn remedy(&self) -> String {
        join(self.0.iter().map(|refusal| refusal.remedy.as_str()))
    }
}

impl Refused {
    /// What is to be set by the system's own means, if there is such a snippet.
    #[must_use]
    pub fn snippet(&self) -> Option<&str> {
        self.0.iter().find_map(|refusal| refusal.snippet.as_deref())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}

impl Refusal {
    pub(crate) fn new(
        kind: RefusalKind,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Refusal {
        Refusal {
            kind,
            reason: reason.into(),
            remedy: remedy.into(),
            advice: None,
            snippet: None,
        }
    }

    pub(crate) fn with_advice(mut self, advice: Option<Advice>) -> Refusal {
        self.advice = advice;
        self
    }

    pub(crate) fn with_snippet(mut self, snippet: impl Into<String>) -> Refusal {
        self.snippet = Some(snippet.into());
        self
    }
}

fn join<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen.join("; also: ")
}
