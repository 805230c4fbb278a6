//! A Service of the registry's name that somebody else made.

use serde_json::json;

use super::{down, namespace_complete};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::failure::Result;

const NAMESPACE: &str = "kreg-system";
const DIR: &str = "/etc/containerd/certs.d/docker-registry:5000";
/// Says that the directory above it was not there before.
const MADE: &str = "/run/kreg-e2e-made";
const FILE: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";

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
    })?;
    on_a_node(scene)
}

/// A file where one of kreg's belongs: refused, adopted when asked to, and back in the end.
fn on_a_node(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    scene.afterwards("the foreign file", move |world| {
        let script = format!(
            "rm -f {FILE}; [ ! -d {DIR} ] || rmdir {DIR}\n\
             [ ! -e {MADE} ] || {{ rm {MADE}; rmdir $(dirname {DIR}); }}"
        );
        world.on(node, &script).good().map(drop)
    });
    scene.check(
        "the Service goes; somebody's hosts.toml is on a node",
        |world| {
            let words = [
                "delete",
                "service",
                "docker-registry",
                "--namespace",
                NAMESPACE,
            ];
            world.kubectl(words).good()?;
            let script = format!(
                "[ -d $(dirname {DIR}) ] || touch {MADE}; mkdir -p {DIR}; echo '# theirs' >{FILE}"
            );
            world.on(node, &script).good()
        },
    )?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "kreg up ends with 3 and names node, file and the way out",
        |world| {
            world
                .kreg(["up", "--skip-verify"])
                .ends_with(3)?
                .says(&[&node.name, FILE, "--adopt"])
        },
    )?;
    scene.check(
        "kreg nodes trust --adopt does it, and then there is nothing to adopt",
        |world| {
            let adopt = ["nodes", "trust", "--adopt"];
            world.kreg(adopt).good()?.says(&[FILE, "comes back"])?;
            world.kreg(["nodes", "status"]).good()
        },
    )?;
    scene.check("kreg down brings the file back, byte for byte", |world| {
        down(world)?;
        before.await_return(world)
    })
}
