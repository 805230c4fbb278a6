//! What libssh2's errors mean.

use ssh2::ErrorCode;

/// LIBSSH2_ERROR_TIMEOUT and LIBSSH2_ERROR_SOCKET_TIMEOUT (libssh2.h).
pub(super) fn is_timeout(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-9 | -30))
}
