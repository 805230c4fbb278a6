//! A user was not changed.

use std::time::Duration;

use kreg_auth::HtpasswdError;
use kreg_k8s::ObjectRef;

/// Why a user was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UsersError {
    /// Every Pod that pulls would stop pulling.
    #[error("{secret} pulls as user {name}")]
    PullUser {
        /// The pull Secret.
        secret: Box<ObjectRef>,
        /// The user.
        name: String,
    },
    /// The users file does not allow it.
    #[error("the user list was not changed")]
    Entry(#[from] HtpasswdError),
    /// The registry did not say, or did not say the same in time. What is written stays.
    #[error("the change is stored, but the registry did not take it up within {} s: {last}", limit.as_secs())]
    Late {
        /// How long was waited.
        limit: Duration,
        /// Its last answer.
        last: String,
    },
}

impl UsersError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        !matches!(self, UsersError::Late { .. })
    }
}

/// Why the pull Secret was not shared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopiesError {
    /// No namespace is selected.
    #[error("no namespace is selected")]
    NoNamespace,
}
