//! The main path: up, status, up again, verify, Pods of one's own, down, down again.

use serde_json::json;

use super::{report, steps::down};
use crate::e2e::image::{self, Pushed};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::{HOST, PASSWORD, World, await_that};
use crate::failure::{Failure, Result};

/// Where this story's own Pods live.
const NAMESPACE: &str = "kreg-e2e";
const SECRET: &str = "own-pull-secret";
/// The profile's first user.
const USER: &str = "kreg";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let before = scene.check(
        "every node's files and every API object are noted",
        Snapshot::take,
    )?;
    scene.afterwards("kreg down", down);

    let up = scene.check("kreg up ends with 0", |world| {
        // As a user has it, passwords at their full cost too.
        world
            .kreg(["up", "--output", "json"])
            .env("KREG_CONFIG", world.state_file("kreg.toml"))
            .good()
    })?;
    scene.check(
        "its report: every node pulled, every negative control held",
        |world| report::proves_every_node(&up, world),
    )?;
    scene.check("kreg status ends with 0 and knows every node", |world| {
        let status = world.kreg(["status", "--output", "json"]).good()?;
        report::names_every_node(&status, world)
    })?;

    let standing = scene.check(
        "times of files and versions of objects are noted",
        Snapshot::of_kregs_own,
    )?;
    scene.check(
        "kreg up again ends with 0 and says that nothing changed",
        |world| report::says_unchanged(&world.kreg(["up", "--output", "json"]).good()?),
    )?;
    scene.check(
        "it touched no object and no file, not even their times",
        |world| standing.same(&Snapshot::of_kregs_own(world)?),
    )?;
    scene.check(
        "kreg verify ends with 0 and proves every node again",
        |world| {
            let verify = world.kreg(["verify", "--output", "json"]).good()?;
            report::proves_every_node(&verify, world)
        },
    )?;

    own_pods(scene)?;

    scene.check("kreg down --delete-data ends with 0", down)?;
    scene.check(
        "files and objects are as before the first up, byte for byte",
        |world| before.await_return(world),
    )?;
    scene.check("kreg down again ends with 0 and changes nothing", |world| {
        down(world)?;
        before.same(&Snapshot::take(world)?)
    })
}

/// Pods that kreg did not make, from an image that kreg did not push.
fn own_pods(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("the story's own namespace", |world| {
        let arguments = [
            "delete",
            "namespace",
            NAMESPACE,
            "--ignore-not-found",
            "--wait",
        ];
        world.kubectl(arguments).good().map(drop)
    });
    scene.check(
        "a namespace with a pull secret of its own is there",
        prepare,
    )?;
    let pushed = scene.check("a node's own client pushes a fresh image", |world| {
        image::push_fresh(world, world.control_plane()?, USER)
    })?;
    for node in &scene.world.cluster.nodes {
        let name = format!("own-{}", node.name);
        scene.check(
            &format!("a Pod on {} pulls it by imagePullSecrets", node.name),
            |world| {
                world.create(&image::pod(
                    &name,
                    NAMESPACE,
                    node,
                    &pushed.reference,
                    Some(SECRET),
                ))?;
                same_digest(&image::await_running(world, NAMESPACE, &name)?, &pushed)
            },
        )?;
    }
    let node = scene.world.node(1)?;
    scene.check(
        &format!("without the secret the pull on {} is refused", node.name),
        |world| {
            // Another image: one that a node has may run there by what the kubelet remembers.
            let other = image::push_fresh(world, world.control_plane()?, USER)?;
            world.create(&image::pod(
                "no-secret",
                NAMESPACE,
                node,
                &other.reference,
                None,
            ))?;
            let told = image::await_refused(world, NAMESPACE, "no-secret")?;
            let words = ["401", "unauthorized", "authorization failed"];
            let told_small = told.to_lowercase();
            match words.iter().any(|word| told_small.contains(word)) {
                true => Ok(()),
                false => Err(Failure::new(
                    "see a refusal because there is no password",
                    told,
                )),
            }
        },
    )?;
    scene.check("the story's own namespace is removed", |world| {
        world
            .kubectl(["delete", "namespace", NAMESPACE, "--wait"])
            .good()
            .map(drop)
    })
}

fn prepare(world: &World) -> Result<()> {
    world.create(&json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE },
    }))?;
    world
        .kubectl([
            "create",
            "secret",
            "docker-registry",
            SECRET,
            "--namespace",
            NAMESPACE,
        ])
        .args([
            format!("--docker-server={HOST}"),
            format!("--docker-username={USER}"),
            format!("--docker-password={PASSWORD}"),
        ])
        .good()?;
    // Pods are refused until their namespace has its service account.
    let patience = std::time::Duration::from_secs(30);
    await_that("the namespace has its service account", patience, || {
        let arguments = ["get", "serviceaccount", "default", "--namespace", NAMESPACE];
        let ran = world.kubectl(arguments).ran()?;
        Ok(if ran.code == Some(0) {
            Ok(())
        } else {
            Err(ran.stderr)
        })
    })
}

fn same_digest(image_id: &str, pushed: &Pushed) -> Result<()> {
    match image_id.ends_with(&pushed.digest) && !pushed.digest.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            format!(
                "see that {} runs by digest {}",
                pushed.reference, pushed.digest
            ),
            format!("the node's runtime reports `{image_id}`"),
        )),
    }
}
