//! How a Pod ended.

use crate::pull_failure::PullFailure;

/// How a Pod ended, for the judgement.
#[derive(Clone, Debug)]
pub(super) enum End {
    Exited(i32),
    Stuck(String),
    PullFailed(PullFailure, String),
    TimedOut(String),
    Lost(String),
}
