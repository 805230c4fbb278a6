//! The Pod of a node agent: what of its node it sees, and what it may write.

use serde_json::{Value, json};

use super::agent::{LABEL_REVISION, NodeAgent, Work};
use crate::program::PERIOD;

/// Name of the container.
pub(super) const AGENT: &str = "agent";

/// Only what writing others' files takes. Writing `/etc` is as good as being root of the node; no
/// other way there is left open.
const CAPABILITIES: [&str; 3] = ["CHOWN", "DAC_OVERRIDE", "FOWNER"];

/// Does nothing but be there, for programs that come by [`super::AgentPods`].
const WAIT: &str = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done";

/// The directory of all journals.
const JOURNALS: &str = "/var/lib/kreg";

/// A directory of the node, mounted into the Pod.
struct Tree<'a> {
    path: &'a str,
    writes: bool,
}

fn read(path: &str) -> Tree<'_> {
    Tree {
        path,
        writes: false,
    }
}

fn write(path: &str) -> Tree<'_> {
    Tree { path, writes: true }
}

impl NodeAgent {
    /// What is mounted. All of it exists on the node before, except [`JOURNALS`]: the kubelet makes that, and who takes
    /// back has `/var/lib` to remove it. Any other directory that a mount made would be left behind.
    fn trees(&self) -> Vec<Tree<'_>> {
        match &self.work {
            Work::Look => vec![read("/etc"), read("/var/lib")],
            Work::Search => vec![read("/")],
            Work::Keep(_, writes) => {
                let dirs = writes.dirs();
                let etc = (!dirs.contains(&"/etc")).then(|| read("/etc"));
                let dirs = etc.into_iter().chain(dirs.into_iter().map(write));
                dirs.chain([write(JOURNALS)]).collect()
            }
            Work::TakeBack(more) => {
                let more = more.iter().map(|dir| write(dir));
                [write("/etc"), write("/var/lib")]
                    .into_iter()
                    .chain(more)
                    .collect()
            }
        }
    }

    pub(super) fn template(&self, revision: &str) -> Value {
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

    fn volumes(&self, revision: &str) -> Vec<Value> {
        let volume = |(number, tree): (usize, Tree<'_>)| {
            let kind = match tree.path {
                JOURNALS => "DirectoryOrCreate",
                _ => "Directory",
            };
            let path = format!("{}{}", self.below, tree.path);
            json!({ "name": format!("node-{number}"), "hostPath": { "path": path, "type": kind } })
        };
        let mut volumes: Vec<Value> = self.trees().into_iter().enumerate().map(volume).collect();
        volumes.push(json!({ "name": "programs", "configMap": { "name": self.config_map(revision), "defaultMode": 0o444 } }));
        volumes.push(
            json!({ "name": "state", "emptyDir": { "medium": "Memory", "sizeLimit": "16Mi" } }),
        );
        volumes
    }

    fn mounts(&self) -> Vec<Value> {
        let mount = |(number, tree): (usize, Tree<'_>)| {
            let at = format!("/host{}", tree.path.trim_end_matches('/'));
            let mut mount = json!({ "name": format!("node-{number}"), "mountPath": at });
            if !tree.writes {
                mount["readOnly"] = true.into();
                if self.recursive {
                    mount["recursiveReadOnly"] = "IfPossible".into();
                }
            }
            mount
        };
        let mut mounts: Vec<Value> = self.trees().into_iter().enumerate().map(mount).collect();
        mounts.push(json!({ "name": "programs", "mountPath": "/kreg", "readOnly": true }));
        mounts.push(json!({ "name": "state", "mountPath": "/run/kreg" }));
        mounts
    }

    fn environment(&self) -> Vec<Value> {
        let trees = self.trees();
        let paths = |of: fn(&&Tree<'_>) -> bool| {
            let paths: Vec<&str> = trees.iter().filter(of).map(|tree| tree.path).collect();
            paths.join(" ")
        };
        let mut environment = vec![
            json!({ "name": "KREG_NODE", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }),
            json!({ "name": "KREG_ROOT", "value": "/host" }),
            // Nothing at all where nothing may be written, which is not the same as no such variable.
            json!({ "name": "KREG_WRITES", "value": paths(|tree| tree.writes) }),
            // What a shell keeps in files, as some do with here-documents.
            json!({ "name": "TMPDIR", "value": "/run/kreg" }),
        ];
        if self.work != Work::Search {
            environment.push(json!({ "name": "KREG_TREES", "value": paths(|_| true) }));
        }
        environment
    }

    fn container(&self) -> Value {
        let command = match self.is_keeping() {
            true => json!(["/bin/sh", "/kreg/agent.sh"]),
            false => json!(["/bin/sh", "-c", WAIT]),
        };
        let mut container = json!({
            "name": AGENT,
            "image": self.image.reference(),
            "imagePullPolicy": self.image.pull_policy(),
            "command": command,
            "env": self.environment(),
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
            "volumeMounts": self.mounts(),
        });
        // Without a trust nothing is to be waited for. The probes stay all the same: Kubernetes 1.20
        // keeps the defaults of one that an applier takes out, and refuses what is left.
        let (started, ready) = match self.is_keeping() {
            true => (
                json!(["/bin/sh", "-c", "[ -s /run/kreg/answer ]"]),
                json!(["/bin/sh", "/kreg/ready.sh"]),
            ),
            false => (
                json!(["/bin/sh", "-c", "true"]),
                json!(["/bin/sh", "-c", "true"]),
            ),
        };
        container["startupProbe"] = probe(started, 1, 300);
        container["readinessProbe"] = probe(ready, PERIOD.as_secs(), 1);
        container
    }
}

fn probe(command: Value, period_seconds: u64, failures: u32) -> Value {
    json!({
        "exec": { "command": command },
        "periodSeconds": period_seconds,
        "failureThreshold": failures,
        "timeoutSeconds": 10,
    })
}
