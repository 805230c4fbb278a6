//! The rule that doctor is never silent when the proof fails.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cluster::Node;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// A pull that comes, comes within this time on a cluster on one machine.
const PATIENCE: &str = "30s";

/// Runs the proof of this node, or of the whole registry: of everything that fails in it, doctor
/// names a cause there or in the registry itself, in what it said before or when it is asked again.
pub(super) fn on(world: &World, node: Option<&Node>, before: &Value) -> Result<()> {
    let mut words = vec!["verify", "--output", "json", "--timeout", PATIENCE];
    if let Some(node) = node {
        words.extend(["--node", &node.name, "--only", "node-route,node-pull"]);
    }
    let proof = world.kreg(words).ran()?;
    let failed = match proof.code {
        Some(0) => return Ok(()),
        // Nothing at all could be proven; then there is no report.
        Some(1) => BTreeSet::from([None]),
        Some(4) => failed(&proof.json()?),
        _ => return Err(proof.wrong("run the proof", "it did not come to an end")),
    };
    let unnamed = |doctor: &Value| {
        let named = places(&doctor["findings"]);
        let silent = |node: &Option<String>| !named.contains(node) && !named.contains(&None);
        failed.iter().find(|node| silent(node)).cloned()
    };
    if unnamed(before).is_none() {
        return Ok(());
    }
    let doctor = super::doctor(world)?.json()?;
    match unnamed(&doctor) {
        None => Ok(()),
        Some(node) => Err(Failure::new(
            format!(
                "see doctor name why the proof fails {}",
                node.as_deref().unwrap_or("of the registry")
            ),
            format!(
                "it names {}; the proof says {}",
                doctor["findings"], proof.stderr
            ),
        )),
    }
}

/// Nodes of the checks that failed; `None` stands for the registry.
fn failed(report: &Value) -> BTreeSet<Option<String>> {
    let checks = report["checks"].as_array().into_iter().flatten();
    checks
        // What a failed pull leaves is its consequence, and names no place of its own.
        .filter(|check| check["status"] == "fail" && check["name"] != "cleanup")
        .map(|check| check["node"].as_str().map(str::to_owned))
        .collect()
}

/// Nodes of the findings, and of what follows from them.
fn places(findings: &Value) -> BTreeSet<Option<String>> {
    let all = findings.as_array().into_iter().flatten();
    let with_consequences = all.flat_map(|one| {
        let more = one["consequences"].as_array().into_iter().flatten();
        more.chain([one])
    });
    with_consequences
        .map(|one| one["node"].as_str().map(str::to_owned))
        .collect()
}
