//! What a node agent is, as the objects of a cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::runtime;
use crate::{InstanceId, NodeProgram, StorageDir, Trust};

/// The namespace of every node agent.
pub const NAMESPACE: &str = "kreg-nodes";

/// Which registry's agent an object belongs to, and which version of it.
const LABEL_AGENT: &str = "kreg.dev/node-agent";
pub(super) const LABEL_REVISION: &str = "kreg.dev/node-agent-revision";

/// Only what writing others' files takes. Writing `/etc` is as good as being root of the node; no
/// other way there is left open.
const CAPABILITIES: [&str; 3] = ["CHOWN", "DAC_OVERRIDE", "FOWNER"];

/// Does nothing but be there, for programs that come by [`super::AgentPods`].
const WAIT: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

/// A DaemonSet and what it needs, as values.
///
/// ```
/// use kreg_nodes::daemonset::NodeAgent;
/// use kreg_nodes::{InstanceId, Trust};
/// # let ca_pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
/// let instance = InstanceId::new("docker-registry")?;
/// let trust = Trust::new(instance.clone(), "docker-registry:5000".parse()?, ca_pem)?
///     .with_endpoint("10.96.0.50".parse()?);
/// let agent = NodeAgent::new(instance, "registry:2.8.3").keeping(trust);
/// let kinds: Vec<_> = agent.objects().iter().map(|o| o["kind"].to_string()).collect();
/// assert_eq!(kinds, [r#""Namespace""#, r#""ServiceAccount""#, r#""ConfigMap""#, r#""DaemonSet""#]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAgent {
    instance: InstanceId,
    image: String,
    trust: Option<Trust>,
    runtimes: String,
    skip: Vec<String>,
    more: Vec<String>,
    below: String,
}

impl NodeAgent {
    /// An agent that only waits for programs to run: to look at nodes, and to leave them. `image`
    /// is any with a POSIX shell and the usual small programs: the registry's own.
    pub fn new(instance: InstanceId, image: impl Into<String>) -> NodeAgent {
        NodeAgent {
            instance,
            image: image.into(),
            trust: None,
            runtimes: String::new(),
            skip: Vec::new(),
            more: Vec::new(),
            below: String::new(),
        }
    }

    /// One that brings its node to `trust` and keeps it there.
    #[must_use]
    pub fn keeping(mut self, trust: Trust) -> NodeAgent {
        self.trust = Some(trust);
        self
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

    /// Directories that images are to be erased from: mounted with the directory above each, so that
    /// an empty one can go. Only for one that waits.
    #[must_use]
    pub fn reaching<'a>(mut self, storage: impl IntoIterator<Item = &'a StorageDir>) -> NodeAgent {
        let above = |dir: &StorageDir| match dir.as_str().rsplit_once('/') {
            Some(("", _)) | None => dir.as_str().to_owned(),
            Some((above, _)) => above.to_owned(),
        };
        let kept = |dir: &String| ["/etc", "/var/lib"].iter().all(|tree| !within(tree, dir));
        self.more = storage.into_iter().map(above).filter(kept).collect();
        self.more.sort();
        self.more.dedup();
        let all = self.more.clone();
        // One mount below another is the same mount twice.
        self.more
            .retain(|dir| all.iter().all(|other| other == dir || !within(other, dir)));
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
        self.trust.is_some()
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
            json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata(self.name()), "spec": {
                "selector": { "matchLabels": { LABEL_AGENT: self.name() } },
                // Nothing is served, so nothing is lost while all are replaced.
                "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "100%" } },
                "revisionHistoryLimit": 1,
                "template": self.template(&revision),
            } }),
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

    fn labels(&self) -> Value {
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
        if let Some(trust) = &self.trust {
            programs.insert("check.sh", text(NodeProgram::agent(trust)));
            programs.insert("agent.sh", text(NodeProgram::watch()));
        }
        programs
    }

    fn template(&self, revision: &str) -> Value {
        let mut labels = self.labels();
        labels[LABEL_REVISION] = revision.into();
        let mut pod = json!({
            "serviceAccountName": self.name(),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "priorityClassName": "system-node-critical",
            "tolerations": [{ "operator": "Exists" }],
            "nodeSelector": { "kubernetes.io/os": "linux" },
            "dnsPolicy": "Default",
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsUser": 0,
                "runAsGroup": 0,
                "seccompProfile": { "type": "RuntimeDefault" },
                // Where SELinux is on, no other type of a container may write /etc.
                "seLinuxOptions": { "type": "spc_t" },
            },
            "containers": [self.container()],
            "volumes": self.volumes(revision),
        });
        if !self.skip.is_empty() {
            let field =
                |node| json!({ "key": "metadata.name", "operator": "NotIn", "values": [node] });
            let terms: Vec<_> = self.skip.iter().map(field).collect();
            pod["affinity"] = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchFields": terms }] } } });
        }
        json!({ "metadata": { "labels": labels }, "spec": pod })
    }

    /// The node's directories: where one that only waits is to leave nothing behind, the directory
    /// of all journals must be in sight from above.
    fn trees(&self) -> Vec<&str> {
        let journals = match self.trust {
            Some(_) => "/var/lib/kreg",
            None => "/var/lib",
        };
        let more = self.more.iter().map(String::as_str);
        ["/etc", journals].into_iter().chain(more).collect()
    }

    fn volumes(&self, revision: &str) -> Vec<Value> {
        let mut volumes: Vec<Value> = self
            .trees()
            .iter()
            .enumerate()
            .map(|(number, tree)| {
                let kind = match *tree {
                    "/etc" | "/var/lib" => "Directory",
                    _ => "DirectoryOrCreate",
                };
                json!({ "name": format!("node-{number}"), "hostPath": { "path": format!("{}{tree}", self.below), "type": kind } })
            })
            .collect();
        volumes.push(json!({ "name": "programs", "configMap": { "name": self.config_map(revision), "defaultMode": 0o444 } }));
        volumes.push(
            json!({ "name": "state", "emptyDir": { "medium": "Memory", "sizeLimit": "16Mi" } }),
        );
        volumes
    }

    fn container(&self) -> Value {
        let mut mounts: Vec<Value> = self
            .trees()
            .iter()
            .enumerate()
            .map(|(number, tree)| json!({ "name": format!("node-{number}"), "mountPath": format!("/host{tree}") }))
            .collect();
        mounts.push(json!({ "name": "programs", "mountPath": "/kreg", "readOnly": true }));
        mounts.push(json!({ "name": "state", "mountPath": "/run/kreg" }));
        let command = match self.trust {
            Some(_) => json!(["/bin/sh", "/kreg/agent.sh"]),
            None => json!(["/bin/sh", "-c", WAIT]),
        };
        let mut container = json!({
            "name": AGENT,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": command,
            "env": [
                { "name": "KREG_NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } },
                { "name": "KREG_ROOT", "value": "/host" },
                { "name": "KREG_TREES", "value": self.trees().join(" ") },
                // What a shell keeps in files, as some do with here-documents.
                { "name": "TMPDIR", "value": "/run/kreg" },
            ],
            "resources": {
                "requests": { "cpu": "5m", "memory": "15Mi" },
                "limits": { "memory": "64Mi" },
            },
            "securityContext": {
                "privileged": false,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"], "add": CAPABILITIES },
            },
            "volumeMounts": mounts,
        });
        // Without a trust nothing is to be waited for. The probes stay all the same: Kubernetes 1.20
        // keeps the defaults of one that an applier takes out, and refuses what is left.
        let (started, ready) = match self.trust.is_some() {
            true => ("[ -s /run/kreg/answer ]", "[ -f /run/kreg/ready ]"),
            false => ("true", "true"),
        };
        // A probe costs more than the agent itself, so the one that stays asks seldom.
        container["startupProbe"] = probe(started, 1, 300);
        container["readinessProbe"] = probe(ready, 30, 1);
        container
    }
}

/// Name of the container.
pub(super) const AGENT: &str = "agent";

fn probe(test: &str, period_seconds: u32, failures: u32) -> Value {
    json!({
        "exec": { "command": ["/bin/sh", "-c", test] },
        "periodSeconds": period_seconds,
        "failureThreshold": failures,
        "timeoutSeconds": 10,
    })
}

/// Whether `dir` is `tree`, or below it.
fn within(tree: &str, dir: &str) -> bool {
    dir.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

    fn waiting() -> NodeAgent {
        NodeAgent::new(InstanceId::new("r").unwrap(), "registry:2.8.3")
    }

    fn keeping() -> NodeAgent {
        let trust = Trust::new(
            InstanceId::new("r").unwrap(),
            "r:5000".parse().unwrap(),
            CERT,
        );
        waiting().keeping(trust.unwrap())
    }

    fn mounted(agent: &NodeAgent) -> Vec<String> {
        let objects = agent.objects();
        let volumes = objects[3]["spec"]["template"]["spec"]["volumes"].clone();
        let paths = volumes.as_array().unwrap().iter();
        paths
            .filter_map(|volume| Some(volume["hostPath"]["path"].as_str()?.to_owned()))
            .collect()
    }

    #[test]
    fn the_pod_has_no_more_than_it_needs() {
        let objects = keeping().objects();
        let pod = &objects[3]["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        for host in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod[host].is_null(), "{host}");
        }
        let security = &pod["containers"][0]["securityContext"];
        assert_eq!(security["privileged"], false);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(mounted(&keeping()), ["/etc", "/var/lib/kreg"]);
    }

    #[test]
    fn whatever_the_pods_depend_on_makes_another_revision() {
        let base = keeping();
        let others = [
            waiting(),
            NodeAgent {
                image: "other".to_owned(),
                ..base.clone()
            },
            base.clone().with_runtimes([("n1", "containerd://1.7.0")]),
            base.clone().without(["n1".to_owned()]),
        ];
        for other in others {
            assert_ne!(other.revision(), base.revision(), "{other:?}");
        }
        assert_eq!(keeping().revision(), base.revision());
    }

    #[test]
    fn directories_of_images_are_seen_from_above_and_once() {
        let dirs = [
            "/tmp/repository",
            "/tmp/a/b",
            "/data",
            "/var/lib/x/y",
            "/tmp/repository",
        ];
        let dirs = dirs.map(|dir| StorageDir::new(dir).unwrap());
        let agent = waiting().reaching(&dirs);
        assert_eq!(mounted(&agent), ["/etc", "/var/lib", "/data", "/tmp"]);
    }
}
