//! What kreg's JSON documents must say about the nodes of this cluster.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cluster::Node;
use crate::e2e::call::Ran;
use crate::e2e::world::{PASSWORD, World};
use crate::failure::{Result, Tried as _};

/// The negative controls, by the names of their checks.
const CONTROLS: &[&str] = &["anonymous", "wrong-password", "without-ca", "plain-http"];

/// A pull passed on every node, and every negative control was met.
pub(super) fn proves_every_node(ran: &Ran, world: &World) -> Result<()> {
    let nodes: Vec<&Node> = world.cluster.nodes.iter().collect();
    proves(ran, &nodes)
}

/// A pull passed on every node but this one, for which no pull is claimed.
pub(super) fn proves_all_but(ran: &Ran, world: &World, left_out: &Node) -> Result<()> {
    let nodes = world.cluster.nodes.iter();
    let nodes: Vec<&Node> = nodes.filter(|node| node.name != left_out.name).collect();
    proves(ran, &nodes)?;
    let claimed = checks(ran)?
        .iter()
        .any(|check| is_passed_pull(check, left_out));
    match claimed {
        false => Ok(()),
        true => Err(ran.wrong(
            format!("see no proof for {}", left_out.name),
            "it is claimed",
        )),
    }
}

/// A proof with users, node files and checks left out; its report in every form says the same.
pub(super) fn in_every_form(world: &World) -> Result<()> {
    let [html, junit, json] = ["a.html", "a.xml", "a.json"].map(|name| world.file(name));
    let users = world.write("users", &format!("# ours\nkreg:{PASSWORD}\n"))?;
    let report = |kind: &str, file: &Path| format!("--report={kind}={}", file.display());
    let words = [
        "verify",
        "--node-files",
        "--skip=push-resumed,plain-http",
        "--output=json",
    ];
    let ran = world
        .kreg(words)
        .args([format!("--users={}", users.display())])
        .args([report("html", &html), report("junit", &junit)])
        .args([report("json", &json)])
        .good()?;
    let all = checks(&ran)?;
    let found = |name: &str| all.iter().filter(|check| self::name(check) == name).count();
    let nodes = world.cluster.nodes.len();
    for (name, wanted) in [
        ("user", 1),
        ("node-ca", nodes),
        ("node-pull", nodes),
        ("push-resumed", 0),
        ("plain-http", 0),
    ] {
        if found(name) != wanted {
            return Err(ran.wrong(format!("see {name} {wanted} times"), found(name)));
        }
    }
    let read = |file: &Path| {
        fs::read_to_string(file).tried(|| format!("read the report {}", file.display()))
    };
    let told: Value = serde_json::from_str(&read(&json)?)
        .map_err(|why| ran.wrong("read the JSON report", why))?;
    if told != ran.json()? {
        return Err(ran.wrong("see the same in the JSON report", told));
    }
    let (html, junit) = (read(&html)?, read(&junit)?);
    let cases = junit.matches("<testcase ").count();
    if cases != all.len() || junit.contains("<failure") || !junit.ends_with("</testsuites>\n") {
        return Err(ran.wrong(format!("see {} cases and no failure", all.len()), junit));
    }
    let in_page = |check: &&Value| html.contains(self::name(check));
    match all.iter().find(|check| !in_page(check)) {
        None if html.trim_end().ends_with("</html>") => Ok(()),
        missing => Err(ran.wrong(
            "see the whole page",
            format!("{missing:?} is not in:\n{html}"),
        )),
    }
}

/// Every node of the cluster is in `nodes`, in the state in which nothing is left to do.
pub(super) fn names_every_node(ran: &Ran, world: &World) -> Result<()> {
    let document = ran.json()?;
    for node in &world.cluster.nodes {
        let entry = document["nodes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|entry| entry["node"] == node.name.as_str());
        match entry {
            Some(entry) if entry["state"] == "unchanged" => {}
            Some(entry) => return Err(ran.wrong(format!("see {} in order", node.name), entry)),
            None => {
                return Err(ran.wrong(format!("see {} in `nodes`", node.name), "it is not there"));
            }
        }
    }
    Ok(())
}

/// The document says that nothing changed, and says it of every object and node.
pub(super) fn says_unchanged(ran: &Ran) -> Result<()> {
    let document = ran.json()?;
    if document["changed"] != Value::Bool(false) {
        return Err(ran.wrong("read `changed: false`", &document["changed"]));
    }
    for (list, key) in [("objects", "action"), ("nodes", "state")] {
        for entry in document[list].as_array().into_iter().flatten() {
            if entry[key] != "unchanged" {
                return Err(ran.wrong(format!("see every entry of `{list}` unchanged"), entry));
            }
        }
    }
    Ok(())
}

fn proves(ran: &Ran, nodes: &[&Node]) -> Result<()> {
    let checks = checks(ran)?;
    let held = |check: &&Value| is_passed(check) || does_not_apply(check);
    if let Some(failed) = checks.iter().find(|check| !held(check)) {
        return Err(ran.wrong("see every check of the proof passed", failed));
    }
    for node in nodes {
        if !checks.iter().any(|check| is_passed_pull(check, node)) {
            let tried = format!("see a pull on {} among the passed checks", node.name);
            return Err(ran.wrong(tried, "there is none"));
        }
    }
    for control in CONTROLS {
        if !checks.iter().any(|check| name(check) == *control) {
            let tried = format!("see the negative control {control} among the passed checks");
            return Err(ran.wrong(tried, "there is none"));
        }
    }
    Ok(())
}

fn checks(ran: &Ran) -> Result<Vec<Value>> {
    let document = ran.json()?;
    if document["schema"] != "kreg/v1" {
        return Err(ran.wrong("read a document of schema kreg/v1", &document["schema"]));
    }
    let proof = match &document["proof"] {
        Value::Null => &document,
        proof => proof,
    };
    match proof["checks"].as_array() {
        Some(checks) if !checks.is_empty() => Ok(checks.clone()),
        _ => Err(ran.wrong("read the proof's checks", "there are none")),
    }
}

fn name(check: &Value) -> &str {
    check["name"].as_str().unwrap_or_default()
}

fn is_passed(check: &Value) -> bool {
    check["status"] == "pass"
}

/// The tutorial's registry is one that deletes nothing.
fn does_not_apply(check: &Value) -> bool {
    let message = check["message"].as_str().unwrap_or_default();
    name(check) == "delete"
        && check["status"] == "skipped"
        && message.contains("REGISTRY_STORAGE_DELETE_ENABLED")
}

fn is_passed_pull(check: &Value, node: &Node) -> bool {
    is_passed(check) && name(check).contains("pull") && check["node"] == node.name.as_str()
}
