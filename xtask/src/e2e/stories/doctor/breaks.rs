//! Ways to break a registry that is well, and the steps that they have in common.

use serde_json::Value;

use super::super::steps::forget_metadata;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

pub(super) const NAMESPACE: &str = "kreg-system";
pub(super) const NAME: &str = "docker-registry";

/// A way to break a registry that is well, and the way back.
pub(super) struct Break {
    /// The signature that doctor is to give.
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    pub(super) breaks: fn(&World) -> Result<()>,
    pub(super) fixes: fn(&World) -> Result<()>,
}

/// `kreg nodes trust` or `untrust` on one node.
pub(super) fn nodes_command(world: &World, what: &str, node: usize) -> Result<()> {
    let node = &world.node(node)?.name;
    let words = ["nodes", what, "--node", node];
    world.kreg(words).good().map(drop)
}

pub(super) fn nothing(_: &World) -> Result<()> {
    Ok(())
}

/// `kreg up` is the way out of whatever was done to its objects.
pub(super) fn by_up(world: &World) -> Result<()> {
    world.kreg(["up", "--skip-verify"]).good().map(drop)
}

/// What was added to the Deployment goes with it.
pub(super) fn by_up_whole(world: &World) -> Result<()> {
    delete(world, "deployment/docker-registry")?;
    by_up(world)
}

pub(super) fn delete(world: &World, object: &str) -> Result<()> {
    let words = ["delete", object, "--namespace", NAMESPACE];
    world.kubectl(words).good().map(drop)
}

/// A patch of an object of the registry's namespace.
pub(super) fn patch(world: &World, object: &str, kind: &str, patch: &Value) -> Result<()> {
    let words = ["patch", object, "--namespace", NAMESPACE, "--type", kind];
    let patch = patch.to_string();
    world
        .kubectl(words)
        .args(["--patch", &patch])
        .good()
        .map(drop)
}

pub(super) fn merge(world: &World, object: &str, change: &Value) -> Result<()> {
    patch(world, object, "merge", change)
}

/// The registry's Pod is created again; not waited for.
pub(super) fn restart(world: &World) -> Result<()> {
    delete_pod(world, "--wait=false")
}

/// The same, and waited for.
pub(super) fn restarted(world: &World) -> Result<()> {
    delete_pod(world, "--wait=true")?;
    ready(world)
}

fn delete_pod(world: &World, wait: &str) -> Result<()> {
    let which = "--selector=app.kubernetes.io/component=registry";
    let words = [
        "delete",
        "pod",
        "--namespace",
        NAMESPACE,
        "--now",
        wait,
        which,
    ];
    world.kubectl(words).good().map(drop)
}

pub(super) fn ready(world: &World) -> Result<()> {
    let words = ["rollout", "status", "deployment", NAME, "--timeout", "90s"];
    world
        .kubectl(words)
        .args(["--namespace", NAMESPACE])
        .good()
        .map(drop)
}

/// Keeps an object of the registry's namespace in a file, as it is to come back.
pub(super) fn keep(world: &World, kind: &str, name: &str) -> Result<()> {
    let mut object = world.get([kind, name, "--namespace", NAMESPACE])?;
    forget_metadata(&mut object);
    world
        .write(&format!("{kind}-{name}.json"), &object.to_string())
        .map(drop)
}

/// What was kept.
pub(super) fn kept(world: &World, kind: &str, name: &str) -> Result<Value> {
    let file = world.file(&format!("{kind}-{name}.json"));
    let text = std::fs::read_to_string(&file)
        .map_err(|why| Failure::new(format!("read {}", file.display()), why))?;
    serde_json::from_str(&text).map_err(|why| Failure::new("read what was kept", why))
}

/// The data of a Secret or ConfigMap that was kept comes back.
pub(super) fn give_back(world: &World, kind: &str, name: &str) -> Result<()> {
    let data = kept(world, kind, name)?["data"].clone();
    let change = serde_json::json!({ "data": data });
    merge(world, &format!("{kind}/{name}"), &change)
}
