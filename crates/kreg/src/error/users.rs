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
    /// The registry does not let the user in.
    #[error("the registry refuses user {0} with this password")]
    Refused(
        /// The user.
        String,
    ),
    /// Not every Pod says the same.
    #[error("some of the registry's Pods let user {0} in with this password, others refuse it")]
    Divided(
        /// The user.
        String,
    ),
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
        matches!(self, UsersError::PullUser { .. } | UsersError::Entry(_))
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
