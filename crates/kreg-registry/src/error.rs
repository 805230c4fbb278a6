//! What went wrong with a request, with the registry's own words.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::descriptor::Digest;
use crate::fault::ConnectError;

/// One entry of the registry's error document (distribution specification, "Error Codes").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Such as `UNAUTHORIZED` or `MANIFEST_UNKNOWN`.
    #[serde(default)]
    pub code: String,
    /// The registry's words.
    #[serde(default)]
    pub message: String,
}

/// A request to the registry that did not do what it was for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The request has no valid form, as a name that cannot stand in a URL.
    #[error("cannot form the request {request}")]
    Form {
        /// Method and URL.
        request: String,
        /// Why.
        source: http::Error,
    },
    /// No connection.
    #[error("{request}: no connection to the registry")]
    Connect {
        /// Method and URL.
        request: String,
        /// Why.
        source: Box<ConnectError>,
    },
    /// The connection broke before the answer was whole.
    #[error(
        "{request}: the connection broke before the answer was whole; try again, then look at the registry's log"
    )]
    Broken {
        /// Method and URL.
        request: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No answer in time.
    #[error("{request}: no answer within {after:?}; is the registry overloaded, or its disk?")]
    Timeout {
        /// Method and URL.
        request: String,
        /// How long was waited.
        after: Duration,
    },
    /// The registry refused.
    #[error("{request}: the registry answered {status}{}{}", listed(errors), advice(*status, errors))]
    Refused {
        /// Method and URL.
        request: String,
        /// The HTTP status.
        status: StatusCode,
        /// What the answer's body said, if it was an error document.
        errors: Vec<ApiError>,
    },
    /// An answer that the specification does not allow.
    #[error("{request}: {what}")]
    Unexpected {
        /// Method and URL.
        request: String,
        /// What was wrong with the answer.
        what: String,
    },
    /// Content that is not what its digest says.
    #[error(
        "{request}: the content's digest is {got}, not {expected}; the registry's storage may be damaged"
    )]
    Digest {
        /// Method and URL.
        request: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// Content that is longer than it should be.
    #[error(
        "{request}: the answer is longer than the {most} bytes that it may have; does another server answer there?"
    )]
    TooLong {
        /// Method and URL.
        request: String,
        /// Bytes that it may have.
        most: u64,
    },
    /// Content to be pushed could not be read.
    #[error("{request}: cannot read the content to push")]
    Content {
        /// Method and URL.
        request: String,
        /// Why.
        source: std::io::Error,
    },
}

impl RegistryError {
    /// The status with which the registry refused, if it did.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            RegistryError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The failed connection, if that was it.
    #[must_use]
    pub fn connect(&self) -> Option<&ConnectError> {
        match self {
            RegistryError::Connect { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the registry knows the error by this code, such as `MANIFEST_UNKNOWN`.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        match self {
            RegistryError::Refused { errors, .. } => errors.iter().any(|error| error.code == code),
            _ => false,
        }
    }
}

/// The registry's words for one line: few, short, and without characters that control a terminal.
fn listed(errors: &[ApiError]) -> String {
    const ERRORS: usize = 5;
    const LONGEST: usize = 300;
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect()
    };
    errors
        .iter()
        .take(ERRORS)
        .map(|error| format!(", {} ({})", clean(&error.code), clean(&error.message)))
        .collect()
}

/// What to do about a status, as far as it is known from outside.
fn advice(status: StatusCode, errors: &[ApiError]) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "; is this user in the registry's htpasswd with this password?",
        StatusCode::BAD_REQUEST if errors.is_empty() => {
            "; an empty 400 is what it says when its htpasswd file cannot be read or parsed"
        }
        StatusCode::FORBIDDEN => {
            "; something before the registry refuses, it has no such rule itself"
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            "; it is read-only, or deletion is off (REGISTRY_STORAGE_DELETE_ENABLED)"
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            "; a proxy before the registry limits the size of requests"
        }
        StatusCode::INSUFFICIENT_STORAGE => "; its storage is full",
        status if status.is_server_error() => "; look at the registry's log and at its storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, errors: Vec<ApiError>) -> RegistryError {
        RegistryError::Refused {
            request: "GET https://r:5000/v2/".into(),
            status: StatusCode::from_u16(status).unwrap(),
            errors,
        }
    }

    #[test]
    fn a_refusal_names_request_status_code_and_way_out() {
        let error = refused(
            401,
            vec![ApiError {
                code: "UNAUTHORIZED".into(),
                message: "authentication required".into(),
            }],
        );
        assert_eq!(
            error.to_string(),
            "GET https://r:5000/v2/: the registry answered 401 Unauthorized, UNAUTHORIZED \
             (authentication required); is this user in the registry's htpasswd with this password?"
        );
        assert!(error.has_code("UNAUTHORIZED") && !error.has_code("DENIED"));
    }

    #[test]
    fn a_flood_of_words_is_cut_and_cannot_control_the_terminal() {
        let flood = ApiError {
            code: "\u{1b}[2J".repeat(1000),
            message: "\n\u{7}x".repeat(100_000),
        };
        let words = refused(500, vec![flood; 1000]).to_string();
        assert!(words.len() < 5000, "{} bytes", words.len());
        assert!(!words.contains(char::is_control));
    }

    #[test]
    fn an_empty_400_points_at_the_htpasswd_file() {
        assert!(refused(400, Vec::new()).to_string().contains("htpasswd"));
        let other = ApiError {
            code: "NAME_INVALID".into(),
            message: "no".into(),
        };
        assert!(!refused(400, vec![other]).to_string().contains("htpasswd"));
    }
}
