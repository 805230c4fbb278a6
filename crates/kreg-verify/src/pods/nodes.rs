//! The nodes, and what matters of each for a Pod that is to run there.

use k8s_openapi::api::core::v1::Node;
use kreg_stream::again;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::pulls::NodePulls;
use crate::image::{Architecture, UnknownArchitecture};
use crate::verify_error::VerifyError;

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

/// The nodes that are to be proven.
pub(crate) async fn nodes_of(pulls: &NodePulls) -> Result<Vec<NodeFacts>, VerifyError> {
    let nodes = list_nodes(pulls.client.clone())
        .await
        .map_err(|source| VerifyError::Nodes(Box::new(source)))?;
    chosen(nodes, &pulls.only)
}

/// Those of these names, or all where none is named. One may be gone since it was named; if all
/// are, nothing would be proven.
fn chosen(nodes: Vec<NodeFacts>, only: &[String]) -> Result<Vec<NodeFacts>, VerifyError> {
    if only.is_empty() {
        return Ok(nodes);
    }
    let (wanted, others): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| only.contains(&node.name));
    if !wanted.is_empty() {
        return Ok(wanted);
    }
    let known: Vec<_> = others.into_iter().map(|node| node.name).collect();
    Err(VerifyError::NoSuchNode {
        names: only.join(", "),
        known: known.join(", "),
    })
}

/// The architectures of the nodes that can be proven; without any, that of this machine.
pub(crate) fn architectures(nodes: &[NodeFacts]) -> Vec<Architecture> {
    let mut found: Vec<_> = nodes
        .iter()
        .filter(|node| node.os == "linux")
        .filter_map(|node| node.architecture.as_ref().ok().copied())
        .collect();
    if found.is_empty() {
        found.push(Architecture::of_this_machine());
    }
    found
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
    fn only_containerd_is_led_by_an_address() {
        for (runtime, by_name) in [
            ("containerd://1.7.24", false),
            ("containerd://2.1.4-k3s1", false),
            ("cri-o://1.37.0", true),
            ("docker://28.5.2", true),
        ] {
            let node = NodeFacts {
                runtime: runtime.into(),
                ..named("w1", "amd64", "linux")
            };
            assert_eq!(node.by_name(), by_name, "{runtime}");
        }
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

    #[test]
    fn nodes_none_of_which_is_there_are_refused_with_those_there_are() {
        let nodes = || vec![named("a", "amd64", "linux"), named("b", "amd64", "linux")];
        let names = |only: &[&str]| -> Result<Vec<String>, VerifyError> {
            let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
            let chosen = chosen(nodes(), &only)?;
            Ok(chosen.into_iter().map(|node| node.name).collect())
        };
        assert_eq!(names(&[]).unwrap(), ["a", "b"]);
        assert_eq!(names(&["b"]).unwrap(), ["b"]);
        assert_eq!(names(&["b", "gone since"]).unwrap(), ["b"]);
        let told = names(&["typo"]).unwrap_err().to_string();
        assert!(
            told.contains("typo") && told.ends_with("are a, b"),
            "{told}"
        );
    }

    #[test]
    fn an_image_is_built_for_every_architecture_there_is() {
        let nodes = [
            named("n", "arm64", "linux"),
            named("n", "mips", "linux"),
            named("n", "amd64", "windows"),
        ];
        assert_eq!(architectures(&nodes), [Architecture::Arm64]);
        assert_eq!(architectures(&[]).len(), 1);
    }

    fn named(name: &str, arch: &str, os: &str) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            ready: Ok(()),
            architecture: arch.parse(),
            os: os.into(),
            runtime: String::new(),
            kubelet: String::new(),
        }
    }
}
