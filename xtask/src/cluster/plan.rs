//! Text that a cluster is made with, from plain values.

use std::fmt::Write as _;

use serde_json::json;

use super::options::Node;
use crate::parts::Generation;

/// Where Pods get addresses from.
const POD_NETWORK: &str = "10.244.0.0/16";

/// What the node image holds for kubeadm to change its static Pods by.
pub(crate) const CONTROL_PLANE_PATCHES: &str = "/kind/patches";

/// kind's configuration. Pod and Service networks are kind's usual ones, said aloud. Only an image of
/// our own holds patches.
pub(super) fn kind(nodes: usize, kubernetes: Generation, own_image: bool) -> String {
    let mut text = String::from(
        "kind: Cluster\n\
         apiVersion: kind.x-k8s.io/v1alpha4\n\
         networking:\n\
         \x20 # Its CNI is an image of its own; a file on each node does the same here.\n\
         \x20 disableDefaultCNI: true\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  podSubnet: {POD_NETWORK}");
    text.push_str(
        "\x20 serviceSubnet: 10.96.0.0/16\n\
         kubeadmConfigPatches:\n\
         - |\n\
         \x20 kind: ClusterConfiguration\n\
         \x20 # There is one of each: a lease that is renewed every two seconds is work for nothing.\n\
         \x20 controllerManager:\n\
         \x20   extraArgs: { leader-elect: \"false\" }\n\
         \x20 scheduler:\n\
         \x20   extraArgs: { leader-elect: \"false\" }\n\
         - |\n\
         \x20 kind: KubeletConfiguration\n\
         \x20 oomScoreAdj: 0\n",
    );
    match kubernetes {
        Generation::V1_20 => text.push_str("  cgroupRoot: /\n"),
        Generation::V1_37 => {
            // Kubelets from 1.35 on do not start on cgroup v1 unless told to.
            text.push_str("  failCgroupV1: false\n");
            if own_image {
                let _ = write!(
                    text,
                    "- |\n  kind: InitConfiguration\n  patches: {{ directory: {CONTROL_PLANE_PATCHES} }}\n"
                );
            }
        }
    }
    text.push_str("nodes:\n- role: control-plane\n");
    for _ in 1..nodes {
        text.push_str("- role: worker\n");
    }
    text
}

/// A node's CNI configuration: a point-to-point link for each Pod, addresses from the node's block.
pub(super) fn cni(pods: &str) -> String {
    let list = json!({
        "cniVersion": "0.4.0",
        "name": "kreg",
        "plugins": [
            {
                "type": "ptp",
                // One rule for all of them, below: a rule for each Pod is five processes and more
                // for each that comes or goes.
                "ipMasq": false,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni-ipam-state",
                    "ranges": [[{ "subnet": pods }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
        ],
    });
    format!("{list:#}\n")
}

/// Pods appear outside the cluster as their node; said again it changes nothing.
pub(super) fn masquerade() -> String {
    format!(
        "rule='POSTROUTING -s {POD_NETWORK} ! -d {POD_NETWORK} -j MASQUERADE'\n\
         iptables -w -t nat -C $rule 2>/dev/null || iptables -w -t nat -A $rule\n"
    )
}

/// What one node must know to reach the Pods of every other: `(block, next hop)`.
pub(super) fn routes<'a>(node: &Node, all: &'a [Node]) -> Vec<(&'a str, &'a str)> {
    all.iter()
        .filter(|other| other.name != node.name && !other.pods.is_empty())
        .map(|other| (other.pods.as_str(), other.address.as_str()))
        .collect()
}

/// Lines of a `known_hosts` file (sshd(8)) from a host's `ssh_host_*_key.pub` files.
pub(super) fn known_hosts(address: &str, keys: &str) -> String {
    let mut lines = String::new();
    for key in keys.lines() {
        let mut words = key.split_whitespace();
        if let (Some(kind), Some(key)) = (words.next(), words.next()) {
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{address} {kind} {key}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, address: &str, pods: &str) -> Node {
        Node {
            name: name.into(),
            address: address.into(),
            container: name.into(),
            pods: pods.into(),
        }
    }

    #[test]
    fn kind_is_asked_for_one_control_plane_and_the_rest_workers() {
        let text = kind(3, Generation::V1_37, true);
        assert_eq!(text.matches("role: control-plane").count(), 1);
        assert_eq!(text.matches("role: worker").count(), 2);
        assert!(text.contains("  failCgroupV1: false\n"));
        assert!(!text.contains("cgroupRoot") && text.contains("directory: /kind/patches"));
        assert!(!kind(3, Generation::V1_37, false).contains("patches"));
        assert!(kind(1, Generation::V1_20, true).contains("  oomScoreAdj: 0\n  cgroupRoot: /\n"));
        assert_eq!(kind(1, Generation::V1_20, true).matches("role:").count(), 1);
    }

    #[test]
    fn cni_hands_out_the_nodes_own_block() {
        let list: serde_json::Value = serde_json::from_str(&cni("10.244.2.0/24")).unwrap();
        assert_eq!(
            list["plugins"][0]["ipam"]["ranges"][0][0]["subnet"],
            "10.244.2.0/24"
        );
    }

    #[test]
    fn a_node_gets_a_route_to_every_block_but_its_own() {
        let all = [
            node("a", "172.18.0.2", "10.244.0.0/24"),
            node("b", "172.18.0.3", "10.244.1.0/24"),
            node("c", "172.18.0.4", ""),
        ];
        assert_eq!(routes(&all[0], &all), [("10.244.1.0/24", "172.18.0.3")]);
        assert_eq!(routes(&all[2], &all).len(), 2);
    }

    #[test]
    fn known_hosts_drops_comments_and_empty_lines() {
        let keys = "ssh-ed25519 AAAA root@x\n\nssh-rsa BBBB root@x\n";
        assert_eq!(
            known_hosts("172.18.0.2", keys),
            "172.18.0.2 ssh-ed25519 AAAA\n172.18.0.2 ssh-rsa BBBB\n"
        );
    }
}
