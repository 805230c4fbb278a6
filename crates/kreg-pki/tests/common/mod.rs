//! What several test files share.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

pub(crate) mod case;
pub(crate) mod go_client;
pub(crate) mod openssl_client;
pub(crate) mod openssl_rows;
pub(crate) mod rows;
pub(crate) mod rustls_client;

use kreg_pki::San;
use time::OffsetDateTime;

/// The moment all tests live at, so that none depends on the clock.
pub(crate) fn now() -> OffsetDateTime {
    time::macros::datetime!(2026-11-23 12:00 UTC)
}

pub(crate) fn san(text: &str) -> San {
    text.parse().unwrap()
}
