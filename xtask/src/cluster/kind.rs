//! kind's own program makes the containers and runs kubeadm; the network between the Pods, the way
//! in by ssh and the waiting are done here.
//!
//! Every step after the creation may be repeated, so a cluster that stands is simply settled again:
//! that is also what brings it back after its containers were stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::access;
use super::leftovers::{self, MARK};
use super::options::{ClusterHandle, Node, NodeImage, Options};
use super::state::State;
use super::status::{Api, Facts};
use super::{plan, published};
use crate::cache;
use crate::engine;
use crate::failure::{Failure, Result};
use crate::node;
use crate::parts::Generation;
use crate::process::Run;
use crate::progress::say;

/// Label that kind puts on the containers of a cluster.
pub(super) const CLUSTER_LABEL: &str = "io.x-k8s.kind.cluster";

/// How long nodes may take to appear with their Pod blocks, and then to become ready.
const PATIENCE: Duration = Duration::from_secs(180);

/// inotify instances that three nodes with systemd and a kubelet each stay below for sure.
const INOTIFY: u32 = 512;

const START_ANEW: &str = "cargo xtask cluster down, then up";

/// Makes the cluster or finds it, and settles it.
pub(super) fn up(options: &Options, state: &State) -> Result<ClusterHandle> {
    engine::up()?;
    let mut found = containers(&options.name)?;
    if !found.is_empty() && !state.config().exists() {
        say(format!(
            "cluster {} is half made: starting anew",
            options.name
        ));
        leftovers::remove(&options.name, state)?;
        found.clear();
    }
    if found.is_empty() {
        create(options, state)?;
        found = containers(&options.name)?;
    }
    let stopped = !running(&found)?;
    if stopped {
        say("starting its containers");
        Run::new("docker").arg("start").args(&found).run()?;
    }
    let control_plane = found.first().ok_or_else(|| {
        Failure::new(
            format!("find the nodes of cluster {}", options.name),
            "kind made none",
        )
        .next(START_ANEW)
    })?;
    let api = Api::in_container(control_plane);
    let settled = || {
        if stopped {
            heartbeats(&api)?;
        }
        settle(options, state, &api, &found)
    };
    settled().map_err(|failure| failure.next(START_ANEW))
}

/// Names of the cluster's containers, running or not, the first control plane first.
pub(super) fn containers(cluster: &str) -> Result<Vec<String>> {
    let list = Run::new("docker")
        .args(["ps", "--all", "--filter"])
        .arg(format!("label={CLUSTER_LABEL}={cluster}"))
        .args(["--format", "{{.Label \"io.x-k8s.kind.role\"}} {{.Names}}"])
        .read()?;
    // "control-plane" sorts before "worker".
    let mut lines: Vec<&str> = list.lines().collect();
    lines.sort_unstable();
    Ok(lines
        .iter()
        .filter_map(|line| line.split_once(' '))
        .map(|(_, name)| name.to_owned())
        .collect())
}

fn running(containers: &[String]) -> Result<bool> {
    let states = Run::new("docker")
        .args(["inspect", "--format={{.State.Running}}"])
        .args(containers)
        .read()?;
    Ok(states.lines().all(|state| state == "true"))
}

/// Address of each container, by name, as the engine gave it.
fn addresses(containers: &[String]) -> Result<BTreeMap<String, String>> {
    let format = "--format={{.Name}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let list = Run::new("docker")
        .args(["inspect", format])
        .args(containers)
        .read()?;
    Ok(list
        .lines()
        .filter_map(|line| line.trim_start_matches('/').split_once(' '))
        .map(|(name, address)| (name.to_owned(), address.to_owned()))
        .collect())
}

/// Waits until every kubelet has renewed its lease: after a restart of the containers the API server
/// still repeats what was true before it.
fn heartbeats(api: &Api) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut first = None;
    loop {
        match (api.leases(), &first) {
            (Ok(leases), None) => first = Some(leases),
            (Ok(leases), Some(first)) if renewed(first, &leases) => return Ok(()),
            (Err(failure), _) if Instant::now() > until => return Err(failure),
            _ if Instant::now() > until => {
                return Err(Failure::new(
                    "hear from every kubelet after the restart",
                    format!("some are silent for {} s", PATIENCE.as_secs()),
                ));
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn renewed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> bool {
    before
        .keys()
        .all(|node| now.get(node).is_some() && now.get(node) != before.get(node))
}

fn create(options: &Options, state: &State) -> Result<()> {
    let image = published::image(options)?;
    let kind = published::kind()?;
    prepare_host()?;
    state.make()?;
    let config = plan::kind(options.nodes, options.kubernetes, node::is_own(&image));
    state.write("kind.yaml", &config)?;
    let log = cache::log(&format!("cluster-{}", options.name))?;
    let _ = fs::remove_file(&log);
    say(format!(
        "kind makes {} nodes of {image} (about a minute)",
        options.nodes
    ));
    Run::new(kind)
        .args(["create", "cluster", "--retain", "--verbosity=1"])
        .args(["--name", &options.name])
        .args(["--image", &image])
        .arg("--config")
        .arg(state.file("kind.yaml"))
        .arg("--kubeconfig")
        .arg(state.kubeconfig())
        // A network of its own, so that it can go with the cluster.
        .env("KIND_EXPERIMENTAL_DOCKER_NETWORK", &options.name)
        .env(MARK, &options.name)
        .log(&log)
        .dies_with_us()
        .run()
        .map_err(|failure| {
            explain(&options.name, &log);
            failure.next(format!(
                "read the log, which ends with the nodes' own; then {START_ANEW}"
            ))
        })?;
    say("kind is done");
    Ok(())
}

/// Appends what the nodes themselves say to the log of a creation that failed.
fn explain(cluster: &str, log: &Path) {
    for container in containers(cluster).unwrap_or_default() {
        // Whatever cannot be had here is missing from the log; the failure itself is told anyway.
        let _ = Run::new("docker")
            .args(["logs", "--tail=40", &container])
            .log(log)
            .succeeds();
        let _ = Run::new("docker")
            .args(["exec", &container, "journalctl", "--no-pager", "--lines=60"])
            .args(["--unit=kubelet", "--unit=containerd"])
            .log(log)
            .succeeds();
    }
}

/// The one thing of the host that a cluster may need changed.
fn prepare_host() -> Result<()> {
    let file = "/proc/sys/fs/inotify/max_user_instances";
    let now: u32 = fs::read_to_string(file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(INOTIFY);
    if now >= INOTIFY {
        return Ok(());
    }
    match fs::write(file, INOTIFY.to_string()) {
        Ok(()) => say(format!(
            "fs.inotify.max_user_instances: {now} -> {INOTIFY} until the next boot"
        )),
        Err(why) => say(format!(
            "fs.inotify.max_user_instances is {now} ({why}); several nodes may want {INOTIFY}"
        )),
    }
    Ok(())
}

/// Network, readiness, access: everything that is between kind's end and a cluster to work on.
fn settle(
    options: &Options,
    state: &State,
    api: &Api,
    containers: &[String],
) -> Result<ClusterHandle> {
    let facts = nodes_with_blocks(api, &addresses(containers)?)?;
    let image = image_of(&containers[0])?;
    matches_wish(options, &image, &facts)?;
    let nodes: Vec<Node> = facts.into_iter().map(|facts| facts.node).collect();
    for node in &nodes {
        connect(node, &nodes)?;
    }
    let seconds = PATIENCE.as_secs();
    let within = format!("--timeout={seconds}s");
    api.wait(&["wait", "--for=condition=Ready", "nodes", "--all", &within])?;
    say(format!("{} nodes are ready", nodes.len()));
    for (namespace, what) in [
        ("kube-system", "daemonset/kube-proxy"),
        ("kube-system", "deployment/coredns"),
        ("local-path-storage", "deployment/local-path-provisioner"),
    ] {
        api.wait(&["rollout", "status", "--namespace", namespace, what, &within])?;
    }
    say("DNS, Services and storage are ready");
    access::open(&nodes, state, node::is_own(&image))?;
    access::client(&nodes, state)?;
    say(format!(
        "cluster {}: {}",
        options.name,
        state.directory.display()
    ));
    Ok(ClusterHandle {
        name: options.name.clone(),
        kubeconfig: state.kubeconfig(),
        state: state.directory.clone(),
        nodes,
    })
}

/// Waits until every container is a node with the container's address and a block of Pod addresses.
fn nodes_with_blocks(api: &Api, wanted: &BTreeMap<String, String>) -> Result<Vec<Facts>> {
    let until = Instant::now() + PATIENCE;
    let complete = |facts: &Facts| {
        !facts.node.pods.is_empty() && wanted.get(&facts.node.name) == Some(&facts.node.address)
    };
    loop {
        match api.nodes() {
            Ok(nodes) if nodes.len() == wanted.len() && nodes.iter().all(complete) => {
                return Ok(nodes);
            }
            other if Instant::now() > until => {
                let nodes = other?;
                return Err(Failure::new(
                    format!("see the nodes {wanted:?} with Pod addresses"),
                    format!("after {} s there are {nodes:?}", PATIENCE.as_secs()),
                ));
            }
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

/// The image that a container was made of, by the name that kind was given.
fn image_of(container: &str) -> Result<String> {
    Run::new("docker")
        .args(["inspect", "--format={{.Config.Image}}", container])
        .read()
}

/// A cluster that stands is not silently taken for another one.
fn matches_wish(options: &Options, image: &str, facts: &[Facts]) -> Result<()> {
    let version = facts.first().map_or("", |facts| facts.kubelet.as_str());
    let wanted = match options.kubernetes {
        Generation::V1_20 => "v1.20.",
        Generation::V1_37 => "v1.37.",
    };
    let fits = match &options.node_image {
        NodeImage::Built => node::is_own(image) && version.starts_with(wanted),
        NodeImage::Published(_) => version.starts_with(wanted),
        NodeImage::Named(_) => true,
    };
    if facts.len() == options.nodes && fits {
        return Ok(());
    }
    Err(Failure::new(
        format!("bring up cluster {}", options.name),
        format!(
            "it stands already, with {} nodes of {version} from {image}",
            facts.len()
        ),
    )
    .next("take it down first (cargo xtask cluster down), or give another --name"))
}

/// Routes and CNI configuration of one node; with the latter its first Pods start.
fn connect(node: &Node, all: &[Node]) -> Result<()> {
    let routes: String = plan::routes(node, all)
        .iter()
        .map(|(block, hop)| format!("route replace {block} via {hop}\n"))
        .collect();
    node.feed(&routes, ["ip", "-batch", "-"])?;
    node.feed(&plan::masquerade(), ["sh", "-s"])?;
    node.feed(
        &plan::cni(&node.pods),
        [
            "sh",
            "-c",
            "cat >/etc/cni/net.d/.kreg && mv /etc/cni/net.d/.kreg /etc/cni/net.d/10-kreg.conflist",
        ],
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lease_must_move() {
        let leases = |a: &str, b: &str| {
            BTreeMap::from([
                ("a".to_owned(), a.to_owned()),
                ("b".to_owned(), b.to_owned()),
            ])
        };
        assert!(renewed(&leases("1", "1"), &leases("2", "2")));
        assert!(!renewed(&leases("1", "1"), &leases("2", "1")));
        assert!(!renewed(
            &leases("1", "1"),
            &BTreeMap::from([("a".to_owned(), "2".to_owned())])
        ));
    }
}
