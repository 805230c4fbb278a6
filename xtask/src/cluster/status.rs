//! What the API server says about nodes, asked with kubectl.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::kind;
use super::options::Node;
use super::state::State;
use crate::failure::{Failure, Result, Tried as _};
use crate::parts::{self, Generation};
use crate::process::{self, Run};
use crate::progress::say;

/// What one node reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) node: Node,
    pub(super) ready: bool,
    pub(super) control_plane: bool,
    pub(super) kubelet: String,
    pub(super) runtime: String,
}

/// Prints the state of the cluster of this name.
pub(crate) fn status(name: &str) -> Result<()> {
    let state = State::open(name)?;
    let containers = kind::containers(name)?;
    if containers.is_empty() {
        say(format!("cluster {name}: none"));
        return Ok(());
    }
    if !state.config().exists() {
        say(format!(
            "cluster {name}: half made ({}); `cargo xtask cluster up` starts it anew, `down` removes it",
            containers.join(", ")
        ));
        return Ok(());
    }
    let facts = Api::in_container(&containers[0]).nodes()?;
    say(format!("cluster {name}: {}", state.directory.display()));
    for line in table(&facts).lines() {
        say(line);
    }
    Ok(())
}

/// kubectl: in a control plane's container, where its version fits, or here.
#[derive(Debug)]
pub(super) enum Api {
    Container(String),
    Here {
        kubectl: PathBuf,
        kubeconfig: PathBuf,
    },
}

impl Api {
    pub(super) fn in_container(control_plane: &str) -> Self {
        Self::Container(control_plane.to_owned())
    }

    /// kubectl from `PATH`, or the one built here.
    pub(super) fn from_here(kubeconfig: &Path) -> Result<Self> {
        let kubectl = match process::find("kubectl") {
            Some(kubectl) => kubectl,
            None => parts::kubernetes(Generation::default())?
                .bin
                .join("kubectl"),
        };
        Ok(Self::Here {
            kubectl,
            kubeconfig: kubeconfig.to_path_buf(),
        })
    }

    /// Waits for something with kubectl, which has its own timeout among the arguments.
    pub(super) fn wait(&self, arguments: &[&str]) -> Result<()> {
        self.kubectl().args(arguments).run()
    }

    fn kubectl(&self) -> Run {
        match self {
            Self::Container(name) => Run::new("docker").args([
                "exec",
                name,
                "kubectl",
                "--kubeconfig=/etc/kubernetes/admin.conf",
            ]),
            Self::Here {
                kubectl,
                kubeconfig,
            } => Run::new(kubectl).arg("--kubeconfig").arg(kubeconfig),
        }
    }

    /// When each node's kubelet was last heard of.
    pub(super) fn leases(&self) -> Result<BTreeMap<String, String>> {
        let format =
            "--output=jsonpath={range .items[*]}{.metadata.name} {.spec.renewTime}{\"\\n\"}{end}";
        let list = self
            .kubectl()
            .args(["get", "leases", "--namespace=kube-node-lease", format])
            .arg("--request-timeout=15s")
            .read()?;
        Ok(list
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(node, time)| (node.to_owned(), time.to_owned()))
            .collect())
    }

    /// Every node, control planes first, then by name.
    pub(super) fn nodes(&self) -> Result<Vec<Facts>> {
        let list = self
            .kubectl()
            .args(["get", "nodes", "--output=json", "--request-timeout=15s"])
            .read()?;
        let list: Value =
            serde_json::from_str(&list).tried(|| "read the list of nodes".to_owned())?;
        let items = list["items"]
            .as_array()
            .ok_or_else(|| Failure::new("read the list of nodes", "it has no items"))?;
        let mut nodes: Vec<Facts> = items.iter().map(facts).collect();
        nodes.sort_by_key(|node| (!node.control_plane, node.node.name.clone()));
        Ok(nodes)
    }
}

/// One node object. kind names a node's container like the node.
fn facts(object: &Value) -> Facts {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let listed = |pointer: &str, name: &str, wanted: &str, value: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|entry| entry[name] == wanted)
            .and_then(|entry| entry[value].as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let labels = &object["metadata"]["labels"];
    Facts {
        node: Node {
            name: text("/metadata/name"),
            address: listed("/status/addresses", "type", "InternalIP", "address"),
            container: text("/metadata/name"),
            pods: text("/spec/podCIDR"),
        },
        ready: listed("/status/conditions", "type", "Ready", "status") == "True",
        control_plane: ["control-plane", "master"]
            .iter()
            .any(|role| !labels[format!("node-role.kubernetes.io/{role}")].is_null()),
        kubelet: text("/status/nodeInfo/kubeletVersion"),
        runtime: text("/status/nodeInfo/containerRuntimeVersion"),
    }
}

/// Columns, one node a line.
pub(super) fn table(nodes: &[Facts]) -> String {
    let mut rows = vec![["NODE", "ADDRESS", "READY", "KUBELET", "RUNTIME"].map(str::to_owned)];
    rows.extend(nodes.iter().map(|facts| {
        [
            facts.node.name.clone(),
            facts.node.address.clone(),
            if facts.ready { "yes" } else { "no" }.to_owned(),
            facts.kubelet.clone(),
            facts.runtime.clone(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_object_is_read() {
        let object = json!({
            "metadata": {
                "name": "kreg-control-plane",
                "labels": { "node-role.kubernetes.io/control-plane": "" },
            },
            "spec": { "podCIDR": "10.244.0.0/24" },
            "status": {
                "addresses": [
                    { "type": "Hostname", "address": "kreg-control-plane" },
                    { "type": "InternalIP", "address": "172.18.0.4" },
                ],
                "conditions": [{ "type": "Ready", "status": "True" }],
                "nodeInfo": {
                    "kubeletVersion": "v1.37.2",
                    "containerRuntimeVersion": "containerd://2.4.2",
                },
            },
        });
        let facts = facts(&object);
        assert_eq!(facts.node.address, "172.18.0.4");
        assert_eq!(facts.node.pods, "10.244.0.0/24");
        assert!(facts.ready && facts.control_plane);
        let table = table(&[facts]);
        let last = table.lines().last().unwrap();
        assert_eq!(
            last,
            "kreg-control-plane  172.18.0.4  yes    v1.37.2  containerd://2.4.2"
        );
    }

    #[test]
    fn a_node_that_has_not_reported_is_not_ready() {
        let facts = facts(&json!({ "metadata": { "name": "x" } }));
        assert!(!facts.ready && !facts.control_plane && facts.node.pods.is_empty());
    }
}
