//! `kreg doctor`: a registry that is well is broken in one way after the other; each time doctor
//! names that cause first, and once it is fixed nothing. Whenever the proof fails, doctor names a
//! cause for it.

mod agree;
mod breaks;
mod certificates;
mod network;
mod nodes;
mod pulls;
mod storage;
mod tutorial_by_hand;
mod users;
mod workload;

use std::time::Duration;

use serde_json::Value;

use self::breaks::Break;
use super::steps::down;
use crate::cluster::Node;
use crate::e2e::call::Ran;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::Result;

/// Nodes, network, certificates, users.
pub(super) fn trust(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    scene.afterwards("the node's own files", nodes::put_back);
    told(scene, nodes::BREAKS, Some(nodes::broken))?;
    told(scene, network::BREAKS, None)?;
    told(scene, certificates::BREAKS, None)?;
    told(scene, users::BREAKS, None)
}

/// The registry's Pods, its storage, and Pods that pull.
pub(super) fn pods(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    scene.afterwards("what Pods and claims left", |world| {
        pulls::put_back(world)?;
        workload::put_back(world)?;
        storage::put_back(world)
    });
    told(scene, pulls::BREAKS, None)?;
    told(scene, workload::BREAKS, None)?;
    told(scene, storage::BREAKS, None)
}

/// The tutorial's registry, which nodes find by name.
pub(super) fn tutorial(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    tutorial_by_hand::taken_over(scene)?;
    scene.check("kreg up --profile tutorial ends with 0", |world| {
        let words = ["up", "--profile", "tutorial", "--skip-verify"];
        world.kreg(words).good()
    })?;
    scene.check("of a registry that is well doctor says nothing", well)?;
    told(scene, nodes::BY_NAME, Some(nodes::broken))
}

fn up(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.check("kreg up ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    scene.check("of a registry that is well doctor says nothing", well)
}

/// The node that a break is done to, where it is done to one.
type Broken = for<'w> fn(&'w World, &str) -> Result<&'w Node>;

/// Every break is told, whatever became of those before; only one that cannot be fixed ends it.
fn told(scene: &mut Scene<'_>, breaks: &[Break], broken: Option<Broken>) -> Result<()> {
    for one in breaks {
        let mut fixed = Ok(());
        let _ = scene.check(&format!("{}: {}", one.id, one.what), |world| {
            let seen = (one.breaks)(world).and_then(|()| {
                let node = broken.map(|broken| broken(world, one.id)).transpose()?;
                let told = named_alone(world, one.id, node)?;
                agree::on(world, node, &told)
            });
            fixed = (one.fixes)(world);
            seen
        });
        if fixed.is_err() {
            return scene.check(&format!("{} is fixed", one.id), |_| fixed);
        }
    }
    scene.check("all is fixed, and doctor says nothing", well)?;
    scene.check("nor does the proof find anything", |world| {
        agree::on(world, None, &Value::Null)
    })
}

/// What kubelets and controllers see takes a moment; the last word counts.
const PATIENCE: Duration = Duration::from_secs(90);

/// As the one root, on this node if it is about one.
pub(super) fn named_alone(world: &World, id: &str, node: Option<&Node>) -> Result<Value> {
    await_that(&format!("{id} alone is named"), PATIENCE, || {
        let ran = doctor(world)?;
        if ran.code == Some(0) {
            return Ok(Err("nothing was found".to_owned()));
        }
        let ran = ran.ended_with(1)?;
        let told = ran.json()?;
        let first = &told["findings"][0];
        let alone = told["findings"].as_array().map(Vec::len) == Some(1);
        let there = node.is_none_or(|node| first["node"] == node.name.as_str());
        if first["id"] != id || !alone || !there {
            return Ok(Err(told["findings"].to_string()));
        }
        let filled = |key: &str| first[key].as_array().is_some_and(|all| !all.is_empty());
        match filled("evidence") && filled("fix") && told["schema"] == "kreg/v1" {
            true => Ok(Ok(told)),
            false => Err(ran.wrong("read evidence and fix", "there is none")),
        }
    })
}

/// Doctor finds nothing, and could look at everything.
fn well(world: &World) -> Result<()> {
    await_that("doctor says nothing", PATIENCE, || {
        let ran = doctor(world)?;
        let told = ran.json()?;
        let unseen = told["notLookedAt"]
            .as_array()
            .is_none_or(|all| !all.is_empty());
        Ok(match ran.code == Some(0) && !unseen {
            true => Ok(()),
            false => Err(told.to_string()),
        })
    })
}

fn doctor(world: &World) -> Result<Ran> {
    world.kreg(["doctor", "--output", "json"]).ran()
}
