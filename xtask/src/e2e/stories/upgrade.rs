//! A registry that kreg 0.1.0 of 30 November 2026 made, before records were cluster-scoped and journals held an id.
//!
//! `assets/recorded/*.json` holds its objects as the API server had them, without what others than kreg had set, and with
//! the key of a CA that nothing else uses; what it wrote on a node is among the tests of kreg-nodes. Both are put in place as they were, except for the
//! uids, which the inventory gets from the new objects, as if it had made these.

use std::path::Path;

use serde_json::Value;

use super::steps::down;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

const NAMESPACE: &str = "kreg-system";
const INVENTORY: &str = "docker-registry-inventory";
const NAMED: [&str; 2] = ["--namespace", NAMESPACE];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", |world| {
        let words = ["down", "--delete-data", "--yes"];
        world.kreg(words).args(NAMED).good().map(drop)
    });
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    for kind in ["default", "agents"] {
        is_shown_and_not_believed(scene, kind)?;
        is_taken_over(scene, kind)?;
        scene.check("kreg down leaves nothing, byte for byte", |world| {
            down(world)?;
            before.await_return(world)
        })?;
    }
    scene.check("an earlier registry is up again", |world| {
        as_recorded(world, "default")
    })?;
    scene.check(
        "kreg nodes untrust takes back what is on the nodes",
        |world| {
            world.kreg(["nodes", "untrust"]).args(NAMED).good()?;
            let (before, now) = (before.files(), Snapshot::take(world)?.files());
            before.same(&now)
        },
    )?;
    scene.check("and kreg down the rest, byte for byte", |world| {
        let words = ["down", "--delete-data", "--yes"];
        world.kreg(words).args(NAMED).good()?;
        before.await_return(world)
    })
}

/// Anyone who may write a ConfigMap there could have made it.
fn is_shown_and_not_believed(scene: &mut Scene<'_>, kind: &'static str) -> Result<()> {
    scene.check(
        &format!("an earlier registry is up ({kind})"),
        move |world| as_recorded(world, kind),
    )?;
    let there = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "status, up, untrust and down show it, want --namespace even with --yes, and change nothing",
        |world| {
            let words = [INVENTORY, "--namespace kreg-system", "nothing was changed"];
            for command in [&["status"][..], &["up"], &["nodes", "untrust"], &["down", "--delete-data"]] {
                let ran = world.kreg(command.iter().copied()).args(["--yes"]);
                ran.ends_with(2)?.says(&words)?;
            }
            there.same(&Snapshot::take(world)?)
        },
    )
}

fn is_taken_over(scene: &mut Scene<'_>, kind: &'static str) -> Result<()> {
    let agents = kind == "agents";
    scene.check(
        "with it status shows the registry, and a node that is trusted",
        |world| {
            let ran = world.kreg(["status"]).args(NAMED).ran()?;
            ran.shows(&["docker-registry:5000", "ready"])
        },
    )?;
    scene.check("kreg up records it, and proves it on every node", |world| {
        let up = match agents {
            true => world.kreg(["up", "--nodes-by", "daemonset"]),
            false => world.kreg(["up"]),
        };
        up.args(NAMED).good()?;
        let role = world.get(["clusterrole", "kreg:docker-registry"])?;
        let record = role["metadata"]["annotations"]["kreg.dev/inventory"].as_str();
        let record: Value = serde_json::from_str(record.unwrap_or_default())
            .tried(|| "read the record".to_owned())?;
        // Its journals on the nodes go by its name.
        if record["id"] != "docker-registry" {
            return Err(Failure::new(
                "see the id of the record",
                record["id"].to_string(),
            ));
        }
        let words = [
            "get",
            "configmap",
            INVENTORY,
            "--namespace",
            NAMESPACE,
            "--ignore-not-found",
        ];
        match world.kubectl(words).read()?.as_str() {
            "" => Ok(()),
            there => Err(Failure::new("see that the old inventory is gone", there)),
        }
    })?;
    scene.check(
        "kreg status finds nothing to say, and a second up nothing to do",
        |world| {
            world.kreg(["status"]).good()?;
            let again = ["up", "--skip-verify", "-o", "json"];
            let up = match agents {
                true => world.kreg(again).args(["--nodes-by", "daemonset"]),
                false => world.kreg(again),
            };
            let outcome = up.good()?.json()?;
            match &outcome["changed"] {
                Value::Bool(false) => Ok(()),
                other => Err(Failure::new(
                    "see that nothing was changed",
                    format!("{other}: {outcome}"),
                )),
            }
        },
    )
}

/// Objects and files as they were when the earlier kreg had done its work, its Pods running.
fn as_recorded(world: &World, kind: &str) -> Result<()> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Before its agents run, which would make these directories themselves.
    let node = read(&assets.join(format!("../crates/kreg-nodes/tests/recorded/{kind}.json")))?;
    for one in &world.cluster.nodes {
        world.on(one, &laid_out(&node["after"])?).good()?;
    }
    let list = read(&assets.join(format!("assets/recorded/{kind}.json")))?;
    let (inventory, objects): (Vec<Value>, Vec<Value>) = list["items"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .partition(|object| object["metadata"]["name"] == INVENTORY);
    let mut text = inventory.first().map(Value::to_string).unwrap_or_default();
    for object in &objects {
        let made = apply(world, object)?;
        let (Some(was), Some(is)) = (
            object["metadata"]["uid"].as_str(),
            made["metadata"]["uid"].as_str(),
        ) else {
            return Err(Failure::new("find the uid", made.to_string()));
        };
        text = text.replace(was, is);
    }
    let inventory: Value =
        serde_json::from_str(&text).tried(|| "read the recorded inventory".to_owned())?;
    apply(world, &inventory)?;
    let words = [
        "rollout",
        "status",
        "deployment/docker-registry",
        "--timeout=120s",
    ];
    world.kubectl(words).args(NAMED).good().map(drop)
}

/// As kreg's own field manager writes it.
fn apply(world: &World, object: &Value) -> Result<Value> {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    world
        .kubectl([
            "apply",
            "--server-side",
            "--field-manager=kreg",
            "-f",
            "-",
            "-o",
            "json",
        ])
        .input(object.to_string())
        .good()?
        .json()
}

/// A script that puts the files in place, except for those that every node has of its own. A directory that is there
/// already was not made by kreg here, so the journal does not say so.
fn laid_out(files: &Value) -> Result<String> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut script = "there=''\n".to_owned();
    for (path, kept) in files.as_object().into_iter().flatten() {
        let made = kept["text"]
            .as_str()
            .and_then(|text| text.strip_prefix("dir\nabsent\n"));
        if let (Some(made), Some(entry)) = (made, path.strip_suffix("/entry")) {
            let made = quoted(made.trim_end());
            script += &format!("[ ! -d {made} ] || there=\"$there {entry}\"\n");
        }
    }
    for (path, kept) in files.as_object().into_iter().flatten() {
        let mode = kept["mode"].as_str().unwrap_or("644");
        let at = quoted(path);
        match kept["text"].as_str() {
            _ if path == "/etc/hosts" || path == "/etc/containerd" => {}
            Some(text) => {
                script += &format!("printf %s {} >{at}\nchmod {mode} {at}\n", quoted(text))
            }
            None => script += &format!("mkdir -p -m {mode} {at}\n"),
        }
    }
    script += "rm -rf $there\n";
    match script.contains("/var/lib/kreg") {
        false => Err(Failure::new("find recorded files", "there are none")),
        true => Ok(script),
    }
}

fn read(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).tried(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).tried(|| format!("read {}", file.display()))
}
