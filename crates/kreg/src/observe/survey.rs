//! What is to be looked at, and what was seen.

use std::time::Duration;

use kreg_verify::doctor::Observations;

use super::unseen::Unseen;

/// What is looked at besides the registry itself.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Of the nodes, these; empty means all.
    pub nodes: Vec<String>,
    /// Whether the proof is run where nothing else explains a failure. It starts a Pod a node, for a minute at most,
    /// pushes an image, and removes both.
    pub prove: bool,
    /// Whether the runtime of a node may be restarted: what keeps trust from a node depends on it. None is restarted.
    pub restart_runtimes: bool,
    /// The longest that any wait of the proof may take.
    pub timeout: Option<Duration>,
}

/// What was seen.
#[derive(Debug)]
#[non_exhaustive]
pub struct Seen {
    /// What [`kreg_verify::doctor::examine`] judges.
    pub observations: Observations,
    /// What could not be looked at.
    pub unseen: Vec<Unseen>,
}
