//! What goes wrong between a node and the registry.

use serde_json::{Value, json};

use super::breaks::{Break, NAME, NAMESPACE, by_up, merge, nothing};
use super::nodes;
use crate::e2e::world::World;
use crate::failure::Result;

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "network-policy",
        what: "a default-deny policy in the registry's namespace",
        breaks: |world| {
            world
                .create(&json!({
                    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                    "metadata": { "name": "default-deny", "namespace": NAMESPACE },
                    "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
                }))
                .map(drop)
        },
        // With what a network that enforces it does to a node: see the next one.
        fixes: nothing,
    },
    Break {
        id: "network-policy",
        what: "the same, and packets of a node are dropped as an enforcing network drops them",
        breaks: firewall,
        fixes: |world| {
            let words = [
                "delete",
                "networkpolicy",
                "default-deny",
                "--namespace",
                NAMESPACE,
            ];
            world.kubectl(words).good().map(drop)
        },
    },
    Break {
        id: "route-blocked",
        what: "a firewall on the node",
        breaks: nothing,
        fixes: no_firewall,
    },
    Break {
        id: "selector-mismatch",
        what: "a Service whose selector chooses other Pods",
        breaks: |world| merge(world, "service/docker-registry", &selector("other")),
        fixes: |world| merge(world, "service/docker-registry", &selector("registry")),
    },
    Break {
        id: "service-port",
        what: "a Service that leads to a port where nothing listens",
        breaks: |world| target_port(world, 5001),
        fixes: |world| target_port(world, 5000),
    },
    Break {
        id: "address-changed",
        what: "a Service that was deleted and made again",
        breaks: made_again,
        fixes: |world| delete(world),
    },
    Break {
        id: "service-gone",
        what: "no Service",
        breaks: nothing,
        fixes: by_up,
    },
];

const RULE: &str = "OUTPUT -p tcp --dport 5000 -j DROP";

/// On the registry's own node it would also drop the kubelet's probe, and the Pod would not be ready.
fn firewall(world: &World) -> Result<()> {
    let node = nodes::without_registry(world)?;
    let script = format!("iptables -I {RULE}");
    world.on(node, &script).good().map(drop)
}

fn no_firewall(world: &World) -> Result<()> {
    let script = format!("while iptables -D {RULE} 2> /dev/null; do :; done");
    let mut nodes = world.cluster.nodes.iter();
    nodes.try_for_each(|node| world.on(node, &script).good().map(drop))
}

fn selector(component: &str) -> Value {
    json!({ "spec": { "selector": { "app.kubernetes.io/component": component } } })
}

fn target_port(world: &World, port: u16) -> Result<()> {
    let ports = json!([{ "name": "https", "port": 5000, "protocol": "TCP", "targetPort": port }]);
    merge(
        world,
        "service/docker-registry",
        &json!({ "spec": { "ports": ports } }),
    )
}

fn delete(world: &World) -> Result<()> {
    let words = ["delete", "service", NAME, "--namespace", NAMESPACE];
    world.kubectl(words).good().map(drop)
}

/// The address is the cluster's choice, and another one: the old one is taken meanwhile.
fn made_again(world: &World) -> Result<()> {
    let mut service = world.get(["service", NAME, "--namespace", NAMESPACE])?;
    let old = service["spec"]["clusterIP"].clone();
    if let Some(spec) = service["spec"].as_object_mut() {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    let labels = service["metadata"]["labels"].clone();
    service["metadata"] = json!({ "name": NAME, "namespace": NAMESPACE, "labels": labels });
    delete(world)?;
    let mut squatter = service.clone();
    squatter["metadata"] = json!({ "name": "squatter", "namespace": NAMESPACE });
    squatter["spec"]["clusterIP"] = old;
    world.create(&squatter)?;
    world.create(&service)?;
    let words = ["delete", "service", "squatter", "--namespace", NAMESPACE];
    world.kubectl(words).good().map(drop)
}
