//! A roll-out as it goes on: which nodes have their new agent, and whether to wait any longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{AgentPod, Rollout};

/// States of a container that do not pass soon.
const STUCK: [&str; 9] = [
    "ErrImagePull",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CrashLoopBackOff",
];

/// How long such a state may last: a pull may be tried again.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long new agents may be there without being ready before the roll-out counts as one that goes no further, and how
/// long a node is waited for that could not be asked before. The kubelet looks at a new agent's readiness within 10 s.
const HALTED: Duration = Duration::from_secs(45);

/// What is waited for while agents are replaced.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The revision that every node is to get ([`super::NodeAgent::revision`]).
    pub revision: &'a str,
    /// Whether each new agent must have looked at its node once.
    pub keeping: bool,
    /// How they are replaced.
    pub rollout: Rollout,
    /// Nodes that are waited for.
    pub awaited: BTreeSet<&'a str>,
    /// Those that refused, or could not be asked: they may never get an agent that is ready.
    pub refused: &'a BTreeSet<&'a str>,
    /// Nodes without a ready agent from the start, which the rollout counts beside its share.
    pub unready: &'a BTreeSet<String>,
    /// When it began.
    pub begun: Instant,
}

/// What has become of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Since when as many new agents as may be away are there and not ready.
    halted: Option<Instant>,
    /// Nodes that are waited for and have not the new agent, and what they have instead.
    pub behind: BTreeMap<String, String>,
}

impl Progress<'_> {
    /// Whether it has ended at this moment: every node has its new agent; or those that have not will not get it soon; or
    /// it goes no further, because as many new agents as may be away are not ready.
    #[must_use]
    pub fn has_ended(&self, pods: &[&AgentPod], now: Instant, seen: &mut Seen) -> bool {
        let new = || {
            let new = pods.iter().filter(|pod| pod.revision == self.revision);
            new.filter(|pod| !pod.terminates)
        };
        let is_up = |pod: &AgentPod| pod.runs && (!self.keeping || pod.started);
        let since = |begun: Instant| now.saturating_duration_since(begun);
        let idle = new().filter(|pod| !pod.ready && (is_up(pod) || is_stuck(pod)));
        let idle = idle.filter(|pod| !self.unready.contains(&pod.node));
        seen.halted = match idle.count() >= self.rollout.share() {
            true => seen.halted.or(Some(now)),
            false => None,
        };
        seen.behind.clear();
        let mut open = false;
        for node in &self.awaited {
            let here = new().find(|pod| pod.node == **node);
            if here.is_some_and(|pod| is_up(pod)) {
                continue;
            }
            let hopeless = match here.is_some_and(|pod| is_stuck(pod)) {
                true => since(self.begun) > PATIENCE,
                false => self.refused.contains(node) && since(self.begun) > HALTED,
            };
            open |= !hopeless;
            let state = here.map_or("the roll-out has not come to this node", |pod| {
                pod.state.as_str()
            });
            seen.behind.insert((*node).to_owned(), state.to_owned());
        }
        !open || seen.halted.is_some_and(|halted| since(halted) > HALTED)
    }
}

fn is_stuck(pod: &AgentPod) -> bool {
    let waits = pod.waits.as_deref();
    waits.is_some_and(|reason| STUCK.contains(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The agent of `node`: `n2`, or `n2 new ready`, or `n2 new up`, or `n2 new` and why it waits.
    fn pod(words: &str) -> AgentPod {
        let mut words = words.split(' ');
        let node = words.next().unwrap().to_owned();
        let new = words.next() == Some("new");
        let state = words.next().unwrap_or("ready");
        let runs = ["ready", "up", "starting"].contains(&state);
        AgentPod {
            name: format!("agent-on-{node}"),
            node,
            revision: if new { "new" } else { "old" }.to_owned(),
            terminates: false,
            runs,
            started: runs && state != "starting",
            ready: state == "ready",
            waits: (!runs).then(|| state.to_owned()),
            state: format!("it is {state}"),
        }
    }

    /// Whether it has ended after so many seconds in which the agents stood like that, and who is behind.
    fn after(
        seconds: u64,
        unready: &[&str],
        refused: &[&str],
        pods: &[&str],
    ) -> (bool, Vec<String>) {
        let pods: Vec<AgentPod> = pods.iter().map(|words| pod(words)).collect();
        let pods: Vec<&AgentPod> = pods.iter().collect();
        let begun = Instant::now();
        let progress = Progress {
            revision: "new",
            keeping: true,
            rollout: Rollout::new(pods.len(), unready.len()),
            awaited: pods.iter().map(|pod| pod.node.as_str()).collect(),
            refused: &refused.iter().copied().collect(),
            unready: &unready.iter().map(ToString::to_string).collect(),
            begun,
        };
        let mut seen = Seen::default();
        let mut ended = progress.has_ended(&pods, begun, &mut seen);
        ended |= progress.has_ended(&pods, begun + Duration::from_secs(seconds), &mut seen);
        (ended, seen.behind.into_keys().collect())
    }

    fn behind(nodes: &[&str]) -> Vec<String> {
        nodes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_ends_when_every_node_has_its_new_agent_and_that_has_looked() {
        assert_eq!(
            after(1, &[], &[], &["a new ready", "b new up"]),
            (true, behind(&[]))
        );
        for open in ["b", "b new starting", "b new ContainerCreating"] {
            assert_eq!(
                after(600, &[], &[], &["a new ready", open]),
                (false, behind(&["b"])),
                "{open}"
            );
        }
    }

    #[test]
    fn a_node_that_cannot_get_the_image_is_not_waited_for() {
        let pods = ["a new ready", "b new ErrImageNeverPull"];
        assert_eq!(after(10, &[], &[], &pods), (false, behind(&["b"])));
        assert_eq!(after(20, &[], &[], &pods), (true, behind(&["b"])));
    }

    #[test]
    fn a_node_that_could_not_be_asked_is_waited_for_only_for_a_while() {
        let pods = ["a new ready", "b new ContainerCreating"];
        assert_eq!(after(30, &["b"], &["b"], &pods), (false, behind(&["b"])));
        assert_eq!(after(60, &["b"], &["b"], &pods), (true, behind(&["b"])));
    }

    #[test]
    fn it_goes_no_further_where_a_share_of_new_agents_is_not_ready() {
        let pods = ["a new up", "b", "c"];
        assert_eq!(after(30, &[], &[], &pods), (false, behind(&["b", "c"])));
        assert_eq!(after(60, &[], &[], &pods), (true, behind(&["b", "c"])));
        // One that was not ready before takes nothing from the share.
        assert_eq!(after(60, &["a"], &[], &pods), (false, behind(&["b", "c"])));
    }
}
