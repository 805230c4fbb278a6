//! What a cluster is like, read before anything is changed.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;

use crate::{
    address,
    cluster::{Cluster, Query},
    error::Error,
    kind::Kind,
    object::Object,
    object_ref::ObjectRef,
    spec::RegistrySpec,
    storage::Storage,
    unfit::Unfit,
};

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageClassFact {
    /// Name.
    pub name: String,
    /// Whether claims without a class get this one.
    pub default: bool,
    /// Provisioner, such as `rancher.io/local-path`.
    pub provisioner: String,
    /// Whether it makes the volume only once a Pod uses the claim (`WaitForFirstConsumer`).
    pub waits_for_pod: bool,
}

/// A node, as the API server knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeFact {
    /// Name.
    pub name: String,
    /// Every address of type `InternalIP`, in the kubelet's order.
    pub addresses: Vec<IpAddr>,
    /// Label `kubernetes.io/hostname`; what [`Storage::HostPath`] ties a volume to.
    pub hostname: String,
    /// Processor architecture in Go's words: `amd64`, `arm64`.
    pub arch: String,
    /// Operating system's own name for itself.
    pub os_image: String,
    /// Container runtime and version as a URL: `containerd://2.1.4`.
    pub runtime: String,
    /// kubelet's version.
    pub kubelet: String,
    /// Condition `Ready`.
    pub ready: bool,
    /// Cordoned.
    pub unschedulable: bool,
    /// Taints that keep ordinary Pods away (`NoSchedule`, `NoExecute`), as `key=value:effect`.
    pub taints: Vec<String>,
    /// Whether it carries a control-plane role label.
    pub control_plane: bool,
}

/// What a cluster is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterFacts {
    /// The API server's version, such as `v1.34.4`.
    pub version: Option<String>,
    /// StorageClasses by name.
    pub storage_classes: Vec<StorageClassFact>,
    /// Nodes by name.
    pub nodes: Vec<NodeFact>,
    /// Ranges ClusterIPs are taken from, where the cluster tells: from ServiceCIDR objects (1.33+), else from the flags
    /// of kubeadm's API server Pod. Empty where neither is there; never guessed.
    pub service_cidrs: Vec<String>,
    /// DNS domain, where kubeadm's CoreDNS configuration tells.
    pub cluster_domain: Option<String>,
}

impl ClusterFacts {
    /// Reads them.
    ///
    /// # Errors
    /// If the cluster cannot be asked; the first request of a run, so an unreachable server shows here.
    pub async fn read(cluster: &dyn Cluster) -> Result<Self, Error> {
        let version = cluster.server_version().await?;
        let mut storage_classes: Vec<_> = cluster
            .list(&Query::all(Kind::StorageClass))
            .await?
            .iter()
            .map(storage_class)
            .collect();
        storage_classes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut nodes: Vec<_> = cluster
            .list(&Query::all(Kind::Node))
            .await?
            .iter()
            .map(node)
            .collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ClusterFacts {
            version,
            storage_classes,
            nodes,
            service_cidrs: service_cidrs(cluster).await?,
            cluster_domain: cluster_domain(cluster).await?,
        })
    }

    /// The class that claims without one get.
    #[must_use]
    pub fn default_storage_class(&self) -> Option<&StorageClassFact> {
        self.storage_classes.iter().find(|class| class.default)
    }

    /// Whether a registry of this spec can run here, as far as these facts tell; of its storage see
    /// [`crate::claim::check`].
    ///
    /// # Errors
    /// [`Error::Unfit`] with what is missing and what to choose instead.
    pub fn check(&self, spec: &RegistrySpec) -> Result<(), Error> {
        if !self.nodes.iter().any(|node| node.ready) {
            return Err(Unfit::NoReadyNode(self.nodes.len()).into());
        }
        if let Some(address) = spec.cluster_ip() {
            let within = |range: &String| address::is_within(range, address);
            let known: Option<Vec<bool>> = self.service_cidrs.iter().map(within).collect();
            if known.is_some_and(|known| !known.is_empty() && !known.contains(&true)) {
                return Err(Unfit::AddressOutOfRange {
                    address,
                    ranges: self.service_cidrs.clone(),
                }
                .into());
            }
        }
        match spec.storage() {
            Storage::HostPath {
                node: Some(node), ..
            } if !self.nodes.iter().any(|fact| &fact.hostname == node) => {
                let known = self.nodes.iter().map(|fact| fact.hostname.clone());
                Err(Unfit::NoNode {
                    hostname: node.clone(),
                    known: known.collect(),
                }
                .into())
            }
            _ => Ok(()),
        }
    }

    /// Whether a claim that is still to be made gets its class.
    pub(crate) fn check_class(&self, spec: &RegistrySpec) -> Result<(), Error> {
        let known = || {
            let classes = self.storage_classes.iter();
            classes.map(|class| class.name.clone()).collect()
        };
        match spec.storage() {
            Storage::StorageClass { name: None, .. } if self.default_storage_class().is_none() => {
                Err(Unfit::NoDefaultClass { known: known() }.into())
            }
            Storage::StorageClass {
                name: Some(name), ..
            } if !self.storage_classes.iter().any(|class| &class.name == name) => {
                Err(Unfit::NoClass {
                    class: name.clone(),
                    known: known(),
                }
                .into())
            }
            _ => Ok(()),
        }
    }
}

fn storage_class(class: &Object) -> StorageClassFact {
    let marked = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    StorageClassFact {
        name: class.reference().name().to_owned(),
        default: marked
            .iter()
            .any(|key| class.annotation(key) == Some("true")),
        provisioner: class.text("/provisioner").unwrap_or("").to_owned(),
        waits_for_pod: class.text("/volumeBindingMode") == Some("WaitForFirstConsumer"),
    }
}

fn node(node: &Object) -> NodeFact {
    let info = |key: &str| {
        node.text(&format!("/status/nodeInfo/{key}"))
            .unwrap_or("")
            .to_owned()
    };
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    let taints = node.items("/spec/taints").iter();
    NodeFact {
        name: node.reference().name().to_owned(),
        addresses: node
            .items("/status/addresses")
            .iter()
            .filter(|address| text(address, "type") == "InternalIP")
            .filter_map(|address| text(address, "address").parse().ok())
            .collect(),
        hostname: node
            .label("kubernetes.io/hostname")
            .unwrap_or(node.reference().name())
            .to_owned(),
        arch: info("architecture"),
        os_image: info("osImage"),
        runtime: info("containerRuntimeVersion"),
        kubelet: info("kubeletVersion"),
        ready: node.items("/status/conditions").iter().any(|condition| {
            text(condition, "type") == "Ready" && text(condition, "status") == "True"
        }),
        unschedulable: node.value().pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
        taints: taints
            .filter(|taint| matches!(text(taint, "effect").as_str(), "NoSchedule" | "NoExecute"))
            .map(|taint| {
                format!(
                    "{}={}:{}",
                    text(taint, "key"),
                    text(taint, "value"),
                    text(taint, "effect")
                )
            })
            .collect(),
        control_plane: ["control-plane", "master"].iter().any(|role| {
            node.label(&format!("node-role.kubernetes.io/{role}"))
                .is_some()
        }),
    }
}

async fn service_cidrs(cluster: &dyn Cluster) -> Result<Vec<String>, Error> {
    let split = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let objects = cluster.list(&Query::all(Kind::ServiceCIDR)).await?;
    let ranges: Vec<String> = objects
        .iter()
        .flat_map(|object| object.items("/spec/cidrs"))
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if !ranges.is_empty() {
        return Ok(ranges);
    }
    let query = Query::all(Kind::Pod)
        .within("kube-system")
        .labelled("component=kube-apiserver");
    let pods = cluster.list(&query).await?;
    let flag = pods
        .iter()
        .flat_map(|pod| pod.items("/spec/containers/0/command"))
        .filter_map(Value::as_str)
        .find_map(|argument| argument.strip_prefix("--service-cluster-ip-range="));
    Ok(flag.map(split).unwrap_or_default())
}

/// kubeadm writes `kubernetes cluster.local in-addr.arpa ip6.arpa {` into CoreDNS' Corefile.
async fn cluster_domain(cluster: &dyn Cluster) -> Result<Option<String>, Error> {
    let corefile = cluster
        .get(&ObjectRef::new(Kind::ConfigMap, "kube-system", "coredns"))
        .await?;
    let text = corefile
        .as_ref()
        .and_then(|map| map.text("/data/Corefile"))
        .unwrap_or("");
    Ok(text
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("kubernetes ")?
                .split_whitespace()
                .next()
        })
        .filter(|domain| !domain.starts_with('{'))
        .map(str::to_owned))
}
