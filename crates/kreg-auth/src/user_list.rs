//! Several users in one text.

use thiserror::Error;

use crate::credentials::{Credentials, CredentialsError};

/// Why a list of users cannot be read. No line is in the message: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UserListError {
    /// A line is not a user.
    #[error("line {line} has no colon; write each user as `name:password`")]
    NoColon {
        /// Its number, from 1.
        line: usize,
    },
    /// A line has a name or a password that cannot be used.
    #[error("cannot use line {line}")]
    Unusable {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: CredentialsError,
    },
}

impl Credentials {
    /// The users in a text with a line `name:password` for each; empty lines and `#` comments are left out.
    ///
    /// # Errors
    /// [`UserListError`] for the first line that is not a user.
    ///
    /// ```
    /// use kreg_auth::Credentials;
    /// let users = Credentials::list("# all of us\nann:a:b\n\nbob:pw")?;
    /// let names: Vec<_> = users.iter().map(Credentials::username).collect();
    /// assert_eq!(names, ["ann", "bob"]);
    /// # Ok::<(), kreg_auth::UserListError>(())
    /// ```
    pub fn list(text: &str) -> Result<Vec<Credentials>, UserListError> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let users = lines.map(|(number, text)| {
            let line = number + 1;
            let user = text.split_once(':');
            let (name, password) = user.ok_or(UserListError::NoColon { line })?;
            Credentials::new(name, password)
                .map_err(|source| UserListError::Unusable { line, source })
        });
        users.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_user_and_a_bad_one_is_named_without_its_text() {
        let users = Credentials::list("# all of us\nann:a:b\n\nbob:pw").unwrap();
        let names: Vec<_> = users.iter().map(Credentials::username).collect();
        assert_eq!(names, ["ann", "bob"]);
        let error = Credentials::list("ann:x\nhunter2\n").unwrap_err();
        assert_eq!(error, UserListError::NoColon { line: 2 });
        assert!(!error.to_string().contains("hunter2"), "{error}");
        let error = Credentials::list("\nann:\n").unwrap_err();
        assert!(matches!(error, UserListError::Unusable { line: 2, .. }));
    }
}
