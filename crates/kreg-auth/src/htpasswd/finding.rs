//! What the registry would refuse or silently mistreat in an htpasswd file.

use std::collections::HashMap;
use std::fmt;

use super::Htpasswd;
use super::line::Line;
use crate::hash::HashKind;

/// Go's `bufio.Scanner`, with which the registry reads the file, gives up on longer lines.
const LINE_LIMIT: usize = 64 * 1024;

/// One thing in an htpasswd file that will not work as its writer meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The line, counted from 1.
    pub line: usize,
    /// Whose entry, where the line has one (lossy where it is not UTF-8).
    pub username: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a line of an htpasswd file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A text without `:`: the registry refuses the whole file, and all users with it.
    NoColon,
    /// 64 KiB or more in one line: the registry refuses the whole file.
    TooLong,
    /// A hash the registry cannot check, so that this user cannot log in.
    NotAccepted(HashKind),
    /// The user has a later line, and the registry goes by that one (Apache by the first).
    Shadowed {
        /// The line that counts.
        by: usize,
    },
    /// Nothing before the `:`; a client that sends an empty name could log in.
    EmptyUsername,
    /// A byte order mark, which the registry takes for a part of the first name.
    ByteOrderMark,
    /// The name is not UTF-8, so that hardly any client can send it.
    NotUtf8,
}

impl Problem {
    /// Whether the registry refuses the whole file because of it: it answers the first
    /// request with an empty 400 and then goes on with the users it had before.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Problem::NoColon | Problem::TooLong)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoColon => f.write_str(
                "no `:` in it, and the registry refuses the whole file: write `name:hash`, put a \
                 `#` in front, or delete the line",
            ),
            Problem::TooLong => f.write_str(
                "the line has 64 KiB or more, and the registry refuses the whole file: delete it",
            ),
            Problem::NotAccepted(kind) => write!(
                f,
                "this registry will not accept it: the hash is {kind}, and only bcrypt works; \
                 set the password again"
            ),
            Problem::Shadowed { by } => write!(
                f,
                "line {by} has the same user, and the registry goes by that one: delete this line"
            ),
            Problem::EmptyUsername => f.write_str("no name before the `:`: delete the line"),
            Problem::ByteOrderMark => f.write_str(
                "the file begins with a byte order mark, which becomes a part of this name: save \
                 it as UTF-8 without one",
            ),
            Problem::NotUtf8 => f.write_str(
                "the name is not UTF-8, so that clients cannot send it: rename the user",
            ),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.username {
            Some(username) => write!(f, "line {}, user {username:?}: {}", self.line, self.problem),
            None => write!(f, "line {}: {}", self.line, self.problem),
        }
    }
}

impl Htpasswd {
    /// Everything in the file that the registry would refuse or silently mistreat, by line.
    /// Empty if all users can log in.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut last_line_of: HashMap<&[u8], usize> = HashMap::new();
        for (number, entry) in self.entries() {
            last_line_of.insert(entry.user, number);
        }
        let mut findings = Vec::new();
        for (number, raw) in self.numbered() {
            let line = Line::read(raw);
            let username = match &line {
                Line::Entry(entry) => Some(String::from_utf8_lossy(entry.user).into_owned()),
                _ => None,
            };
            let mut report = |problem| {
                findings.push(Finding {
                    line: number,
                    username: username.clone(),
                    problem,
                });
            };
            if raw.strip_suffix(b"\n").unwrap_or(raw).len() >= LINE_LIMIT {
                report(Problem::TooLong);
            }
            let entry = match line {
                Line::Broken => {
                    report(Problem::NoColon);
                    continue;
                }
                Line::Entry(entry) => entry,
                Line::Blank | Line::Comment => continue,
            };
            if entry.user.is_empty() {
                report(Problem::EmptyUsername);
            }
            if number == 1 && entry.user.starts_with("\u{feff}".as_bytes()) {
                report(Problem::ByteOrderMark);
            }
            if std::str::from_utf8(entry.user).is_err() {
                report(Problem::NotUtf8);
            }
            match last_line_of.get(entry.user) {
                Some(&by) if by != number => report(Problem::Shadowed { by }),
                _ => {}
            }
            let kind = HashKind::of(entry.hash);
            if !kind.is_accepted_by_registry() {
                report(Problem::NotAccepted(kind));
            }
        }
        findings
    }
}
