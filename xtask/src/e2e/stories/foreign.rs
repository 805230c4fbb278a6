//! A Service of the registry's name that somebody else made.

use serde_json::json;

use super::steps::{down, namespace_complete};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::failure::Result;

const NAMESPACE: &str = "kreg-system";
/// Where agents live.
const AGENTS: &str = "kreg-nodes";
const LETS_AGENTS_IN: &str = "pod-security.kubernetes.io/enforce";
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
        "kreg up ends with 2: the account that made the namespace may read what lies in it",
        |world| {
            let words = [NAMESPACE, "--namespace", "nothing was changed"];
            world.kreg(["up"]).ends_with(2)?.says(&words)
        },
    )?;
    scene.check(
        "with the namespace named it ends with 1 and names the Service and the ways out",
        |world| {
            world
                .kreg(["up", "--namespace", NAMESPACE])
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
                .kreg(["up", "--namespace", NAMESPACE, "--skip-verify"])
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
    })?;
    where_agents_live(scene)
}

/// Somebody's own namespace of that name: refused, used once it lets agents in, and left.
fn where_agents_live(scene: &mut Scene<'_>) -> Result<()> {
    const UP: [&str; 6] = [
        "up",
        "--namespace",
        NAMESPACE,
        "--nodes-by",
        "daemonset",
        "--skip-verify",
    ];
    scene.afterwards("the foreign namespace of agents", |world| {
        let words = [
            "delete",
            "namespace",
            AGENTS,
            "--ignore-not-found",
            "--wait",
        ];
        world.kubectl(words).good().map(drop)
    });
    scene.check(
        "the file goes; somebody's namespace kreg-nodes is there",
        |world| {
            world.on(world.node(1)?, &format!("rm {FILE}")).good()?;
            world.kubectl(["create", "namespace", AGENTS]).good()?;
            namespace_complete(world, AGENTS)
        },
    )?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "kreg up --nodes-by daemonset ends with 1, changes nothing and names the way out",
        |world| {
            let label = format!("{LETS_AGENTS_IN}=privileged");
            world.kreg(UP).ends_with(1)?.says(&[AGENTS, &label])?;
            before.same(&Snapshot::take(world)?)
        },
    )?;
    let before = scene.check("labelled so, it is noted again", |world| {
        let label = format!("{LETS_AGENTS_IN}=privileged");
        world
            .kubectl(["label", "namespace", AGENTS, &label])
            .good()?;
        Snapshot::take(world)
    })?;
    scene.check(
        "kreg up puts its agents there, kreg down takes them",
        |world| {
            world.kreg(UP).good()?;
            down(world)?;
            before.await_return(world)
        },
    )
}
