//! Adding, changing and removing users.

use std::io;
use std::path::PathBuf;

use secrecy::ExposeSecret;
use thiserror::Error;

use super::line::line_end;
use super::{Finding, Htpasswd};
use crate::cost::Cost;
use crate::credentials::Credentials;
use crate::hash::bcrypt_2y;

/// Why an htpasswd file was left as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HtpasswdError {
    /// The user to be added is there already.
    #[error(
        "user {username:?} is in line {line} already; change the password, or remove the user first"
    )]
    UserExists {
        /// The user.
        username: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// The user to be changed or removed is not there.
    #[error("there is no user {username:?} in the file; list the users, or add this one")]
    NoSuchUser {
        /// The user.
        username: String,
    },
    /// The user to be changed is there more than once.
    #[error(
        "user {username:?} is in lines {lines:?}; the registry goes by the last and Apache by the \
         first: remove the user, which takes all of them, and add it again"
    )]
    Duplicate {
        /// The user.
        username: String,
        /// The lines, counted from 1.
        lines: Vec<usize>,
    },
    /// The registry would refuse the whole file.
    #[error("the registry would refuse the whole file: {0}")]
    Unusable(Finding),
    /// The file could not be read.
    #[error("{} could not be read; see that it is there and readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written, and is as it was.
    #[error("{} could not be written and is as it was; see that its directory is there and writable", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no random salt.
    #[error("the password of user {username:?} could not be hashed; try again")]
    Hash {
        /// The user.
        username: String,
        /// What bcrypt said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Htpasswd {
    /// Adds a user in a new last line, with the line end that the file has.
    ///
    /// Takes as long as the cost asks (about 50 ms at 10); in async code, use a thread.
    ///
    /// # Errors
    /// [`HtpasswdError::UserExists`]; [`HtpasswdError::Hash`] without randomness.
    pub fn add(&mut self, user: &Credentials, cost: Cost) -> Result<(), HtpasswdError> {
        if let Some(&line) = self.lines_of(user.username()).first() {
            return Err(HtpasswdError::UserExists {
                username: user.username().to_owned(),
                line,
            });
        }
        let end = self.usual_line_end().to_vec();
        let line = [
            user.username().as_bytes(),
            b":",
            hash(user, cost)?.as_bytes(),
            &end,
        ]
        .concat();
        if let Some(last) = self.lines.last_mut()
            && line_end(last).is_empty()
        {
            last.extend_from_slice(&end);
        }
        self.lines.push(line);
        Ok(())
    }

    /// Gives an existing user a new password: only the hash in that line changes.
    ///
    /// # Errors
    /// [`HtpasswdError::NoSuchUser`], [`HtpasswdError::Duplicate`]; [`HtpasswdError::Hash`]
    /// without randomness.
    pub fn change(&mut self, user: &Credentials, cost: Cost) -> Result<(), HtpasswdError> {
        let username = || user.username().to_owned();
        let found = self
            .entries()
            .filter(|(_, entry)| entry.user == user.username().as_bytes());
        let found: Vec<_> = found
            .map(|(line, entry)| (line, entry.hash_range))
            .collect();
        let (line, range) = match found.as_slice() {
            [] => {
                return Err(HtpasswdError::NoSuchUser {
                    username: username(),
                });
            }
            [only] => only.clone(),
            several => {
                return Err(HtpasswdError::Duplicate {
                    username: username(),
                    lines: several.iter().map(|(line, _)| *line).collect(),
                });
            }
        };
        let hash = hash(user, cost)?;
        self.lines[line - 1].splice(range, hash.into_bytes());
        Ok(())
    }

    /// [`change`](Htpasswd::change)s the user if it is there, [`add`](Htpasswd::add)s it if not.
    ///
    /// # Errors
    /// As those two.
    pub fn set(&mut self, user: &Credentials, cost: Cost) -> Result<(), HtpasswdError> {
        if self.contains(user.username()) {
            self.change(user, cost)
        } else {
            self.add(user, cost)
        }
    }

    /// Removes every line of the user, so that no earlier one comes back to life.
    ///
    /// # Errors
    /// [`HtpasswdError::NoSuchUser`].
    pub fn remove(&mut self, username: &str) -> Result<(), HtpasswdError> {
        let lines = self.lines_of(username);
        if lines.is_empty() {
            return Err(HtpasswdError::NoSuchUser {
                username: username.to_owned(),
            });
        }
        for line in lines.into_iter().rev() {
            self.lines.remove(line - 1);
        }
        Ok(())
    }

    /// Makes sure that the registry will read the file at all. Users who cannot log in are
    /// no error here; see [`findings`](Htpasswd::findings).
    ///
    /// # Errors
    /// [`HtpasswdError::Unusable`] with the first line that makes the registry refuse it.
    pub fn validate(&self) -> Result<(), HtpasswdError> {
        match self
            .findings()
            .into_iter()
            .find(|finding| finding.problem.is_fatal())
        {
            Some(finding) => Err(HtpasswdError::Unusable(finding)),
            None => Ok(()),
        }
    }

    fn lines_of(&self, username: &str) -> Vec<usize> {
        let found = self
            .entries()
            .filter(|(_, entry)| entry.user == username.as_bytes());
        found.map(|(line, _)| line).collect()
    }

    fn usual_line_end(&self) -> &[u8] {
        let mut ends = self.lines.iter().rev().map(|raw| line_end(raw));
        ends.find(|end| !end.is_empty()).unwrap_or(b"\n")
    }
}

fn hash(user: &Credentials, cost: Cost) -> Result<String, HtpasswdError> {
    bcrypt_2y(user.password().expose_secret(), cost).map_err(|source| HtpasswdError::Hash {
        username: user.username().to_owned(),
        source: source.into(),
    })
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
