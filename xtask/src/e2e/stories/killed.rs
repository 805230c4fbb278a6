//! `kreg up` killed at every step that it tells of.

use std::sync::mpsc;
use std::time::Duration;

use super::{report, steps::down};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// At most so many kills, spread over the run.
const MOMENTS: usize = 6;

/// No step takes longer.
const STEP: Duration = Duration::from_secs(180);

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    let steps = scene.check("kreg up tells of its steps as it goes", |world| {
        let ran = world.kreg(["up"]).good()?;
        match ran.stderr.lines().count() {
            steps @ 3.. => Ok(steps),
            _ => Err(ran.wrong(
                "see at least three steps on standard error",
                "there are fewer",
            )),
        }
    })?;
    scene.check("kreg down ends with 0", down)?;
    // The last line is the end itself.
    for step in (1..steps).step_by(steps.div_ceil(MOMENTS)) {
        let last = scene.check(&format!("kreg up is killed after line {step}"), |world| {
            kill_after(world, step)
        })?;
        scene.check(
            &format!("the next up completes it (killed after: {last})"),
            |world| {
                let up = world.kreg(["up", "--output", "json"]).good()?;
                report::proves_every_node(&up, world)
            },
        )?;
        scene.check("kreg down ends with 0", down)?;
        scene.check("nothing with kreg's label is left", nothing_left)?;
    }
    scene.check("kreg down after a killed up ends with 0", |world| {
        kill_after(world, steps / 2)?;
        down(world)
    })?;
    scene.check("nothing with kreg's label is left", nothing_left)
}

/// Kills it as soon as it has told of so many steps; returns the last line told.
fn kill_after(world: &World, step: usize) -> Result<String> {
    let (send, lines) = mpsc::channel();
    let running = world.kreg(["up"]).start(Some(send))?;
    let mut last = String::new();
    for seen in 0..step {
        match lines.recv_timeout(STEP) {
            Ok(line) => last = line,
            Err(_) => {
                let ran = running.kill()?;
                return Err(ran.wrong(format!("see step {step}"), format!("only {seen} came")));
            }
        }
    }
    let ran = running.kill()?;
    match ran.code {
        None => Ok(last),
        Some(_) => Err(ran.wrong("kill it in time", "it had ended by itself")),
    }
}

fn nothing_left(world: &World) -> Result<()> {
    let kinds = "namespaces,pods,deployments,services,secrets,configmaps,persistentvolumeclaims";
    let selector = "--selector=app.kubernetes.io/managed-by=kreg";
    let left = world
        .kubectl(["get", kinds, "--all-namespaces", "-o", "name", selector])
        .read()?;
    if !left.is_empty() {
        return Err(Failure::new(
            "see that nothing is left in the cluster",
            left,
        ));
    }
    for node in &world.cluster.nodes {
        let script =
            "[ ! -e /var/lib/kreg ] && [ ! -e /etc/containerd/certs.d/docker-registry:5000 ]";
        world.on(node, script).good()?;
    }
    Ok(())
}
