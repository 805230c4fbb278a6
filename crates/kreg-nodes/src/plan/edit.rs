//! One file, as it is and as it will be.

use std::fmt;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use crate::Trust;

/// One edit: a file, what it will hold, and what it holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Edit {
    pub(crate) kind: EditKind,
    pub(crate) change: Change,
    pub(crate) before: Option<String>,
    pub(crate) after: String,
}

/// How a file is edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EditKind {
    /// The whole file is kreg's.
    File {
        /// Absolute path.
        path: String,
        /// Permission bits of a new file.
        mode: u32,
        /// All of it; ends with a newline.
        content: String,
        /// Whether a foreign file there may be replaced (and kept for undo).
        adopt: bool,
    },
    /// Only the block between kreg's markers is kreg's.
    Block {
        /// Absolute path.
        path: String,
        /// The block with its markers; ends with a newline.
        text: String,
    },
}

/// What an edit does to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// Nothing: it is as wanted.
    Keep,
    /// It is not there yet.
    Create,
    /// It holds something else.
    Replace,
}

impl Edit {
    /// How the file is edited.
    #[must_use]
    pub fn kind(&self) -> &EditKind {
        &self.kind
    }

    /// Absolute path on the node.
    #[must_use]
    pub fn path(&self) -> &str {
        self.kind.path()
    }

    /// What happens to it.
    #[must_use]
    pub fn change(&self) -> Change {
        self.change
    }

    /// Whether nothing happens to it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.change == Change::Keep
    }

    /// What it will hold (bytes that are not UTF-8 shown as `U+FFFD`).
    #[must_use]
    pub fn after(&self) -> &str {
        &self.after
    }
}

impl EditKind {
    /// A file that is all kreg's and that everybody may read.
    pub(super) fn of_trust(trust: &Trust, path: String, content: &str) -> EditKind {
        EditKind::File {
            path,
            mode: 0o644,
            content: content.to_owned(),
            adopt: trust.adopt(),
        }
    }

    /// Absolute path on the node.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            EditKind::File { path, .. } | EditKind::Block { path, .. } => path,
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_kept() {
            return Ok(());
        }
        let before = self.before.as_deref().unwrap_or_default();
        let old = match self.before {
            Some(_) => self.path(),
            None => "/dev/null",
        };
        let diff = TextDiff::from_lines(before, &self.after);
        write!(
            f,
            "{}",
            diff.unified_diff()
                .context_radius(2)
                .header(old, self.path())
        )
    }
}
