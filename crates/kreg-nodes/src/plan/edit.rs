//! One file, as it is and as it will be.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use similar::{ChangeTag, TextDiff};

use crate::Trust;

/// One edit: a file, what it will hold, and what it holds now.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    pub(crate) kind: EditKind,
    pub(crate) change: Change,
    pub(crate) before: Option<String>,
    pub(crate) after: String,
}

/// How a file is edited.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("path", &self.path())
            .field("change", &self.change)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Edit {
    /// A diff without context, and without the values of lines that go: those are others'.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_kept() {
            return Ok(());
        }
        let before = self.before.as_deref().unwrap_or_default();
        let old = match self.before {
            Some(_) => self.path(),
            None => "/dev/null",
        };
        writeln!(f, "--- {old}\n+++ {}", self.path())?;
        let diff = TextDiff::from_lines(before, &self.after);
        for hunk in diff.unified_diff().context_radius(0).iter_hunks() {
            writeln!(f, "{}", hunk.header())?;
            for change in hunk.iter_changes() {
                let line = change.value().trim_end();
                match change.tag() {
                    ChangeTag::Insert => writeln!(f, "+{line}")?,
                    ChangeTag::Delete => writeln!(f, "-{}", masked(line))?,
                    ChangeTag::Equal => {}
                }
            }
        }
        Ok(())
    }
}

/// A line of what was there before, without its value, which may be a password.
fn masked(line: &str) -> String {
    // Not every `=` ends a key: base64 has it as well.
    let key = [" = ", ": "]
        .iter()
        .filter_map(|end| line.split_once(end)?.0.into())
        .min_by_key(|key: &&str| key.len());
    match key {
        Some(key) => format!("{key} ***"),
        None => "***".to_owned(),
    }
}

/// A file that somebody else wrote may hold passwords, so the form for people and programs has the
/// path, what happens to the file, and the diff as it prints.
impl Serialize for Edit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = serializer.serialize_struct("Edit", 3)?;
        shown.serialize_field("path", self.path())?;
        shown.serialize_field("change", &self.change)?;
        shown.serialize_field("diff", &self.to_string())?;
        shown.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_of_what_was_there_is_shown_in_any_form() {
        let before = "\
config_path = \"\"
[plugins.cri.registry.configs.r]
auth = { password = \"s3cret\" }
password=\"s3cret\"
  authorization = [
    \"Basic s3cret==\",
    s3cret==
  ]
server = \"https://user:s3cret@mirror\"
configs: {r: {auth: {password: s3cret}}}
";
        let with_root = before.replace("\"\"", "\"/etc/containerd/certs.d\"");
        for after in ["server = \"https://10.96.0.50:5000\"\n", &with_root] {
            let edit = Edit {
                kind: EditKind::File {
                    path: "/etc/containerd/config.toml".to_owned(),
                    mode: 0o644,
                    content: after.to_owned(),
                    adopt: true,
                },
                change: Change::Replace,
                before: Some(before.to_owned()),
                after: after.to_owned(),
            };
            let diff = edit.to_string();
            assert!(diff.contains("+++ /etc/containerd/config.toml"), "{diff}");
            assert!(diff.contains("-config_path ***"), "{diff}");
            let added = after.lines().next().unwrap();
            assert!(diff.contains(&format!("+{added}")), "{diff}");
            let json = serde_json::to_string(&edit).unwrap();
            for shown in [diff, json, format!("{edit:?}")] {
                assert!(!shown.contains("s3cret"), "{shown}");
            }
        }
    }
}
