//! What a tenant can write is no authority: every name, label, annotation and field that kreg reads, in objects that a
//! tenant made, beside every command. Nothing is believed, written to, given a secret, or deleted.

mod names;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::steps::{down, namespace_complete};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

/// The tenant may make namespaces, and edits everything in those that he made.
const TENANT: &str = "tenant-of-a-story";
const ELSEWHERE: &str = "kreg-e2e-tenant";
const DEFAULT: &str = "kreg-system";
const AGENTS: &str = "kreg-nodes";
/// What must not reach a node, nor anybody's eyes as kreg's own.
const IMAGE: &str = "evil.example/rootkit:1";
const NEW_PASSWORD: &str = "a-new-password-of-this-story";

/// Each command, and whether it does something to a registry that is up.
const COMMANDS: &[&[&str]] = &[
    &["plan"],
    &["status"],
    &["verify"],
    &["doctor"],
    &["user", "passwd", "kreg", "--password-stdin"],
    &["secret", "apply", "--namespaces", "default"],
    &["secret", "remove", "--namespaces", "default"],
    &["cert", "renew", "--yes"],
    &["gc", "--yes"],
    &["tunnel", "--trust", "print"],
    &["nodes", "untrust"],
    &["down", "--delete-data", "--yes"],
];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.afterwards("the tenant and his namespaces", |world| {
        for kind in [&["clusterrolebinding", "clusterrole"][..], &["namespace"]] {
            for kind in kind {
                let words = [
                    "delete",
                    kind,
                    "--selector",
                    "kreg-e2e=forged",
                    "--ignore-not-found",
                    "--wait",
                ];
                world.kubectl(words).good()?;
            }
        }
        Ok(())
    });
    scene.check(
        "every name that the code has is among the forged ones",
        |_| names::all_are_there(&text_of(&forgeries(ELSEWHERE, ELSEWHERE)?)),
    )?;
    scene.check(
        "a tenant who may make namespaces, and labels them as kreg's",
        tenant,
    )?;
    while_there_is_none(scene)?;
    beside_a_real_one(scene)
}

fn while_there_is_none(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "the tenant has made every object of a registry, in his own namespace",
        |world| as_tenant(world, ELSEWHERE, ELSEWHERE),
    )?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    for command in COMMANDS {
        scene.check(
            &format!("kreg {} does nothing for it", command.join(" ")),
            |world| {
                let ran = kreg(world, command).ran()?;
                if ran.code.is_none() || ran.stderr.contains("Usage: kreg") {
                    return Err(
                        ran.wrong("see it run", "it was not understood, or a signal ended it")
                    );
                }
                does_not_mention(&ran.stdout, IMAGE)?;
                does_not_mention(&ran.stdout, &evil_ca())?;
                before.same(&Snapshot::take(world)?)
            },
        )?;
    }
    scene.check(
        "the tenant has made them where kreg's own would be, too",
        |world| as_tenant(world, DEFAULT, AGENTS),
    )?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    for command in COMMANDS.iter().chain(&[&["up", "--yes"][..]]) {
        scene.check(
            &format!(
                "kreg {} shows it, and believes none of it",
                command.join(" ")
            ),
            |world| {
                let words = [
                    "docker-registry-inventory",
                    "--namespace",
                    "nothing was changed",
                ];
                kreg(world, command).ends_with(2)?.says(&words)?;
                before.same(&Snapshot::take(world)?)
            },
        )?;
    }
    scene.check("the tenant cannot make a record", |world| {
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": "kreg:docker-registry" }, "rules": [] });
        let words = ["create", "-f", "-", "--as", TENANT];
        let ran = world.kubectl(words).input(role.to_string()).ran()?;
        match ran.code {
            Some(0) => Err(ran.wrong("see it refused", "it was made")),
            _ => ran.says(&["forbidden"]).map(drop),
        }
    })?;
    scene.check(
        "agents are not put into a namespace that only says it is kreg's",
        |world| {
            let own = ["delete", "namespace", DEFAULT, "--wait"];
            world.kubectl(own).good()?;
            let before = Snapshot::take(world)?;
            let up = ["up", "--nodes-by", "daemonset", "--skip-verify"];
            world
                .kreg(up)
                .ends_with(1)?
                .says(&["Namespace kreg-nodes", "kubectl delete namespace"])?;
            before.same(&Snapshot::take(world)?)
        },
    )?;
    scene
        .check("the namespace of agents' name goes", |world| {
            let words = ["delete", "namespace", AGENTS, "--wait"];
            world.kubectl(words).good()
        })
        .map(drop)
}

fn beside_a_real_one(scene: &mut Scene<'_>) -> Result<()> {
    let before = scene.check("the tenant's objects are noted", tenants)?;
    scene.check("kreg up makes a real one beside them", |world| {
        world.kreg(["up"]).good()
    })?;
    unchanged(scene, &before)?;
    for command in COMMANDS.iter().take(COMMANDS.len() - 2) {
        scene.check(
            &format!("kreg {} works on the real one", command.join(" ")),
            |world| {
                let ran = kreg(world, command).good()?;
                does_not_mention(&ran.stdout, &evil_ca())
            },
        )?;
        unchanged(scene, &before)?;
    }
    scene.check("status names the Secrets that nobody listed", |world| {
        let told = world.kreg(["status"]).good()?;
        told.shows(&[&format!("{ELSEWHERE}/")]).map(drop)
    })?;
    scene.check("agents run only the real registry's image", |world| {
        world
            .kreg(["up", "--nodes-by", "daemonset", "--skip-verify"])
            .good()?;
        let pods = world.get(["pods", "--namespace", AGENTS])?;
        does_not_mention(&pods.to_string(), IMAGE)
    })?;
    unchanged(scene, &before)?;
    let standing = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "down and untrust with another place named do not touch it",
        |world| {
            for place in [["--namespace", ELSEWHERE], ["--profile", "tutorial"]] {
                for command in [
                    &["down", "--delete-data", "--yes"][..],
                    &["nodes", "untrust"],
                ] {
                    let ran = world.kreg(command.iter().chain(&place));
                    ran.ends_with(2)?
                        .says(&["but in namespace kreg-system", "nothing was changed"])?;
                }
            }
            standing.same(&Snapshot::take(world)?)
        },
    )?;
    scene.check("kreg nodes untrust works on the real one", |world| {
        world.kreg(["nodes", "untrust"]).good()
    })?;
    unchanged(scene, &before)?;
    scene.check("kreg down removes the real one", down)?;
    unchanged(scene, &before)
}

fn unchanged(scene: &mut Scene<'_>, before: &BTreeSet<String>) -> Result<()> {
    scene.check(
        "the tenant's objects are as they were, and hold no password",
        |world| {
            let now = tenants(world)?;
            match before.symmetric_difference(&now).next() {
                Some(different) => Err(Failure::new("see that nothing was touched", different)),
                None => Ok(()),
            }
        },
    )
}

/// Everything in the tenant's namespace but what controllers report, Pods and the like left out.
fn tenants(world: &World) -> Result<BTreeSet<String>> {
    let kinds =
        "secrets,configmaps,serviceaccounts,services,deployments,daemonsets,persistentvolumeclaims";
    let list = world.get([kinds, "--namespace", ELSEWHERE])?;
    let plain = |object: &Value| {
        let mut object = object.clone();
        if let Some(all) = object.as_object_mut() {
            all.remove("status");
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for noise in ["resourceVersion", "generation", "managedFields"] {
                metadata.remove(noise);
            }
            // Annotated by a controller: the Deployment's revision, the claim's binding.
            let name = &metadata["name"];
            if name == "docker-registry" || name == "docker-registry-data" {
                metadata.remove("annotations");
            }
        }
        object.to_string()
    };
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(plain)
        .collect())
}

fn tenant(world: &World) -> Result<()> {
    let label = json!({ "kreg-e2e": "forged" });
    let role = "rbac.authorization.k8s.io";
    world.create(&json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
          "metadata": { "name": "kreg-e2e-namespaces", "labels": label },
          "rules": [{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "get", "patch"] }] },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
          "metadata": { "name": "kreg-e2e-namespaces", "labels": label },
          "roleRef": { "apiGroup": role, "kind": "ClusterRole", "name": "kreg-e2e-namespaces" },
          "subjects": [{ "apiGroup": role, "kind": "User", "name": TENANT }] },
        { "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
          "metadata": { "name": "kreg-e2e-edit", "labels": label },
          "roleRef": { "apiGroup": role, "kind": "ClusterRole", "name": "edit" },
          "subjects": [{ "apiGroup": role, "kind": "User", "name": TENANT }] },
    ] }))
    .map(drop)
}

/// Makes them with the tenant's own rights.
fn as_tenant(world: &World, registry: &str, agents: &str) -> Result<()> {
    let (namespaces, rest): (Vec<Value>, Vec<Value>) = forgeries(registry, agents)?
        .into_iter()
        .partition(|object| object["kind"] == "Namespace");
    for objects in [namespaces, rest] {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let words = ["apply", "--server-side", "--as", TENANT, "-f", "-"];
        world.kubectl(words).input(list.to_string()).good()?;
        for namespace in BTreeSet::from([registry, agents]) {
            namespace_complete(world, namespace)?;
        }
    }
    Ok(())
}

/// A whole registry with agents as an earlier kreg left it, with the tenant's values, and one object for each further
/// name.
fn forgeries(registry: &str, agents: &str) -> Result<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recorded/agents.json");
    let text = std::fs::read_to_string(&file).tried(|| format!("read {}", file.display()))?;
    let text = text
        .replace("kreg.test/registry:2.8.2", IMAGE)
        .replace("kreg-system", registry)
        .replace("kreg-nodes", agents);
    let list: Value = serde_json::from_str(&text).tried(|| format!("read {}", file.display()))?;
    let mut objects: Vec<Value> = list["items"].as_array().cloned().unwrap_or_default();
    // The cluster has one of these, and a tenant cannot write to kube-public.
    objects.retain(|object| object["metadata"]["name"] != "local-registry-hosting");
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("uid");
        }
        // Pods would bind claims and pull images while the story looks for changes.
        match object["kind"].as_str() {
            Some("Deployment") => {
                object["spec"]["replicas"] = 0.into();
                object["metadata"]["annotations"] = json!({ "kreg.dev/read-only-turn": "0" });
            }
            Some("DaemonSet") => {
                object["metadata"]["annotations"] = json!({ "kreg.dev/writes-etc": "/etc/shadow" });
                object["spec"]["template"]["spec"]["nodeSelector"] =
                    json!({ "kreg-e2e": "nowhere" });
            }
            _ => {}
        }
        if object["kind"] == "Service"
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
    }
    if registry == agents {
        let mut seen = BTreeSet::new();
        objects.retain(|object| object["kind"] != "Namespace" || seen.insert("one"));
    }
    for object in names::volunteers(registry) {
        objects.push(object);
    }
    for object in &mut objects {
        if object["kind"] == "Namespace" {
            object["metadata"]["labels"]["kreg-e2e"] = "forged".into();
            // Else the tenant's Pods would not even be made.
            object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] =
                "privileged".into();
        }
    }
    Ok(objects)
}

fn text_of(objects: &[Value]) -> String {
    objects
        .iter()
        .map(|object| object.to_string() + "\n")
        .collect()
}

/// The first line of the CA that lies in the tenant's namespace.
fn evil_ca() -> String {
    let objects = forgeries(ELSEWHERE, ELSEWHERE).unwrap_or_default();
    let ca = objects
        .iter()
        .find(|object| object["metadata"]["name"] == "docker-registry-ca");
    let encoded = ca
        .and_then(|ca| ca["data"]["ca.crt"].as_str())
        .unwrap_or_default();
    let decoded = names::decoded(encoded);
    // Of the signature: the first lines are those of every CA of this name.
    let line = decoded.lines().rev().nth(2);
    let line = line.unwrap_or("no CA was recorded");
    line.to_owned()
}

fn does_not_mention(text: &str, what: &str) -> Result<()> {
    match text.contains(what) {
        true => Err(Failure::new(format!("see nothing of `{what}`"), text)),
        false => Ok(()),
    }
}

fn kreg(world: &World, command: &[&str]) -> crate::e2e::call::Call {
    world.kreg(command.iter().copied()).input(NEW_PASSWORD)
}
