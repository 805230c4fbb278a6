//! What can go wrong, each with the thing it happened to and the way out.

use std::path::PathBuf;

use time::OffsetDateTime;

/// A failure of this crate. The message says what was tried, on what, why it
/// failed and what to do next; the library error underneath is the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not PEM, or a block in it is broken.
    #[error("cannot read {what} as PEM: {reason}")]
    Pem {
        /// What was read, in the caller's words.
        what: String,
        /// Why it was refused, and the remedy.
        reason: String,
    },

    /// A PEM block is not the X.509 certificate that its label claims.
    #[error("certificate {index} of {what} is not valid X.509 DER: {reason}; export it again")]
    Certificate {
        /// What was read, in the caller's words.
        what: String,
        /// Position among the certificates, from 1.
        index: usize,
        /// The parser's reason.
        reason: String,
    },

    /// A file that is copied to nodes holds a private key.
    #[error(
        "{what} holds a private key; it would be copied to every node. \
         Remove the key block and treat the key as disclosed if the file was ever shared"
    )]
    PrivateKeyInBundle {
        /// What was read, in the caller's words.
        what: String,
    },

    /// A private key cannot be used.
    #[error("cannot use {what} as a private key: {reason}")]
    Key {
        /// What was read, in the caller's words.
        what: String,
        /// Why, and the remedy.
        reason: String,
    },

    /// None of the certificates belongs to the key.
    #[error(
        "no certificate in {what} belongs to the private key (its public key differs); \
         give the key that the certificate was made with"
    )]
    KeyMismatch {
        /// The certificates that were looked through.
        what: String,
    },

    /// A name cannot be put into a certificate.
    #[error("`{name}` cannot be a subject alternative name: {reason}")]
    San {
        /// The refused name.
        name: String,
        /// The rule it breaks.
        reason: &'static str,
    },

    /// A request cannot be turned into a certificate.
    #[error("cannot make a certificate for `{common_name}`: {reason}")]
    Request {
        /// Common name of the request.
        common_name: String,
        /// Why, and the remedy.
        reason: String,
    },

    /// The given certificate cannot sign others.
    #[error("`{subject}` cannot act as the authority: {reason}")]
    NotAnAuthority {
        /// Subject of the refused certificate.
        subject: String,
        /// Why, and the remedy.
        reason: String,
    },

    /// The authority is past its end.
    #[error("authority `{subject}` expired at {not_after}; rotate it to a new one before issuing")]
    AuthorityExpired {
        /// Subject of the authority.
        subject: String,
        /// Its last second, UTC.
        not_after: OffsetDateTime,
    },

    /// A certificate from outside does not serve what was asked.
    #[error("the given certificate `{subject}` does not serve the request: {reason}")]
    External {
        /// Subject of the given certificate.
        subject: String,
        /// Why, and the remedy.
        reason: String,
    },

    /// The crypto library refused.
    #[error("cannot {action}; check that the system gives random bytes and that memory is left")]
    Generate {
        /// What was tried.
        action: &'static str,
        /// The library's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A file could not be written; the old content is still there.
    #[error("cannot {action} {}; what was there before is untouched", path.display())]
    Write {
        /// The step that failed.
        action: &'static str,
        /// The file that was to be written.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: the crypto library refused `action`.
    pub(crate) fn generate<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Generate {
            action,
            source: source.into(),
        }
    }
}
