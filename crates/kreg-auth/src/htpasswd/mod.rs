//! The registry's user file, edited without touching what is not ours.

mod check;
mod edit;
#[cfg(feature = "file")]
mod file;
mod finding;
mod line;

use std::fmt;

pub use check::Verdict;
pub use edit::HtpasswdError;
pub use finding::{Finding, Problem};

use self::line::{Entry, Line};
use crate::hash::HashKind;

/// An htpasswd file: one `name:hash` a line, `#` comments, blank lines.
///
/// Reading never fails and loses nothing: [`to_bytes`](Htpasswd::to_bytes) gives back every
/// byte, whatever it was, and an edit changes only the line it is about. What the registry
/// would refuse or mistreat is told by [`findings`](Htpasswd::findings); ask before writing.
///
/// The registry (distribution 2.x and 3.x) reads the file again when its modification time
/// has changed, so that users come and go without a restart. It knows no permissions: every
/// user can pull, push and delete.
///
/// ```
/// use kreg_auth::{Cost, Credentials, Htpasswd};
/// let mut file = Htpasswd::parse("# team\nold:$apr1$zzz$zzz\n");
/// let new = Credentials::new("new", "correct horse")?;
/// file.add(&new, Cost::MIN)?;
/// assert!(file.check("new", new.password()).is_accepted());
/// assert!(file.to_bytes().starts_with(b"# team\nold:$apr1$zzz$zzz\nnew:$2y$04$"));
/// assert_eq!(file.findings()[0].username.as_deref(), Some("old")); // not bcrypt
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Htpasswd {
    /// Each with its line end; only the last may lack one.
    lines: Vec<Vec<u8>>,
}

/// One entry of an htpasswd file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The name (lossy where it is not UTF-8).
    pub name: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What kind of hash stands there.
    pub hash: HashKind,
}

impl Htpasswd {
    /// Takes the bytes of a file, whatever they are.
    #[must_use]
    pub fn parse(file: impl AsRef<[u8]>) -> Htpasswd {
        let lines = file.as_ref().split_inclusive(|byte| *byte == b'\n');
        Htpasswd {
            lines: lines.map(<[u8]>::to_vec).collect(),
        }
    }

    /// The file, byte for byte as it was parsed, except for the lines that were edited.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// Every entry in the order of the file, also those that cannot log in.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let user = |(line, entry): (usize, Entry<'_>)| User {
            name: String::from_utf8_lossy(entry.user).into_owned(),
            line,
            hash: HashKind::of(entry.hash),
        };
        self.entries().map(user).collect()
    }

    /// Whether the file has an entry for this user, able to log in or not.
    #[must_use]
    pub fn contains(&self, username: &str) -> bool {
        self.entries()
            .any(|(_, entry)| entry.user == username.as_bytes())
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &[u8])> {
        (1..).zip(self.lines.iter().map(Vec::as_slice))
    }

    fn entries(&self) -> impl Iterator<Item = (usize, Entry<'_>)> {
        self.numbered()
            .filter_map(|(number, raw)| match Line::read(raw) {
                Line::Entry(entry) => Some((number, entry)),
                _ => None,
            })
    }
}

impl fmt::Debug for Htpasswd {
    /// The users and kinds of hashes; the hashes themselves stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd")
            .field("users", &self.users())
            .finish_non_exhaustive()
    }
}
