//! A user name and a password that the registry can really take.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::generate::{PasswordRecipe, RecipeError};

/// The longest password in bytes (of UTF-8, not characters) that bcrypt hashes whole.
///
/// bcrypt works on 72 bytes. Go's `GenerateFromPassword` refuses more, but the registry's
/// comparison silently looks at the first 72 only; so do not let a longer one in.
pub const PASSWORD_MAX_BYTES: usize = 72;

/// The longest user name in bytes; Apache's `htpasswd` takes no more (`MAX_STRING_LEN`).
pub const USERNAME_MAX_BYTES: usize = 255;

/// A user name and a password, both known to be acceptable to the registry, to Apache's
/// `htpasswd` and to HTTP basic authentication (RFC 7617).
///
/// The password is wiped from memory on drop and never shown by `Debug`. Cloning copies it,
/// and each copy is wiped on its own.
///
/// ```
/// use kreg_auth::Credentials;
/// let user = Credentials::new("myuser", "mypasswd")?;
/// assert_eq!(format!("{user:?}"), r#"Credentials { username: "myuser", password: [REDACTED] }"#);
/// assert!(Credentials::new("my:user", "mypasswd").is_err());
/// # Ok::<(), kreg_auth::CredentialsError>(())
/// ```
#[derive(Clone)]
pub struct Credentials {
    username: String,
    password: SecretString,
}

/// Why a user name or a password cannot be used. The password itself is never in the message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user name breaks a rule of the file or of HTTP.
    #[error("user name {username:?} cannot be used: {reason}")]
    Username {
        /// The name as given.
        username: String,
        /// The rule, and what to do.
        reason: &'static str,
    },
    /// The password breaks a rule of bcrypt or of HTTP.
    #[error("the password of user {username:?} cannot be used: {reason}")]
    Password {
        /// Whose password, empty where not known.
        username: String,
        /// The rule, and what to do.
        reason: &'static str,
    },
    /// The password is longer than bcrypt can see.
    #[error(
        "the password of user {username:?} has {bytes} bytes; the registry's bcrypt looks at the \
         first 72 only and would let in anybody who knows those: choose one of at most 72 bytes \
         (letters beyond ASCII count as two to four)"
    )]
    PasswordTooLong {
        /// Whose password, empty where not known.
        username: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// The system gave no random bytes to generate a password from.
    #[error("no password could be generated for user {username:?}; try again, or give one")]
    Generate {
        /// For whom.
        username: String,
        /// What the generator said.
        source: RecipeError,
    },
}

impl Credentials {
    /// A user with this password.
    ///
    /// # Errors
    /// See [`check_username`] and [`check_password`].
    pub fn new(
        username: impl Into<String>,
        password: impl Into<SecretString>,
    ) -> Result<Credentials, CredentialsError> {
        let (username, password) = (username.into(), password.into());
        check_username(&username)?;
        check_password(&password).map_err(|error| error.of_user(&username))?;
        Ok(Credentials { username, password })
    }

    /// A user with a fresh random password by [`PasswordRecipe::default`].
    ///
    /// # Errors
    /// [`CredentialsError::Username`] as [`check_username`], [`CredentialsError::Generate`]
    /// if the system has no random bytes.
    pub fn generate(username: impl Into<String>) -> Result<Credentials, CredentialsError> {
        let username = username.into();
        match PasswordRecipe::default().generate() {
            Ok(password) => Credentials::new(username, password),
            Err(source) => Err(CredentialsError::Generate { username, source }),
        }
    }

    /// The user's name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password; `expose_secret()` is the only way to its text.
    #[must_use]
    pub fn password(&self) -> &SecretString {
        &self.password
    }

    /// `base64(username:password)`, as RFC 7617 and dockerconfigjson's `auth` want it.
    #[must_use]
    pub fn basic_token(&self) -> SecretString {
        let pair = Zeroizing::new(format!(
            "{}:{}",
            self.username,
            self.password.expose_secret()
        ));
        STANDARD.encode(pair.as_bytes()).into()
    }

    /// The value of an `Authorization` header, `Basic ...` (RFC 7617).
    #[must_use]
    pub fn authorization(&self) -> SecretString {
        let token = self.basic_token();
        // Room for all of it, so that growing leaves no copies behind.
        let mut header = String::with_capacity("Basic ".len() + token.expose_secret().len());
        header.push_str("Basic ");
        header.push_str(token.expose_secret());
        header.into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("password", &format_args!("[REDACTED]"))
            .finish()
    }
}

impl CredentialsError {
    fn of_user(mut self, name: &str) -> CredentialsError {
        match &mut self {
            CredentialsError::Password { username, .. }
            | CredentialsError::PasswordTooLong { username, .. } => username.push_str(name),
            CredentialsError::Username { .. } | CredentialsError::Generate { .. } => {}
        }
        self
    }
}

/// Whether a user name can stand in an htpasswd file and in HTTP basic authentication.
///
/// # Errors
/// [`CredentialsError::Username`] if it is empty, longer than [`USERNAME_MAX_BYTES`], holds
/// `:` (ends the name in both formats) or a control character (RFC 7617 section 2), begins
/// with `#` (the registry takes the line for a comment), or begins or ends with white space
/// (the registry trims it away).
pub fn check_username(username: &str) -> Result<(), CredentialsError> {
    let reason = if username.is_empty() {
        "it is empty; give a name"
    } else if username.len() > USERNAME_MAX_BYTES {
        "it is longer than 255 bytes, the most that htpasswd files take; choose a shorter one"
    } else if username.contains(':') {
        "`:` ends the name in htpasswd files and in HTTP basic authentication; leave it out"
    } else if username.starts_with('#') {
        "a line that begins with `#` is a comment to the registry; choose another first letter"
    } else if username.contains(char::is_control) {
        "it holds a control character or a line break; use printable characters"
    } else if username.trim() != username {
        "the registry trims white space at the ends of a line; leave it out"
    } else {
        return Ok(());
    };
    Err(CredentialsError::Username {
        username: username.to_owned(),
        reason,
    })
}

/// Whether a password reaches the registry's bcrypt whole and unchanged.
///
/// # Errors
/// [`CredentialsError::PasswordTooLong`] beyond [`PASSWORD_MAX_BYTES`];
/// [`CredentialsError::Password`] if it is empty, or holds NUL (C implementations of bcrypt
/// stop there), a line break, or another control character (RFC 7617 section 2).
pub fn check_password(password: &SecretString) -> Result<(), CredentialsError> {
    let text = password.expose_secret();
    let username = String::new();
    let reason = if text.len() > PASSWORD_MAX_BYTES {
        return Err(CredentialsError::PasswordTooLong {
            username,
            bytes: text.len(),
        });
    } else if text.is_empty() {
        "it is empty; give one, or let one be generated"
    } else if text.contains('\0') {
        "it holds a NUL byte, where other bcrypt programs stop reading; leave it out"
    } else if text.contains(['\n', '\r']) {
        "it holds a line break; give one line"
    } else if text.chars().any(|c| c.is_ascii_control()) {
        "it holds a control character, which HTTP basic authentication forbids; leave it out"
    } else {
        return Ok(());
    };
    Err(CredentialsError::Password { username, reason })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_the_registry_would_mistreat() {
        let long = "u".repeat(256);
        for bad in [
            "", "a:b", "#a", " a", "a ", "\u{a0}a", "a\nb", "a\0", "a\u{85}b", "a\u{7f}", &long,
        ] {
            let error = check_username(bad).expect_err(bad);
            assert!(
                matches!(error, CredentialsError::Username { .. }),
                "{error}"
            );
        }
        for good in [
            "a",
            "a b",
            "a#b",
            "user@example.com",
            "Zoë",
            "用户",
            &long[1..],
        ] {
            check_username(good).unwrap();
        }
    }

    #[test]
    fn passwords_that_bcrypt_or_http_would_mistreat() {
        let check = |text: &str| check_password(&text.into());
        check(&"x".repeat(72)).unwrap();
        let error = check(&"x".repeat(73)).unwrap_err();
        assert!(matches!(
            error,
            CredentialsError::PasswordTooLong { bytes: 73, .. }
        ));
        check(&"é".repeat(36)).unwrap();
        assert!(check(&"é".repeat(37)).is_err());
        for bad in ["", "a\0b", "a\nb", "a\r", "a\tb", "\u{7f}"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["p:w", " p ", "#", "ключ", "\"'\\$"] {
            check(good).unwrap();
        }
    }

    #[test]
    fn errors_and_debug_name_the_user_but_never_the_password() {
        let error = Credentials::new("bob", "hunter2\n").unwrap_err();
        assert!(error.to_string().contains("bob"));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let bob = Credentials::new("bob", "hunter2").unwrap();
        let shown = format!("{bob:?} {:?} {:?}", bob.basic_token(), bob.authorization());
        assert!(
            !shown.contains("hunter2") && !shown.contains("Ym9i"),
            "{shown}"
        );
    }

    #[test]
    fn the_token_of_rfc_7617() {
        // The example of RFC 7617 section 2.
        let aladdin = Credentials::new("Aladdin", "open sesame").unwrap();
        assert_eq!(
            aladdin.authorization().expose_secret(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    proptest! {
        #[test]
        fn a_good_name_survives_the_line_it_stands_in(name in "\\PC{0,20}|[ -~\\t\\n]{0,20}") {
            let line = format!("{name}:hash");
            let read = line.trim().split_once(':').map(|(user, _)| user);
            if check_username(&name).is_ok() {
                prop_assert_eq!(read, Some(name.as_str()));
                prop_assert!(!line.trim().starts_with('#') && line.lines().count() == 1);
            }
        }
    }
}
