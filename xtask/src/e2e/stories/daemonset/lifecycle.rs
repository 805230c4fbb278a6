//! What else becomes of agents: nodes that get none, a CA that is rotated under them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{AGENTS, HOSTS_TOML, agent};
use crate::cluster::Node;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::stories::{cert, doctor, report};
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// `nodes.skip` of the configuration, while the registry comes up for the first time.
pub(super) fn skipped(scene: &mut Scene<'_>, node: &Node) -> Result<()> {
    let before = scene.check(
        &format!("every file of {} is noted, with its times", node.name),
        |world| Snapshot::of_files_on(world, node),
    )?;
    scene.check(
        &format!("kreg up with {} in nodes.skip ends with 0", node.name),
        |world| {
            let config = world.state("kreg.toml")?;
            let skip = format!("[nodes]\nskip = [\"{}\"]\n", node.name);
            let config = config.replacen("[nodes]\n", &skip, 1);
            let config = world.write("skip.toml", &config)?.display().to_string();
            let words = ["up", "--nodes-by", "daemonset", "--skip-verify"];
            let up = world.kreg(words).args(["--config", &config]);
            let up = up.args(["--output", "json"]).good()?;
            let told = up.json()?["nodes"].to_string();
            match told.contains(&node.name) {
                true => Err(up.wrong("see that node left out", told)),
                false => Ok(()),
            }
        },
    )?;
    scene.check(
        "that node has no agent and was not touched; the others trust the registry",
        |world| {
            if let Some(pod) = agent(world, node)? {
                return Err(Failure::new("see no agent there", pod["metadata"].clone()));
            }
            before.same(&Snapshot::of_files_on(world, node)?)?;
            let others = world.cluster.nodes.iter();
            for other in others.filter(|other| other.name != node.name) {
                world.on(other, &format!("test -s {HOSTS_TOML}")).good()?;
            }
            Ok(())
        },
    )
}

/// The bundle reaches the nodes by their agents, which a rotation replaces twice.
pub(super) fn rotated(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "kreg cert renew --ca --grace 0s goes through by the agents, and every node pulls",
        |world| {
            let words = ["cert", "renew", "--ca", "--grace", "0s", "--output", "json"];
            let ran = world.kreg(words).good()?;
            report::proves_every_node(&ran, world)?;
            cert::phase_is(&ran, "single", 1)
        },
    )?;
    scene.check(
        "nothing of the old CA is left, in the cluster, on a node or with an agent",
        |world| {
            cert::one_ca_everywhere(world)?;
            one_bundle(world)
        },
    )
}

/// A DaemonSet that was told to keep off a node: nobody keeps the registry's trust there.
pub(super) fn agentless(scene: &mut Scene<'_>, node: &Node) -> Result<()> {
    let affinity = |world: &World, affinity: Value| {
        let patch = json!({ "spec": { "template": { "spec": { "affinity": affinity } } } });
        let words = ["patch", "daemonset/docker-registry", "--namespace", AGENTS];
        let patch = patch.to_string();
        world
            .kubectl(words)
            .args(["--type=merge", "--patch", &patch])
            .good()
            .map(drop)
    };
    scene.check(
        &format!("the DaemonSet keeps off {}: doctor names that", node.name),
        |world| {
            let elsewhere = json!({ "key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node.name] });
            let terms = json!({ "nodeSelectorTerms": [{ "matchExpressions": [elsewhere] }] });
            let required = json!({ "requiredDuringSchedulingIgnoredDuringExecution": terms });
            affinity(world, json!({ "nodeAffinity": required }))?;
            doctor::named_alone(world, "agent-missing", Some(node))
        },
    )?;
    scene.check(
        "told so no more, it is back, and doctor says nothing",
        |world| {
            affinity(world, Value::Null)?;
            // It may say that agents have no means to try the route.
            await_that("doctor finds nothing", Duration::from_secs(90), || {
                let ran = world.kreg(["doctor", "--output", "json"]).ran()?;
                Ok(match ran.code {
                    Some(0) => Ok(()),
                    _ => Err(ran.stdout),
                })
            })
        },
    )
}

/// The agents' programs hold one CA, and only those that are in use are there.
fn one_bundle(world: &World) -> Result<()> {
    let maps = world.get(["configmaps", "--namespace", AGENTS])?;
    let programs: Vec<&str> = maps["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|map| map["data"]["check.sh"].as_str())
        .collect();
    match programs[..] {
        [one] if one.matches("BEGIN CERTIFICATE").count() == 1 => Ok(()),
        _ => Err(Failure::new(
            "see one program with one CA",
            format!(
                "{} programs, with CAs: {:?}",
                programs.len(),
                programs
                    .iter()
                    .map(|text| text.matches("BEGIN CERTIFICATE").count())
                    .collect::<Vec<_>>()
            ),
        )),
    }
}
