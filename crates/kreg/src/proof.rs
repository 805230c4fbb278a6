//! What a proof found.

use kreg_verify::{Report, Verdict};

/// What was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Proof {
    /// Check by check.
    pub report: Report,
    /// What the registry logged about it, if the proof does not hold.
    pub complaints: Vec<String>,
}

impl Proof {
    /// Whether every check passed.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.report.verdict == Verdict::Pass
    }
}
