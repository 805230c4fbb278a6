//! The transport over a DaemonSet, and the agent that keeps a node, on a real cluster: a tree of
//! directories on one of its nodes stands for the node.
#![cfg(all(unix, feature = "daemonset"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]
#![allow(clippy::disallowed_methods, reason = "what others than kreg write")]

mod common;

use std::time::{Duration, Instant};

use common::entered::Entered;
use common::{CA, trust};
use k8s_openapi::api::core::v1::{Node as ApiNode, Pod};
use kreg_nodes::conformance::{self, NodeFiles as _};
use kreg_nodes::daemonset::{AgentImage, AgentPods, NAMESPACE, NodeAgent, PodStreams};
use kreg_nodes::{Fleet, InstanceId, Node, NodeTransport as _};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config, ResourceExt as _};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Where the tree is, on the node.
const TREE: &str = "/var/tmp/kreg-conformance";
const IMAGE: &str = "kreg.test/registry:2.8.2";
const HOSTS_TOML: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";

#[test]
#[ignore = "needs KUBECONFIG of a kind cluster whose nodes have kreg.test/registry:2.8.2: run by cargo xtask test"]
fn a_daemon_set_passes_and_keeps_its_node() {
    let bed = Bed::new();
    let instance = InstanceId::new("kreg-conformance-agent").unwrap();
    let image = AgentImage::named(IMAGE);
    let agent = NodeAgent::new(instance.clone(), image).below(TREE);

    bed.roll(&agent.clone().taking_back());
    let streams = bed.streams();
    let pods = AgentPods::new(streams, bed.runtime.handle().clone(), instance);
    let node = Node::new(&bed.node, &bed.node);
    let broken = conformance::check(&pods, &node, &bed.files());
    assert!(broken.is_empty(), "{broken:#?}");
    let silent = pods.run(&node, "sleep 90; echo heard", Duration::from_secs(120));
    assert_eq!(silent.unwrap().stdout, b"heard\n");

    // The same, left to itself.
    let files = bed.files();
    let planned = Fleet::new(&pods)
        .plan(std::slice::from_ref(&node), &trust(CA))
        .remove(0);
    bed.roll(&agent.keeping(trust(CA), planned.writes));
    let whole = bed.await_file(|now| now.is_some(), Duration::from_secs(60));
    files.remove(HOSTS_TOML).unwrap();
    let mended = bed.await_file(|now| now.is_some(), Duration::from_secs(60));
    assert_eq!(mended, whole);
}

/// A cluster, one of its nodes, and the objects to be taken away.
struct Bed {
    runtime: Runtime,
    client: Client,
    node: String,
}

impl Bed {
    fn new() -> Bed {
        let runtime = Runtime::new().unwrap();
        let (client, node) = runtime.block_on(async {
            let client = Client::try_default().await.expect("a cluster");
            let nodes: Api<ApiNode> = Api::all(client.clone());
            let nodes = nodes.list(&ListParams::default()).await.unwrap();
            (client, nodes.items.last().expect("a node").name_any())
        });
        let bed = Bed {
            runtime,
            client,
            node,
        };
        bed.files().run("rm -rf \"$root\"");
        // Every node gets a Pod, and that needs its directories.
        for node in bed.nodes() {
            on(&node).run("mkdir -p \"$root/etc\" \"$root/var/lib\"");
        }
        bed
    }

    /// With the timeouts that kreg has for requests, which must not hold for streams.
    fn streams(&self) -> PodStreams {
        self.runtime.block_on(async {
            let mut config = Config::infer().await.expect("a cluster");
            config.read_timeout = Some(Duration::from_secs(30));
            config.write_timeout = Some(Duration::from_secs(30));
            PodStreams::new(config).unwrap()
        })
    }

    fn nodes(&self) -> Vec<String> {
        let nodes: Api<ApiNode> = Api::all(self.client.clone());
        let found = self
            .runtime
            .block_on(nodes.list(&ListParams::default()))
            .unwrap();
        found.items.iter().map(|node| node.name_any()).collect()
    }

    fn files(&self) -> Entered {
        on(&self.node)
    }

    fn roll(&self, agent: &NodeAgent) {
        self.runtime.block_on(async {
            for object in agent.objects() {
                let (api, name) = self.api(&object);
                let parameters = PatchParams::apply("kreg-nodes-test").force();
                api.patch(&name, &parameters, &Patch::Apply(&object))
                    .await
                    .unwrap();
            }
            let instance = InstanceId::new(agent.name()).unwrap();
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
            let query =
                ListParams::default().labels(&NodeAgent::pods_of(&instance, &agent.revision()));
            let begun = Instant::now();
            loop {
                let found = pods.list(&query).await.unwrap();
                let here = |pod: &&Pod| {
                    pod.spec.as_ref().unwrap().node_name.as_deref() == Some(&self.node)
                };
                let phase = found
                    .items
                    .iter()
                    .find(here)
                    .and_then(|pod| pod.status.as_ref()?.phase.clone());
                if phase.as_deref() == Some("Running") {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(120), "{phase:?}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }

    fn api(&self, object: &Value) -> (Api<DynamicObject>, String) {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, version) = text("/apiVersion")
            .rsplit_once('/')
            .unwrap_or(("", text("/apiVersion")));
        let kind = GroupVersionKind::gvk(group, version, text("/kind"));
        let resource = ApiResource::from_gvk(&kind);
        let api = match text("/metadata/namespace") {
            "" => Api::all_with(self.client.clone(), &resource),
            namespace => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        (api, text("/metadata/name").to_owned())
    }

    fn await_file(
        &self,
        good: impl Fn(&Option<Vec<u8>>) -> bool,
        limit: Duration,
    ) -> Option<Vec<u8>> {
        let (files, begun) = (self.files(), Instant::now());
        loop {
            let now = files.read(HOSTS_TOML).unwrap();
            if good(&now) {
                return now;
            }
            assert!(begun.elapsed() < limit, "{now:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.runtime.block_on(async {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
            let namespaces: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            let _ = namespaces.delete(NAMESPACE, &DeleteParams::default()).await;
            for _ in 0..300 {
                if matches!(namespaces.get_opt(NAMESPACE).await, Ok(None)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        for node in self.nodes() {
            on(&node).run("rm -rf \"$root\"");
        }
    }
}

/// The tree on a node, past Kubernetes.
fn on(node: &str) -> Entered {
    Entered::of(node).below(TREE)
}
