//! Storage that cannot be had.

use serde_json::json;

use super::steps::{down, nodes_untouched};
use crate::e2e::story::Scene;
use crate::failure::Result;

const CLASS: &str = "kreg-e2e-nobody-provides";

pub(super) fn no_class(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    nodes_untouched(scene, |scene| {
        scene.check(
            "kreg up ends with 1, names the class and the flag",
            |world| {
                world
                    .kreg(["up", "--storage", "class:no-such-class", "--timeout", "30s"])
                    .ends_with(1)?
                    .says(&["no-such-class", "--storage"])
                    .map(drop)
            },
        )
    })
}

pub(super) fn pending(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("the StorageClass", |world| {
        world
            .kubectl(["delete", "storageclass", CLASS, "--ignore-not-found"])
            .good()
            .map(drop)
    });
    scene.afterwards("kreg down", down);
    scene.check(
        "a StorageClass is there whose provisioner is not",
        |world| {
            world.create(&json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": { "name": CLASS }, "provisioner": "example.com/nobody",
            }))
        },
    )?;
    nodes_untouched(scene, |scene| {
        scene.check(
            "kreg up ends with 1, names the claim and what it waits for",
            |world| {
                let storage = format!("class:{CLASS}");
                world
                    .kreg(["up", "--storage", &storage, "--timeout", "20s"])
                    .ends_with(1)?
                    .says(&[
                        "PersistentVolumeClaim",
                        "docker-registry-data",
                        "Pending",
                        CLASS,
                        "--storage",
                    ])
                    .map(drop)
            },
        )
    })
}
