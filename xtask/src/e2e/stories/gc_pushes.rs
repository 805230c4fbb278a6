//! Garbage collection beside pushes, where new Pods start while old ones still run: two Pods on one bucket.
//!
//! Two clients push images that share layers while collections run, and nothing that any manifest names may go. Then a
//! collector is stopped half way (SIGSTOP), so that it is there still while kreg is ended in every way; the registry may
//! take no push before that process is gone.

mod node;
mod stored;

use std::sync::mpsc;
use std::time::Duration;

use super::{s3, steps::down};
use crate::cluster::Node;
use crate::e2e::call::{Call, Ran, Running};
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};
use node::{Pusher, Watcher};

/// Both push what shares layers with the other's.
const PUSHERS: [&str; 2] = ["1", "2"];
const COLLECTIONS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let config = s3::with_server(scene)?;
    scene.afterwards("kreg down", down);
    scene.afterwards("what runs on the nodes", node::clean);
    scene.check("kreg up: two Pods on one bucket", |world| {
        let up = s3::up(world, &config).args(["--skip-verify"]);
        up.good()
    })?;
    scene.check("nodes have what they need to push", node::prepare)?;
    scene.check(
        "an index by tag, its images and a referrer by digest only",
        node::fixed,
    )?;
    let before = scene.check("all that the storage holds is whole", stored::read)?;
    beside_pushes(scene, &config, &before)?;

    let of = |world: &World, words: &[&str]| kreg(world, &config, words);
    ended(scene, &config, "Ctrl-C", |_, running, _| {
        running
            .signalled("INT")?
            .ended_with(1)?
            .says(&["interrupted"])
    })?;
    ended(scene, &config, "SIGTERM", |_, running, _| {
        running
            .signalled("TERM")?
            .ended_with(1)?
            .says(&["interrupted"])
    })?;
    ended(scene, &config, "a lost stream", |world, running, _| {
        for node in &world.cluster.nodes {
            world.on(node, "systemctl restart kubelet").good()?;
        }
        running.wait()?.ended_with(1)?.says(&["may still run"])
    })?;
    ended(
        scene,
        &config,
        "SIGKILL and `kreg gc`",
        |world, running, _| {
            running.kill()?;
            let ran = of(world, &["gc", "--yes", "--output", "json"]).good()?;
            match ran.json()?["takenUp"] == true {
                true => Ok(ran),
                false => Err(ran.wrong("see that it took up another run", "it does not say so")),
            }
        },
    )?;
    ended(
        scene,
        &config,
        "SIGKILL and `kreg up`",
        |world, running, _| {
            running.kill()?;
            of(world, &["status"]).ends_with(5)?.shows(&["kreg-gc"])?;
            up(world, &config)
        },
    )?;
    ended(
        scene,
        &config,
        "`kreg up` beside it",
        |world, running, _| {
            up(world, &config)?;
            running
                .wait()?
                .ended_with(1)?
                .says(&["another run of kreg"])
        },
    )?;
    ended(scene, &config, "a lost node", |world, running, node| {
        running.kill()?;
        lost(world, &config, node)?;
        up(world, &config)
    })?;
    scene.check("all that the storage holds is whole still", |world| {
        stored::read(world)?.has_all(&before)
    })
}

/// Collections while two clients push and delete images.
fn beside_pushes(scene: &mut Scene<'_>, config: &str, before: &stored::Stored) -> Result<()> {
    let pushers = scene.check(
        "images that share layers are pushed and deleted without a pause",
        |world| {
            PUSHERS
                .iter()
                .map(|name| Pusher::start(world, name))
                .collect::<Result<Vec<_>>>()
        },
    )?;
    for number in 1..=COLLECTIONS {
        scene.check(
            &format!("collection {number} beside them says for how long pushes were refused"),
            |world| {
                let count = |pushers: &[Pusher]| {
                    pushers
                        .iter()
                        .map(|one| one.pushed(world))
                        .sum::<Result<usize>>()
                };
                let seen = count(&pushers)?;
                await_that("images are pushed", PATIENCE, || {
                    let now = count(&pushers)?;
                    Ok(if now >= seen + 6 {
                        Ok(())
                    } else {
                        Err(format!("{now} images, {seen} before"))
                    })
                })?;
                let ran = kreg(world, config, &["gc", "--yes", "--output", "json"]).good()?;
                let ran = ran.says(&["pushes are refused from now on", "they were refused for"])?;
                match (
                    ran.json()?["readOnlySeconds"].as_f64(),
                    ran.json()?["blobs"].as_array(),
                ) {
                    (Some(seconds), Some(blobs)) if seconds > 0.0 && !blobs.is_empty() => Ok(()),
                    _ => Err(ran.wrong(
                        "read seconds, and blobs that were removed",
                        "there are none",
                    )),
                }
            },
        )?;
    }
    scene.check("pushes were taken, and refused meanwhile", |world| {
        for pusher in &pushers {
            pusher.stop(world)?;
        }
        Ok(())
    })?;
    scene.check(
        "every manifest has all its blobs; the index, its images and the referrer are there",
        |world| stored::read(world)?.has_all(before),
    )
}

/// Ends a run of kreg while its collector is stopped half way, and then has pushes taken again.
fn ended(
    scene: &mut Scene<'_>,
    config: &str,
    how: &str,
    end: impl FnOnce(&World, Running, &Node) -> Result<Ran>,
) -> Result<()> {
    scene.check(
        &format!("{how}: no push is taken before the collector is gone"),
        |world| {
            let (running, node) = stopped_half_way(world, config)?;
            let watcher = Watcher::start(world, node)?;
            let ran = end(world, running, node)?;
            let seen = watcher.stop(world)?;
            match seen.verdict() {
                Ok(()) => Ok(()),
                Err(why) => Err(ran.wrong("see pushes refused until the collector is gone", why)),
            }
        },
    )
}

/// A run of kreg whose collector does not go on, and the node that it is on.
fn stopped_half_way<'w>(world: &'w World, config: &str) -> Result<(Running, &'w Node)> {
    const TRIES: usize = 5;
    for _ in 0..TRIES {
        node::garbage(world)?;
        node::stop_next_collector(world)?;
        let (send, lines) = mpsc::channel();
        let running = kreg(world, config, &["gc", "--yes"]).start(Some(send))?;
        let stopped = await_that("a collector is stopped half way", PATIENCE, || {
            let is_over = lines.try_iter().count() == 0
                && matches!(lines.try_recv(), Err(mpsc::TryRecvError::Disconnected));
            Ok(match node::stopped(world)? {
                Some(node) => Ok(Some(node)),
                None if is_over => Ok(None),
                None => Err("none yet".to_owned()),
            })
        });
        match stopped {
            Ok(Some(node)) => return Ok((running, node)),
            // It was too quick.
            Ok(None) => running.wait()?.ended_with(0).map(drop)?,
            Err(failure) => return Err(running.kill()?.wrong("stop its collector", failure)),
        }
    }
    Err(Failure::new(
        "stop a collector half way",
        format!("{TRIES} of them were too quick"),
    ))
}

/// The node of the collector is lost, and its Pod is deleted by force, as one would to have the rollout end: nobody knows
/// then whether the collector runs. `kreg up` refuses to have pushes taken, and names the node, until it is back.
fn lost(world: &World, config: &str, node: &Node) -> Result<()> {
    world.on(node, "systemctl stop kubelet").good()?;
    await_that("the node is lost", PATIENCE, || {
        let seen = world.get(["node", &node.name])?;
        let mut conditions = seen["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let ready = conditions.find(|one| one["type"] == "Ready");
        let is_lost = ready.is_some_and(|one| one["status"] != "True");
        Ok(if is_lost {
            Ok(())
        } else {
            Err(format!("{ready:?}"))
        })
    })?;
    let words = ["up", "--replicas", "2", "--skip-verify", "--skip-nodes"];
    let refusing = kreg(world, config, &words).start(None)?;
    let force = |world: &World| {
        await_that("its Pod is to end", PATIENCE, || {
            let pods =
                "pods --namespace kreg-system --selector app.kubernetes.io/component=registry";
            let list = world.get(pods.split(' '))?;
            let pods = list["items"].as_array().into_iter().flatten();
            let mut pods = pods.filter(|pod| pod["spec"]["nodeName"] == node.name.as_str());
            let ending = pods.find(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
            let name = ending.and_then(|pod| pod["metadata"]["name"].as_str());
            Ok(name
                .map(str::to_owned)
                .ok_or_else(|| "none is being deleted".to_owned()))
        })
        .and_then(|pod| {
            let words = [
                "delete",
                "pod",
                "--namespace",
                "kreg-system",
                "--force",
                "--grace-period=0",
            ];
            world.kubectl(words).args([pod]).good()
        })
    };
    let forced = force(world);
    let ended = refusing.wait();
    world.on(node, "systemctl start kubelet").good()?;
    forced?;
    ended?
        .ended_with(1)?
        .says(&[&node.name, "which is not ready", "nothing proves"])?;
    await_that(
        "the kubelet ends what it does not know any more",
        PATIENCE,
        || {
            Ok(match node::collectors(world, node)? {
                0 => Ok(()),
                some => Err(format!("{some} collectors")),
            })
        },
    )
}

fn up(world: &World, config: &str) -> Result<Ran> {
    let words = ["up", "--replicas", "2", "--skip-verify", "--skip-nodes"];
    kreg(world, config, &words).good()
}

fn kreg(world: &World, config: &str, words: &[&str]) -> Call {
    world.kreg(words).env("KREG_CONFIG", config)
}
