//! How agents are replaced: some at a time, for as long as that takes.

use std::time::Duration;

use serde_json::{Value, json};

/// The share of the nodes, as one in so many, whose agents may be away at a time.
const ONE_IN: usize = 10;

/// The longest that one share takes: the last round of the old agent and its end (30 s of grace), the new one's start, and
/// the kubelet's first look at its readiness.
const STEP: Duration = Duration::from_secs(60);

/// The replacement of the agents of a cluster.
///
/// One node in ten at a time, and at least one: a revision that does not come up stops there, and the other nodes keep
/// their agents. Nodes whose agents are known not to become ready (the node itself is not ready, or the agent refuses to
/// write there) are not counted, or each of them would keep its share from all others for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    nodes: usize,
    unready: usize,
}

impl Rollout {
    /// For `nodes` nodes, of which `unready` are known not to get a ready agent.
    #[must_use]
    pub fn new(nodes: usize, unready: usize) -> Rollout {
        Rollout { nodes, unready }
    }

    /// How many nodes may be without a ready agent beside those that are known.
    #[must_use]
    pub fn share(self) -> usize {
        self.nodes.div_ceil(ONE_IN).max(1)
    }

    /// The DaemonSet's `maxUnavailable`. Kubernetes rounds a percentage up.
    pub(super) fn max_unavailable(self) -> Value {
        match self.unready {
            0 => json!(format!("{}%", 100 / ONE_IN)),
            unready => json!(self.share() + unready),
        }
    }

    /// How long to wait for all of it where one node may take `one`.
    #[must_use]
    pub fn within(self, one: Duration) -> Duration {
        let steps = self.nodes.div_ceil(self.share()).max(1);
        one + STEP * u32::try_from(steps - 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_and_at_least_one_beside_those_that_are_known() {
        for (nodes, share) in [
            (0, 1),
            (1, 1),
            (2, 1),
            (10, 1),
            (11, 2),
            (100, 10),
            (5000, 500),
        ] {
            assert_eq!(Rollout::new(nodes, 0).share(), share, "{nodes}");
        }
        assert_eq!(Rollout::new(100, 0).max_unavailable(), json!("10%"));
        assert_eq!(Rollout::new(100, 3).max_unavailable(), json!(13));
        assert_eq!(Rollout::new(2, 1).max_unavailable(), json!(2));
    }

    #[test]
    fn the_wait_grows_with_the_steps_and_never_past_ten_of_them() {
        let one = Duration::from_secs(300);
        for (nodes, more) in [(1, 0), (2, 1), (10, 9), (11, 5), (100, 9), (5000, 9)] {
            assert_eq!(
                Rollout::new(nodes, 0).within(one),
                one + more * STEP,
                "{nodes}"
            );
        }
    }
}
