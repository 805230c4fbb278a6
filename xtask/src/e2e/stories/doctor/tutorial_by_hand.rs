//! The tutorial typed by hand on a cluster with a default StorageClass: the class takes the claim,
//! and kreg takes the registry over with what is on it.

use serde_json::json;

use super::named_alone;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::Result;
use crate::images::REGISTRY;

const POD: &str = "docker-registry-pod";
const CLAIM: &str = "docker-repo-pvc";
const ADOPT: [&str; 5] = ["up", "--profile", "tutorial", "--adopt", "--skip-verify"];

pub(super) fn taken_over(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("what was typed by hand", gone);
    scene.check("Pod and claim are typed by hand, with data on them", typed)?;
    scene.check("doctor names a registry that kreg did not make", |world| {
        named_alone(world, "not-managed", None)
    })?;
    scene.check("kreg up --adopt says how to keep the claim", |world| {
        let claim = format!("--storage claim:{CLAIM}");
        let ran = world.kreg(ADOPT).ends_with(1)?;
        let words = ["was there before kreg", "StorageClass standard", &claim];
        ran.says(&words).map(drop)
    })?;
    scene.check(
        "done so, the registry is kreg's and nothing is lost",
        |world| {
            let words = ["delete", "pod", POD, "--now", "--wait"];
            world.kubectl(words).good()?;
            let claim = format!("claim:{CLAIM}");
            world.kreg(ADOPT).args(["--storage", &claim]).good()?;
            let kept = ["exec", POD, "--", "cat", "/var/lib/registry/kept"];
            world.kubectl(kept).good()?.shows(&["by hand"]).map(drop)
        },
    )?;
    scene.check("and goes without the claim", |world| {
        world.kreg(["down", "--delete-data", "--yes"]).good()?;
        world
            .kubectl(["get", "persistentvolumeclaim", CLAIM])
            .good()?;
        gone(world)
    })
}

fn typed(world: &World) -> Result<()> {
    world.create(&json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": CLAIM },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }))?;
    world.create(&json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": POD, "labels": { "app": "registry" } },
        "spec": {
            "containers": [{
                "name": "registry", "image": REGISTRY,
                "volumeMounts": [{ "name": "repo-vol", "mountPath": "/var/lib/registry" }],
            }],
            "volumes": [{ "name": "repo-vol", "persistentVolumeClaim": { "claimName": CLAIM } }],
        },
    }))?;
    let ready = ["wait", "--for=condition=Ready", "pod", POD, "--timeout=90s"];
    world.kubectl(ready).good()?;
    let write = "echo by hand > /var/lib/registry/kept";
    let words = ["exec", POD, "--", "/bin/sh", "-c", write];
    world.kubectl(words).good().map(drop)
}

fn gone(world: &World) -> Result<()> {
    for object in ["pod/docker-registry-pod", "pvc/docker-repo-pvc"] {
        let words = ["delete", object, "--ignore-not-found", "--now", "--wait"];
        world.kubectl(words).good()?;
    }
    Ok(())
}
