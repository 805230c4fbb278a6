//! What several test files share.
#![allow(dead_code, reason = "each test file uses its own part")]

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
