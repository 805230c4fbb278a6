//! The agents of one registry, as a DaemonSet in the cluster: put there, replaced, and taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_k8s::{ApplyMode, Cluster, ClusterFacts, Kind, Object, Place, names, rights};
use kreg_nodes::daemonset::{AgentPod, AgentWatch, NAMESPACE, NodeAgent, Progress, Rollout, Seen};
use kreg_nodes::{AccessError, InstanceId, PlanOutcome, StorageDir, Trust, Writes};

use super::image::Source;
use super::{guard, removal};

/// The agents of one registry.
pub(super) struct Agents {
    cluster: Arc<dyn Cluster>,
    watch: AgentWatch,
    instance: InstanceId,
    image: Source,
    hosts: Vec<Host>,
    /// Names of nodes that get no agent.
    skip: Vec<String>,
    /// Whether the API server knows mounts that are read-only with all below them.
    recursive: bool,
    /// Whether the namespace may be used though nothing but its label says that it is kreg's.
    is_expected: bool,
    timeout: Duration,
}

/// A node, its runtime as the API has it, and whether it is ready.
struct Host {
    name: String,
    runtime: String,
    ready: bool,
}

/// Nodes that are not as the others in one roll-out.
#[derive(Default)]
struct Special<'a> {
    /// Known to refuse, or not to answer: their agents do not become ready.
    refused: BTreeSet<&'a str>,
    /// Get no agent this time.
    without: BTreeSet<&'a str>,
}

/// Nodes whose agents are not the ones that were to come, and why.
pub(super) type Behind = BTreeMap<String, String>;

/// The Pod Security level of a namespace.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// How long a node's Pod may take that is just being started, before agents are put there that ask less of the node.
const ARRIVING: Duration = Duration::from_secs(5);

impl Agents {
    /// `image`: the registry's own, as it is declared.
    pub(super) fn new(
        cluster: &Arc<dyn Cluster>,
        watch: &AgentWatch,
        instance: &InstanceId,
        (place, image): (&Place, &str),
        facts: &ClusterFacts,
        skip: &[String],
        timeout: Duration,
    ) -> Self {
        let host = |node: &kreg_k8s::NodeFact| Host {
            name: node.name.clone(),
            runtime: node.runtime.clone(),
            ready: node.ready,
        };
        Self {
            cluster: Arc::clone(cluster),
            watch: watch.clone(),
            instance: instance.clone(),
            image: Source::new(place, image),
            hosts: facts.nodes.iter().map(host).collect(),
            skip: skip.to_vec(),
            recursive: knows_recursive(facts.version.as_deref()),
            is_expected: false,
            timeout,
        }
    }

    /// With `expected`, a namespace that only its label shows to be kreg's is used: some record has agents, or the operator
    /// says so.
    pub(super) fn expected(mut self, expected: bool) -> Self {
        self.is_expected = expected;
        self
    }

    /// Agents that only look and can write nothing.
    pub(super) async fn look(&self) -> Result<(), AccessError> {
        let agent = self.base().await?;
        self.roll(agent, &Special::default()).await.map(drop)
    }

    /// Whether an agent runs on each node that is ready.
    pub(super) async fn are_everywhere(&self) -> Result<bool, AccessError> {
        let ready = self.awaited(&BTreeSet::new());
        let all = |pods: &[&AgentPod]| {
            let runs = |node: &&str| {
                pods.iter()
                    .any(|pod| pod.node == **node && pod.runs && !pod.terminates)
            };
            ready.iter().all(runs)
        };
        let there = self.watch.until(ARRIVING, all).await;
        there.map_err(AccessError::tried("cannot see where node agents run"))
    }

    /// Agents that bring their nodes to `trust` and keep them there; ends when each has looked once. They may write what
    /// the plans of their nodes take. Says which nodes did not get theirs.
    pub(super) async fn keep(
        &self,
        trust: &Trust,
        plans: &[PlanOutcome],
    ) -> Result<Behind, AccessError> {
        let mut writes = Writes::default();
        for plan in plans {
            writes.join(plan.writes.clone());
        }
        let refused = plans.iter().filter(|plan| plan.result.is_err());
        let refused: BTreeSet<&str> = refused.map(|plan| plan.node.name.as_str()).collect();
        let agent = self.base().await?.keeping(trust.clone(), writes);
        let nodes = Special {
            refused,
            ..Special::default()
        };
        self.roll(agent, &nodes).await
    }

    /// Agents that may put their nodes back as they were.
    pub(super) async fn take_back(&self) -> Result<(), AccessError> {
        let agent = self.base().await?.taking_back();
        self.roll(agent, &Special::default()).await.map(drop)
    }

    /// Agents that see all of their nodes and can write nothing.
    pub(super) async fn search(&self) -> Result<(), AccessError> {
        let agent = self.base().await?.searching();
        self.roll(agent, &Special::default()).await.map(drop)
    }

    /// Agents that may erase images in `storage`, only on these nodes, which have the directory above it.
    pub(super) async fn reach(&self, storage: &StorageDir, on: &[&str]) -> Result<(), AccessError> {
        let others = self.hosts.iter().map(|host| &host.name);
        let others: Vec<String> = others
            .filter(|name| !on.contains(&name.as_str()))
            .cloned()
            .collect();
        let nodes = Special {
            without: others.iter().map(String::as_str).collect(),
            ..Special::default()
        };
        let agent = self
            .base()
            .await?
            .reaching([storage])
            .without(others.clone());
        self.roll(agent, &nodes).await.map(drop)
    }

    async fn base(&self) -> Result<NodeAgent, AccessError> {
        let image = self.image.find(self.cluster.as_ref()).await?;
        let runtimes = self
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.runtime.as_str()));
        Ok(NodeAgent::new(self.instance.clone(), image)
            .with_runtimes(runtimes)
            .without(self.skip.iter().cloned())
            .recursive_read_only(self.recursive))
    }

    /// Nodes whose agents are waited for.
    fn awaited<'a>(&'a self, off: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let ready = self.hosts.iter().filter(|host| host.ready);
        let names = ready.map(|host| host.name.as_str());
        names
            .filter(|name| !off.contains(name) && !self.skip.iter().any(|skipped| skipped == name))
            .collect()
    }

    /// Nodes that get no ready agent, as far as is known before: `refused`, those that are not ready themselves, and those
    /// whose agent is not ready now.
    async fn unready(&self, refused: &BTreeSet<&str>) -> Result<BTreeSet<String>, AccessError> {
        let mut unready: BTreeSet<String> = refused.iter().map(ToString::to_string).collect();
        let away = self.hosts.iter().filter(|host| !host.ready);
        unready.extend(away.map(|host| host.name.clone()));
        let seen = |pods: &[&AgentPod]| {
            let not_ready = pods.iter().filter(|pod| !pod.ready && !pod.node.is_empty());
            unready.extend(not_ready.map(|pod| pod.node.clone()));
            true
        };
        let seen = self.watch.until(self.timeout, seen).await;
        seen.map_err(AccessError::tried("cannot see how the node agents stand"))?;
        unready.retain(|name| !self.skip.contains(name));
        Ok(unready)
    }

    /// Puts `agent` on the nodes, in place of the one before, and waits until every node that is ready has its new Pod. Says
    /// which nodes have not, and why.
    async fn roll(&self, agent: NodeAgent, nodes: &Special<'_>) -> Result<Behind, AccessError> {
        let mode = ApplyMode {
            dry_run: false,
            force: true,
        };
        let mut unready = self.unready(&nodes.refused).await?;
        unready.retain(|name| !nodes.without.contains(name.as_str()));
        let left_out = |host: &&Host| {
            self.skip.contains(&host.name) || nodes.without.contains(host.name.as_str())
        };
        let left_out = self.hosts.iter().filter(left_out).count();
        let rollout = Rollout::new(self.hosts.len() - left_out, unready.len());
        let agent = agent.by(rollout);
        for value in agent.objects() {
            let object = Object::from_value(value)
                .map_err(AccessError::tried("cannot make the node agents"))?;
            if self.is_theirs(&object).await? {
                continue;
            }
            if object.reference().kind() == Kind::Namespace {
                guard::put(self.cluster.as_ref(), object, self.is_expected).await?;
                continue;
            }
            self.cluster
                .apply(&object, mode)
                .await
                .map_err(AccessError::tried(
                    "cannot put the node agents into the cluster",
                ))?;
        }
        let revision = agent.revision();
        // A node whose Pod does not come is reported by the next step on that node.
        let progress = Progress {
            revision: &revision,
            keeping: agent.is_keeping(),
            rollout,
            awaited: self.awaited(&nodes.without),
            refused: &nodes.refused,
            unready: &unready,
            begun: Instant::now(),
        };
        let mut seen = Seen::default();
        let ended = |pods: &[&AgentPod]| progress.has_ended(pods, Instant::now(), &mut seen);
        let ended = self.watch.until(rollout.within(self.timeout), ended).await;
        ended.map_err(AccessError::tried("cannot see how the node agents come up"))?;
        let behind = seen.behind;
        let current = agent.config_map(&revision);
        for old in removal::own(self.cluster.as_ref(), &self.instance, Kind::ConfigMap).await? {
            // One that an older agent on some node still needs goes with the next roll-out.
            if old.reference().name() != current && behind.is_empty() {
                removal::delete(self.cluster.as_ref(), &old).await?;
            }
        }
        Ok(behind)
    }

    /// Whether it is there and somebody else's. Of such things only a namespace that lets agents in is of use.
    async fn is_theirs(&self, object: &Object) -> Result<bool, AccessError> {
        let name = object.reference();
        let live = self.cluster.get(name).await;
        let live = live.map_err(AccessError::tried(format!(
            "cannot see whether {name} is there already"
        )))?;
        let Some(theirs) = live.filter(|live| live.label(names::LABEL_MANAGED_BY) != Some("kreg"))
        else {
            return Ok(false);
        };
        let advice = match (name.kind(), theirs.label(ENFORCE)) {
            (Kind::Namespace, Some("privileged")) => return Ok(true),
            (Kind::Namespace, _) => format!(
                "agents mount directories of their node, which this namespace must allow: \
                 `kubectl label namespace {NAMESPACE} {ENFORCE}=privileged`; or remove it, and kreg makes its own"
            ),
            _ => "remove it, or give it another name".to_owned(),
        };
        let what = format!(
            "{name}, which the node agents need, is there and is not kreg's; it was left alone"
        );
        Err(AccessError::new(what).with_remedy(advice))
    }

    /// Takes all of it away, and the namespace if nothing else is in it.
    pub(super) async fn remove(&self) -> Result<(), AccessError> {
        removal::remove(
            self.cluster.as_ref(),
            &self.watch,
            &self.instance,
            self.timeout,
        )
        .await
    }
}

/// Whether an API server of this version knows `recursiveReadOnly` of a mount: it is on by default since Kubernetes 1.31
/// (KEP-3857). An older one refuses a field that it does not know.
fn knows_recursive(version: Option<&str>) -> bool {
    version
        .and_then(rights::release)
        .is_some_and(|release| release >= (1, 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_know_recursive_mounts_are_asked_for_them() {
        for (version, knows) in [
            (Some("v1.37.2"), true),
            (Some("v1.31.0"), true),
            (Some("v1.31+"), true),
            (Some("v1.30.9"), false),
            (Some("v1.20.15"), false),
            (Some("odd"), false),
            (None, false),
        ] {
            assert_eq!(knows_recursive(version), knows, "{version:?}");
        }
    }
}
