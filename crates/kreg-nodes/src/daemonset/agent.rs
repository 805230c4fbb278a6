//! What a node agent is, as the objects of a cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::image::AgentImage;
use super::rollout::Rollout;
use super::runtime;
use crate::{InstanceId, NodeProgram, StorageDir, Trust, Writes};

/// The namespace of every node agent.
pub const NAMESPACE: &str = "kreg-nodes";

/// Which registry's agent an object belongs to, and which version of it.
const LABEL_AGENT: &str = "kreg.dev/node-agent";
pub(super) const LABEL_REVISION: &str = "kreg.dev/node-agent-revision";

/// Why the agents may write `/etc` as a whole; on a DaemonSet, if they may.
pub(super) const ANNOTATION_ETC: &str = "kreg.dev/writes-etc";

/// A DaemonSet and what it needs, as values.
///
/// ```
/// use kreg_nodes::daemonset::{AgentImage, NodeAgent};
/// use kreg_nodes::{InstanceId, Trust, Writes};
/// # let ca_pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
/// let instance = InstanceId::new("docker-registry")?;
/// let trust = Trust::new(instance.clone(), "docker-registry:5000".parse()?, ca_pem)?
///     .with_endpoint("10.96.0.50".parse()?);
/// // What the plans of all nodes take, joined.
/// let writes = Writes::default();
/// let agent = NodeAgent::new(instance, AgentImage::named("registry:2.8.3")).keeping(trust, writes);
/// let kinds: Vec<_> = agent.objects().iter().map(|o| o["kind"].to_string()).collect();
/// assert_eq!(kinds, [r#""Namespace""#, r#""ServiceAccount""#, r#""ConfigMap""#, r#""DaemonSet""#]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAgent {
    pub(super) instance: InstanceId,
    pub(super) image: AgentImage,
    pub(super) work: Work,
    pub(super) skip: Vec<String>,
    pub(super) below: String,
    pub(super) recursive: bool,
    runtimes: String,
    rollout: Rollout,
}

/// What an agent is there for. It decides what of its node is mounted, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// To be asked by programs that only read. It can write nothing.
    Look,
    /// The same, with all of the node in sight.
    Search,
    /// To keep the node.
    Keep(Box<Trust>, Writes),
    /// To run programs that take back what the journal holds, and erase images in these directories.
    TakeBack(Vec<String>),
}

impl NodeAgent {
    /// An agent that only waits for programs that look at its node, and can write nothing there. `image` is any with a
    /// POSIX shell and the usual small programs: the registry's own.
    #[must_use]
    pub fn new(instance: InstanceId, image: AgentImage) -> NodeAgent {
        NodeAgent {
            instance,
            image,
            work: Work::Look,
            skip: Vec::new(),
            below: String::new(),
            recursive: false,
            runtimes: String::new(),
            rollout: Rollout::default(),
        }
    }

    /// One that brings its node to `trust` and keeps it there. It may write in the directories of `writes`, which every
    /// node must have, and in the journal: where one of the directories is missing, the kubelet does not start the Pod.
    #[must_use]
    pub fn keeping(mut self, trust: Trust, writes: Writes) -> NodeAgent {
        self.work = Work::Keep(Box::new(trust), writes);
        self
    }

    /// One that waits for programs that take back what kreg wrote: it may write `/etc` and `/var/lib`, because what the
    /// journal holds may be anywhere there, and because an empty directory of journals is removed from above.
    #[must_use]
    pub fn taking_back(mut self) -> NodeAgent {
        self.work = Work::TakeBack(Vec::new());
        self
    }

    /// As [`NodeAgent::taking_back`]; images are to be erased from `storage`, which is mounted with the directory above it
    /// ([`NodeAgent::above`]), so that an empty one can go. Every node must have that directory:
    /// [`NodeAgent::searching`] serves to find out.
    #[must_use]
    pub fn reaching<'a>(mut self, storage: impl IntoIterator<Item = &'a StorageDir>) -> NodeAgent {
        let kept = |dir: &&str| ["/etc", "/var/lib"].iter().all(|tree| !within(tree, dir));
        let mut more: Vec<&str> = storage.into_iter().map(Self::above).filter(kept).collect();
        more.sort_unstable();
        more.dedup();
        // One mount below another is the same mount twice.
        let outer = |dir: &&&str| {
            more.iter()
                .all(|other| other == *dir || !within(other, dir))
        };
        let outer = more.iter().filter(outer);
        self.work = Work::TakeBack(outer.map(|dir| (*dir).to_owned()).collect());
        self
    }

    /// One that waits for programs that only read, with all of the node in sight.
    #[must_use]
    pub fn searching(mut self) -> NodeAgent {
        self.work = Work::Search;
        self
    }

    /// The directory that is mounted to erase images in `storage`.
    #[must_use]
    pub fn above(storage: &StorageDir) -> &str {
        match storage.as_str().rsplit_once('/') {
            Some(("", _)) | None => storage.as_str(),
            Some((above, _)) => above,
        }
    }

    /// What the cluster says of each node's runtime: name, and
    /// `status.nodeInfo.containerRuntimeVersion`. The Pod sees no process of the node.
    #[must_use]
    pub fn with_runtimes<'a>(
        mut self,
        nodes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> NodeAgent {
        self.runtimes = runtime::table(nodes);
        self
    }

    /// Nodes that get no agent.
    #[must_use]
    pub fn without(mut self, nodes: impl IntoIterator<Item = String>) -> NodeAgent {
        self.skip = nodes.into_iter().collect();
        self
    }

    /// How the agents that stand are replaced.
    #[must_use]
    pub fn by(mut self, rollout: Rollout) -> NodeAgent {
        self.rollout = rollout;
        self
    }

    /// Whether a read-only mount is read-only with all mounts below it. The API server must know the field
    /// `recursiveReadOnly`: Kubernetes 1.31 and later do. Where the node's runtime cannot do it, the kubelet leaves it out.
    #[must_use]
    pub fn recursive_read_only(mut self, known: bool) -> NodeAgent {
        self.recursive = known;
        self
    }

    /// Another tree of the nodes in the place of `/`, where `etc` and `var/lib` are: for tests.
    #[must_use]
    pub fn below(mut self, root: impl Into<String>) -> NodeAgent {
        self.below = root.into();
        self
    }

    /// Whether it keeps its node, or only waits.
    #[must_use]
    pub fn is_keeping(&self) -> bool {
        matches!(self.work, Work::Keep(..))
    }

    /// Names everything that the Pods depend on: another revision, other Pods.
    #[must_use]
    pub fn revision(&self) -> String {
        let mut template = self.template("");
        template["programs"] = json!(self.programs());
        hex::encode(&Sha256::digest(template.to_string().as_bytes())[..5])
    }

    /// Namespace, service account, ConfigMap and DaemonSet, in the order in which to apply them.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let revision = self.revision();
        let metadata =
            |name: &str| json!({ "name": name, "namespace": NAMESPACE, "labels": self.labels() });
        let mut daemon_set = json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata(self.name()), "spec": {
            "selector": { "matchLabels": { LABEL_AGENT: self.name() } },
            "updateStrategy": { "type": "RollingUpdate",
                "rollingUpdate": { "maxUnavailable": self.rollout.max_unavailable() } },
            "revisionHistoryLimit": 1,
            "template": self.template(&revision),
        } });
        if let Work::Keep(_, writes) = &self.work
            && let Some(why) = writes.why_etc()
        {
            daemon_set["metadata"]["annotations"] = json!({ ANNOTATION_ETC: why });
        }
        vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE, "labels": {
                "app.kubernetes.io/managed-by": "kreg",
                "pod-security.kubernetes.io/enforce": "privileged",
            } } }),
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(self.name()),
                "automountServiceAccountToken": false }),
            // By a name of its own, so that no Pod ever starts with the programs of another revision.
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&self.config_map(&revision)),
                "immutable": true, "data": self.programs() }),
            daemon_set,
        ]
    }

    /// Name of DaemonSet and service account.
    #[must_use]
    pub fn name(&self) -> &str {
        self.instance.as_str()
    }

    /// Name of the ConfigMap of that revision.
    #[must_use]
    pub fn config_map(&self, revision: &str) -> String {
        format!("{}-{revision}", self.instance)
    }

    /// Selects the agents of `instance`: DaemonSet, ConfigMaps, service account and Pods.
    #[must_use]
    pub fn selector(instance: &InstanceId) -> String {
        format!("{LABEL_AGENT}={instance}")
    }

    /// Selects the agents of every registry.
    #[must_use]
    pub fn any() -> &'static str {
        LABEL_AGENT
    }

    /// Selects the Pods of that revision.
    #[must_use]
    pub fn pods_of(instance: &InstanceId, revision: &str) -> String {
        format!("{LABEL_AGENT}={instance},{LABEL_REVISION}={revision}")
    }

    pub(super) fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/name": "kreg-node-agent",
            "app.kubernetes.io/managed-by": "kreg",
            "app.kubernetes.io/part-of": "kreg",
            LABEL_AGENT: self.name(),
        })
    }

    /// The files of the ConfigMap.
    fn programs(&self) -> BTreeMap<&'static str, String> {
        let text = |program: NodeProgram| program.script().to_owned();
        let mut programs = BTreeMap::from([
            ("run.sh", text(NodeProgram::receive())),
            ("runtimes", self.runtimes.clone()),
        ]);
        if let Work::Keep(trust, _) = &self.work {
            programs.insert("check.sh", text(NodeProgram::agent(trust)));
            programs.insert("agent.sh", text(NodeProgram::watch()));
            programs.insert("ready.sh", text(NodeProgram::ready()));
        }
        programs
    }
}

/// Whether `dir` is `tree`, or below it.
fn within(tree: &str, dir: &str) -> bool {
    dir.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
