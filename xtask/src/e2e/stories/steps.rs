//! Steps that stories have in common.

use std::time::Duration;

use serde_json::Value;

use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::Result;

/// Waits for what controllers put into every new namespace: a ConfigMap and a service account.
pub(super) fn namespace_complete(world: &World, namespace: &str) -> Result<()> {
    let what = format!("namespace {namespace} is complete");
    let words = [
        "get",
        "serviceaccount/default",
        "configmap/kube-root-ca.crt",
    ];
    await_that(&what, Duration::from_secs(30), || {
        let ran = world
            .kubectl(words)
            .args(["--namespace", namespace])
            .ran()?;
        Ok(match ran.code {
            Some(0) => Ok(()),
            _ => Err(ran.stderr),
        })
    })
}

/// The registry, its data and what is on the nodes go.
pub(super) fn down(world: &World) -> Result<()> {
    world
        .kreg(["down", "--delete-data", "--yes"])
        .good()
        .map(drop)
}

/// Tells a part of a story during which no file of any node may change.
pub(super) fn nodes_untouched(
    scene: &mut Scene<'_>,
    part: impl FnOnce(&mut Scene<'_>) -> Result<()>,
) -> Result<()> {
    let before = scene.check(
        "every node's files are noted, with their times",
        Snapshot::of_files,
    )?;
    part(scene)?;
    scene.check("no file of any node was touched", |world| {
        before.same(&Snapshot::of_files(world)?)
    })
}

/// Drops what the server notes in an object's metadata for itself.
pub(super) fn forget_metadata(object: &mut Value) {
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
}
