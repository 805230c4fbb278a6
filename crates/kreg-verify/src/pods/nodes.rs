//! The nodes, and what matters of each for a Pod that is to run there.

use k8s_openapi::api::core::v1::Node;
use kreg_stream::again;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use crate::image::{Architecture, UnknownArchitecture};

/// What the API server knows of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// `Ok` if the kubelet reports `Ready`, else its words.
    pub ready: Result<(), String>,
    /// The `GOARCH` word of its kernel.
    pub architecture: Result<Architecture, UnknownArchitecture>,
    /// The `GOOS` word, `linux` or `windows`.
    pub os: String,
    /// Such as `containerd://1.7.24`.
    pub runtime: String,
    /// Kubelet version.
    pub kubelet: String,
}

impl NodeFacts {
    /// Whether its runtime finds a registry only by its name: containerd is led by an address, and
    /// CRI-O and Docker cannot be.
    #[must_use]
    pub fn by_name(&self) -> bool {
        !self.runtime.starts_with("containerd://")
    }

    /// Reads the facts out of a Node object.
    #[must_use]
    pub fn of(node: &Node) -> NodeFacts {
        let status = node.status.clone().unwrap_or_default();
        let info = status.node_info.unwrap_or_default();
        let condition = status
            .conditions
            .into_iter()
            .flatten()
            .find(|condition| condition.type_ == "Ready");
        let ready = match condition {
            Some(condition) if condition.status == "True" => Ok(()),
            Some(condition) => Err(condition.message.or(condition.reason).unwrap_or_default()),
            None => Err("its kubelet has not reported yet".to_owned()),
        };
        NodeFacts {
            name: node.name_any(),
            ready,
            architecture: info.architecture.parse(),
            os: info.operating_system,
            runtime: info.container_runtime_version,
            kubelet: info.kubelet_version,
        }
    }
}

/// Every node of the cluster, control plane included, in order of name.
///
/// # Errors
/// Whatever the API server says; listing nodes needs a cluster-wide right.
pub async fn list_nodes(client: Client) -> Result<Vec<NodeFacts>, kube::Error> {
    let nodes = Api::<Node>::all(client);
    let all = ListParams::default();
    let nodes = again(|| nodes.list(&all)).await?;
    let mut facts: Vec<_> = nodes.items.iter().map(NodeFacts::of).collect();
    facts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(status: serde_json::Value) -> NodeFacts {
        let node = json!({ "metadata": { "name": "w1" }, "status": status });
        NodeFacts::of(&serde_json::from_value(node).unwrap())
    }

    fn info(architecture: &str) -> serde_json::Value {
        json!({
            "architecture": architecture, "operatingSystem": "linux", "bootID": "", "machineID": "",
            "containerRuntimeVersion": "containerd://1.6.20", "kernelVersion": "", "kubeProxyVersion": "",
            "kubeletVersion": "v1.34.4", "osImage": "", "systemUUID": "",
        })
    }

    #[test]
    fn a_ready_node() {
        let facts = node(json!({
            "nodeInfo": info("arm64"),
            "conditions": [{ "type": "DiskPressure", "status": "False" }, { "type": "Ready", "status": "True" }],
        }));
        assert_eq!(facts.ready, Ok(()));
        assert_eq!(facts.architecture, Ok(Architecture::Arm64));
        assert_eq!(
            (facts.runtime.as_str(), facts.os.as_str()),
            ("containerd://1.6.20", "linux")
        );
    }

    #[test]
    fn a_node_that_is_not_ready_says_why() {
        let unknown = json!([{ "type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status." }]);
        let facts = node(json!({ "nodeInfo": info("mips"), "conditions": unknown }));
        assert_eq!(
            facts.ready,
            Err("Kubelet stopped posting node status.".to_owned())
        );
        assert_eq!(
            facts.architecture,
            Err(UnknownArchitecture("mips".to_owned()))
        );
        assert!(node(json!({})).ready.is_err());
    }
}
