//! `kreg doctor`: a registry that is well is broken in one way after the other; each time doctor
//! names that cause first, and once it is fixed nothing. Whenever the proof fails, doctor names a
//! cause for it.

mod agree;
mod certificates;
mod network;
mod nodes;
mod pulls;
mod storage;
mod tutorial_by_hand;
mod users;
mod workload;

use std::time::Duration;

use serde_json::Value;

use super::down;
use crate::cluster::Node;
use crate::e2e::call::Ran;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

const NAMESPACE: &str = "kreg-system";
const NAME: &str = "docker-registry";

/// A way to break a registry that is well, and the way back.
struct Break {
    /// The signature that doctor is to give.
    id: &'static str,
    what: &'static str,
    breaks: fn(&World) -> Result<()>,
    fixes: fn(&World) -> Result<()>,
}

/// Nodes, network, certificates, users.
pub(super) fn trust(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    scene.afterwards("the node's own files", nodes::put_back);
    told(scene, nodes::BREAKS, Some(nodes::broken))?;
    told(scene, network::BREAKS, None)?;
    told(scene, certificates::BREAKS, None)?;
    told(scene, users::BREAKS, None)
}

/// The registry's Pods, its storage, and Pods that pull.
pub(super) fn pods(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    scene.afterwards("what Pods and claims left", |world| {
        pulls::put_back(world)?;
        workload::put_back(world)?;
        storage::put_back(world)
    });
    told(scene, pulls::BREAKS, None)?;
    told(scene, workload::BREAKS, None)?;
    told(scene, storage::BREAKS, None)
}

/// The tutorial's registry, which nodes find by name.
pub(super) fn tutorial(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    tutorial_by_hand::taken_over(scene)?;
    scene.check("kreg up --profile tutorial ends with 0", |world| {
        let words = ["up", "--profile", "tutorial", "--skip-verify"];
        world.kreg(words).good()
    })?;
    scene.check("of a registry that is well doctor says nothing", well)?;
    told(scene, nodes::BY_NAME, Some(nodes::broken))
}

fn up(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.check("kreg up ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    scene.check("of a registry that is well doctor says nothing", well)
}

/// The node that a break is done to, where it is done to one.
type Broken = for<'w> fn(&'w World, &str) -> Result<&'w Node>;

/// Every break is told, whatever became of those before; only one that cannot be fixed ends it.
fn told(scene: &mut Scene<'_>, breaks: &[Break], broken: Option<Broken>) -> Result<()> {
    for one in breaks {
        let mut fixed = Ok(());
        let _ = scene.check(&format!("{}: {}", one.id, one.what), |world| {
            let seen = (one.breaks)(world).and_then(|()| {
                let node = broken.map(|broken| broken(world, one.id)).transpose()?;
                let told = named_alone(world, one.id, node)?;
                agree::on(world, node, &told)
            });
            fixed = (one.fixes)(world);
            seen
        });
        if fixed.is_err() {
            return scene.check(&format!("{} is fixed", one.id), |_| fixed);
        }
    }
    scene.check("all is fixed, and doctor says nothing", well)?;
    scene.check("nor does the proof find anything", |world| {
        agree::on(world, None, &Value::Null)
    })
}

/// What kubelets and controllers see takes a moment; the last word counts.
const PATIENCE: Duration = Duration::from_secs(90);

/// As the one root, on this node if it is about one.
pub(super) fn named_alone(world: &World, id: &str, node: Option<&Node>) -> Result<Value> {
    await_that(&format!("{id} alone is named"), PATIENCE, || {
        let ran = doctor(world)?;
        if ran.code == Some(0) {
            return Ok(Err("nothing was found".to_owned()));
        }
        let ran = ran.ended_with(1)?;
        let told = ran.json()?;
        let first = &told["findings"][0];
        let alone = told["findings"].as_array().map(Vec::len) == Some(1);
        let there = node.is_none_or(|node| first["node"] == node.name.as_str());
        if first["id"] != id || !alone || !there {
            return Ok(Err(told["findings"].to_string()));
        }
        let filled = |key: &str| first[key].as_array().is_some_and(|all| !all.is_empty());
        match filled("evidence") && filled("fix") && told["schema"] == "kreg/v1" {
            true => Ok(Ok(told)),
            false => Err(ran.wrong("read evidence and fix", "there is none")),
        }
    })
}

/// Doctor finds nothing, and could look at everything.
fn well(world: &World) -> Result<()> {
    await_that("doctor says nothing", PATIENCE, || {
        let ran = doctor(world)?;
        let told = ran.json()?;
        let unseen = told["notLookedAt"]
            .as_array()
            .is_none_or(|all| !all.is_empty());
        Ok(match ran.code == Some(0) && !unseen {
            true => Ok(()),
            false => Err(told.to_string()),
        })
    })
}

fn doctor(world: &World) -> Result<Ran> {
    world.kreg(["doctor", "--output", "json"]).ran()
}

/// `kreg nodes trust` or `untrust` on one node.
fn nodes_command(world: &World, what: &str, node: usize) -> Result<()> {
    let node = &world.node(node)?.name;
    let words = ["nodes", what, "--node", node];
    world.kreg(words).good().map(drop)
}

fn nothing(_: &World) -> Result<()> {
    Ok(())
}

/// `kreg up` is the way out of whatever was done to its objects.
fn by_up(world: &World) -> Result<()> {
    world.kreg(["up", "--skip-verify"]).good().map(drop)
}

/// What was added to the Deployment goes with it.
fn by_up_whole(world: &World) -> Result<()> {
    delete(world, "deployment/docker-registry")?;
    by_up(world)
}

fn delete(world: &World, object: &str) -> Result<()> {
    let words = ["delete", object, "--namespace", NAMESPACE];
    world.kubectl(words).good().map(drop)
}

/// A patch of an object of the registry's namespace.
fn patch(world: &World, object: &str, kind: &str, patch: &Value) -> Result<()> {
    let words = ["patch", object, "--namespace", NAMESPACE, "--type", kind];
    let patch = patch.to_string();
    world
        .kubectl(words)
        .args(["--patch", &patch])
        .good()
        .map(drop)
}

fn merge(world: &World, object: &str, change: &Value) -> Result<()> {
    patch(world, object, "merge", change)
}

/// The registry's Pod is made anew; not waited for.
fn restart(world: &World) -> Result<()> {
    let words = [
        "delete",
        "pod",
        "--namespace",
        NAMESPACE,
        "--now",
        "--wait=false",
    ];
    let which = "--selector=app.kubernetes.io/component=registry";
    world.kubectl(words).args([which]).good().map(drop)
}

/// The same, and waited for.
fn restarted(world: &World) -> Result<()> {
    let words = [
        "delete",
        "pod",
        "--namespace",
        NAMESPACE,
        "--now",
        "--wait=true",
    ];
    let which = "--selector=app.kubernetes.io/component=registry";
    world.kubectl(words).args([which]).good()?;
    ready(world)
}

fn ready(world: &World) -> Result<()> {
    let words = ["rollout", "status", "deployment", NAME, "--timeout", "90s"];
    world
        .kubectl(words)
        .args(["--namespace", NAMESPACE])
        .good()
        .map(drop)
}

/// Keeps an object of the registry's namespace in a file, as it is to come back.
fn keep(world: &World, kind: &str, name: &str) -> Result<()> {
    let mut object = world.get([kind, name, "--namespace", NAMESPACE])?;
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generation",
        ] {
            metadata.remove(key);
        }
    }
    world
        .write(&format!("{kind}-{name}.json"), &object.to_string())
        .map(drop)
}

/// What was kept.
fn kept(world: &World, kind: &str, name: &str) -> Result<Value> {
    let file = world.file(&format!("{kind}-{name}.json"));
    let text = std::fs::read_to_string(&file)
        .map_err(|why| Failure::new(format!("read {}", file.display()), why))?;
    serde_json::from_str(&text).map_err(|why| Failure::new("read what was kept", why))
}

/// The data of a Secret or ConfigMap that was kept comes back.
fn give_back(world: &World, kind: &str, name: &str) -> Result<()> {
    let data = kept(world, kind, name)?["data"].clone();
    let change = serde_json::json!({ "data": data });
    merge(world, &format!("{kind}/{name}"), &change)
}
