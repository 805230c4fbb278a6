//! A Service of the registry's name that somebody else made.

use serde_json::json;

use super::{down, namespace_complete};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::failure::Result;

const NAMESPACE: &str = "kreg-system";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("the foreign Service's namespace", |world| {
        let arguments = [
            "delete",
            "namespace",
            NAMESPACE,
            "--ignore-not-found",
            "--wait",
        ];
        world.kubectl(arguments).good().map(drop)
    });
    scene.afterwards("kreg down", down);
    scene.check("somebody's Service docker-registry is in the namespace", |world| {
        world.create(&json!({
            "apiVersion": "v1", "kind": "List", "items": [
                { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } },
                {
                    "apiVersion": "v1", "kind": "Service",
                    "metadata": { "name": "docker-registry", "namespace": NAMESPACE },
                    "spec": { "selector": { "app": "somebody-elses" }, "ports": [{ "port": 5000 }] },
                },
            ],
        }))
    })?;
    scene.check("the namespace is complete", |world| {
        namespace_complete(world, NAMESPACE)
    })?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "kreg up ends with 1 and names the Service and the ways out",
        |world| {
            world
                .kreg(["up"])
                .ends_with(1)?
                .says(&["docker-registry", NAMESPACE, "--adopt"])?
                .says_one_of(&["Service", "service"])
        },
    )?;
    scene.check(
        "the Service is untouched, and nothing else was made",
        |world| before.same(&Snapshot::take(world)?),
    )?;
    scene.check("kreg down leaves it alone, too", |world| {
        down(world)?;
        before.same(&Snapshot::take(world)?)
    })
}
