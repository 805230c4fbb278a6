//! Nodes with a startup taint: no ordinary Pod comes before their own proven pull.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{DIRECTORIES, HOSTS_TOML, SHADOWS};
use crate::cluster::Node;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};
use crate::images::BUSYBOX;

const TAINT: &str = "kreg.dev/untrusted";
/// Somebody else's, that keeps no Pod away.
const THEIRS: &str = "kreg-e2e/theirs";

pub(super) fn run<'w>(scene: &mut Scene<'w>, bad: &'w Node, good: &'w Node) -> Result<()> {
    scene.afterwards("the taints and what waits for them", move |world| {
        let words = ["delete", "pod", "--ignore-not-found", "--wait"];
        world.kubectl(words).args([name(bad), name(good)]).good()?;
        for node in [bad, good] {
            for key in [TAINT, THEIRS] {
                let off = format!("{key}-");
                // One that has it no more ends with 1.
                world.kubectl(["taint", "node", &node.name, &off]).ran()?;
            }
        }
        let script = format!("for dir in {SHADOWS}; do [ ! -d $dir ] || rmdir $dir; done");
        world.on(bad, &script).good().map(drop)
    });
    scene.check(
        "two nodes come with the startup taint; one has no trust yet, one never will",
        |world| {
            for node in [bad, good] {
                let (ours, theirs) = (
                    format!("{TAINT}=:NoSchedule"),
                    format!("{THEIRS}=x:PreferNoSchedule"),
                );
                let words = ["taint", "node", &node.name, &ours, &theirs];
                world.kubectl(words).good()?;
            }
            let hide = "[ ! -d $(dirname $dir) ] || mkdir $dir";
            let hide = format!("for dir in {SHADOWS}; do {hide}; done");
            world.on(bad, &hide).good()?;
            world.on(good, &format!("rm -rf {DIRECTORIES}")).good()?;
            for node in [bad, good] {
                world.create(&workload(node))?;
                await_that(
                    &format!("a Pod for {} waits", node.name),
                    Duration::from_secs(60),
                    || waits(world, node),
                )?;
            }
            Ok(())
        },
    )?;
    scene.check("its agent brings the trust of the one", |world| {
        let script = format!(
            "for _ in $(seq 100); do [ ! -s {HOSTS_TOML} ] || exit 0; sleep 0.1; done; exit 1"
        );
        world.on(good, &script).good()
    })?;
    scene.check(
        "kreg nodes admit ends with 3 and names the node that keeps it",
        |world| {
            let admit = world.kreg(["nodes", "admit", "--output", "json"]);
            let admit = admit.ends_with(3)?.says(&[&bad.name, TAINT])?;
            let document = admit.json()?;
            if document["lifted"] != json!([good.name]) {
                return Err(admit.wrong(
                    format!("see it taken off {} alone", good.name),
                    &document["lifted"],
                ));
            }
            match taints(world, bad)?.iter().any(|key| key == TAINT) {
                true => waits(world, bad)?.map_err(|state| Failure::new("see its Pod wait", state)),
                false => Err(Failure::new(
                    "see the taint where no pull is proven",
                    "gone",
                )),
            }
        },
    )?;
    scene.check(
        "the Pod for the other one runs, and others' taints are there",
        |world| admitted(world, good),
    )?;
    scene.check(
        "kreg nodes admit --watch takes it off when the node can pull, and ends on SIGINT",
        |world| {
            let (send, lines) = mpsc::channel();
            let words = ["nodes", "admit", "--watch", "--output", "json"];
            let running = world.kreg(words).start(Some(send))?;
            let hears = |wanted: &str| {
                let mut seen = Vec::new();
                while let Ok(line) = lines.recv_timeout(Duration::from_secs(90)) {
                    if line.contains(wanted) && line.contains(&bad.name) {
                        return Ok(());
                    }
                    seen.push(line);
                }
                Err(Failure::new(format!("hear `{wanted}`"), seen.join("\n")))
            };
            let told = hears("keeps the taint").and_then(|()| {
                let show = format!("for dir in {SHADOWS}; do [ ! -d $dir ] || rmdir $dir; done");
                world.on(bad, &show).good()?;
                hears("has proven its pull")
            });
            let ran = running.interrupt()?;
            told?;
            ran.ended_with(0)?;
            admitted(world, bad)
        },
    )
}

fn name(node: &Node) -> String {
    format!("waits-for-{}", node.name)
}

/// An ordinary Pod, of an image that every node has, that wants this node.
fn workload(node: &Node) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name(node), "namespace": "default" },
        "spec": {
            "nodeSelector": { "kubernetes.io/hostname": node.name },
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "app", "image": BUSYBOX, "command": ["sleep", "3600"],
                "imagePullPolicy": "IfNotPresent" }],
        },
    })
}

/// Whether the scheduler has said that the taint keeps it away.
fn waits(world: &World, node: &Node) -> Result<std::result::Result<(), String>> {
    let pod = world.get(["pod", &name(node)])?;
    let status = pod["status"].to_string();
    // Which one it is, not every release of Kubernetes says.
    let kept = status.contains("Unschedulable") && status.contains("taint");
    Ok(if kept { Ok(()) } else { Err(status) })
}

fn taints(world: &World, node: &Node) -> Result<Vec<String>> {
    let node = world.get(["node", &node.name])?;
    let taints = node["spec"]["taints"].as_array().cloned();
    let key = |taint: &Value| taint["key"].as_str().unwrap_or_default().to_owned();
    Ok(taints.unwrap_or_default().iter().map(key).collect())
}

/// The Pod runs, and of the taints the startup one alone is gone.
fn admitted(world: &World, node: &Node) -> Result<()> {
    let what = format!("the Pod for {} runs", node.name);
    await_that(&what, Duration::from_secs(60), || {
        let pod = world.get(["pod", &name(node)])?;
        Ok(match pod["status"]["phase"] == "Running" {
            true => Ok(()),
            false => Err(pod["status"].to_string()),
        })
    })?;
    let left = taints(world, node)?;
    match left.iter().any(|key| key == THEIRS) && left.iter().all(|key| key != TAINT) {
        true => Ok(()),
        false => Err(Failure::new("see others' taint alone", left.join(", "))),
    }
}
