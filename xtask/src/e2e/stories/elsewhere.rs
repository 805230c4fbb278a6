//! Pulls from other namespaces, edits by other hands, and the same registry by GitOps.

use serde_json::{Value, json};

use super::steps::{down, forget_metadata};
use crate::e2e::image;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

const NAMESPACE: &str = "kreg-system";
const PULL_SECRET: &str = "docker-registry-pull";
/// What the export holds of the registry's namespace.
const EXPORTED: &str =
    "namespaces,services,configmaps,persistentvolumeclaims,deployments,networkpolicies";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    planned(scene)?;
    scene.check("kreg up --network-policy ends with 0", |world| {
        world
            .kreg(["up", "--network-policy", "--skip-verify"])
            .good()
    })?;
    stored_elsewhere(scene)?;
    pulled(scene)?;
    edited(scene)?;
    exported(scene)
}

/// What `up` will do the first time, objects and files; nothing is written.
fn planned(scene: &mut Scene<'_>) -> Result<()> {
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "kreg plan --exit-code ends with 5, shows objects and files",
        |world| {
            let words = [
                "+ Namespace kreg-system",
                "+ Deployment kreg-system/docker-registry",
                "hosts.toml",
                world.node(1)?.name.as_str(),
            ];
            let plan = ["plan", "--network-policy", "--exit-code"];
            world.kreg(plan).ends_with(5)?.shows(&words)
        },
    )?;
    scene.check("and with agents, which come with kreg up", |world| {
        let plan = ["plan", "--nodes-by", "daemonset", "--exit-code"];
        let words = ["+ Namespace kreg-system", "+ agents on the nodes"];
        world.kreg(plan).ends_with(5)?.shows(&words)
    })?;
    scene.check("nothing was written", |world| {
        before.same(&Snapshot::take(world)?)
    })
}

/// Other storage is not taken by mistake.
fn stored_elsewhere(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("agents that are to come are a change", |world| {
        let plan = ["plan", "--network-policy", "--exit-code"];
        world.kreg(plan).good()?;
        let agents = world.kreg(plan).args(["--nodes-by", "daemonset"]);
        agents.ends_with(5)?.shows(&["+ agents on the nodes"])
    })?;
    scene
        .check(
            "up and plan with other storage end with 2 and name both places and the flag",
            |world| {
                let words = [
                    "`class`",
                    "`emptydir`",
                    "--change-storage",
                    "nothing was changed",
                ];
                for command in ["up", "plan"] {
                    let other = [command, "--network-policy", "--storage", "emptydir"];
                    world.kreg(other).ends_with(2)?.says(&words)?;
                }
                let told = ["plan", "--network-policy", "--storage", "emptydir"];
                let more = ["--change-storage", "--skip-nodes", "--exit-code"];
                let plan = world.kreg(told).args(more);
                plan.ends_with(5)?.shows(&["Deployment", "emptyDir"])
            },
        )
        .map(drop)
}

/// A Pod of another namespace that names no pull secret.
fn pulled(scene: &mut Scene<'_>) -> Result<()> {
    let pushed = scene.check("a fresh image is pushed", |world| {
        image::push_fresh(world, world.node(0)?, "kreg")
    })?;
    let account = scene.check("the service account is noted", account)?;
    scene.check("without a namespace to give it to: exit code 2", |world| {
        world.kreg(["secret", "apply"]).ends_with(2)
    })?;
    scene.check(
        "a namespace that is not there: exit code 1, by name",
        |world| {
            let words = ["secret", "apply", "--namespaces", "default,no-such"];
            world.kreg(words).ends_with(1)?.says(&["no-such"])
        },
    )?;
    scene.check("kreg secret apply --all-namespaces ends with 0", |world| {
        world.kreg(["secret", "apply", "--all-namespaces"]).good()
    })?;
    scene.afterwards("the Pod", |world| {
        let words = ["delete", "pod", "elsewhere", "--ignore-not-found", "--wait"];
        world.kubectl(words).good().map(drop)
    });
    scene.check(
        "a Pod in another namespace pulls, naming no Secret",
        |world| {
            let pod = image::pod(
                "elsewhere",
                "default",
                world.node(1)?,
                &pushed.reference,
                None,
            );
            world.create(&pod)?;
            image::await_running(world, "default", "elsewhere")
        },
    )?;
    scene.check(
        "kreg user passwd kreg changes the Secret there, too",
        |world| {
            let change = ["user", "passwd", "kreg", "--password-stdin"];
            world.kreg(change).input("another").good()?;
            match secret(world, "default")? == secret(world, NAMESPACE)? {
                true => Ok(()),
                false => Err(Failure::new("see the same password in both", "they differ")),
            }
        },
    )?;
    scene.check(
        "kreg secret remove takes it out of one namespace",
        |world| {
            world
                .kreg(["secret", "remove", "--namespaces", "default"])
                .good()?;
            let words = ["get", "secret", PULL_SECRET];
            world.kubectl(words).ends_with(1)?.says(&["NotFound"])?;
            same("the service account", &account, &self::account(world)?)
        },
    )
}

/// `status` says which field, whose hand; `up` mends it.
fn edited(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("kreg status ends with 0", |world| {
        world.kreg(["status"]).good()
    })?;
    scene.check(
        "after an edit by kubectl it ends with 5: field, hand, time",
        |world| {
            let path = [
                "patch",
                "deployment",
                "docker-registry",
                "--namespace",
                NAMESPACE,
                "--field-manager",
                "kubectl-edit",
                "--patch",
                "{\"spec\":{\"template\":{\"spec\":{\"terminationGracePeriodSeconds\":99}}}}",
            ];
            world.kubectl(path).good()?;
            rolled_out(world)?;
            let time = edit_time(world)?;
            world.kreg(["status"]).ends_with(5)?.shows(&[
                ".spec.template.spec.terminationGracePeriodSeconds",
                "99",
                "kubectl-edit",
                &time,
            ])
        },
    )?;
    scene.check("kreg up mends it, and status ends with 0 again", |world| {
        world
            .kreg(["up", "--network-policy", "--skip-verify"])
            .good()?;
        world.kreg(["status"]).good()
    })?;
    scene.check(
        "after additions by kubectl it ends with 5, and plan shows them go",
        |world| {
            let place = ["--namespace", NAMESPACE];
            let set = ["set", "env", "deployment/docker-registry", "ADDED=1"];
            world.kubectl(set).args(place).good()?;
            let more = ["patch", "configmap", "docker-registry-config", "--patch"];
            let more = world.kubectl(more).args(["{\"data\":{\"more\":\"x\"}}"]);
            more.args(place).good()?;
            rolled_out(world)?;
            let fields = ["containers[registry].env[ADDED]", ".data.more"];
            world.kreg(["status"]).ends_with(5)?.shows(&fields)?;
            let plan = ["plan", "--network-policy", "--exit-code"];
            world.kreg(plan).ends_with(5)?.shows(&fields)
        },
    )?;
    scene
        .check(
            "kreg up takes them out; then nothing would change",
            |world| {
                world
                    .kreg(["up", "--network-policy", "--skip-verify"])
                    .good()?;
                world.kreg(["status"]).good()?;
                let plan = ["plan", "--network-policy", "--exit-code"];
                world.kreg(plan).good()
            },
        )
        .map(drop)
}

fn rolled_out(world: &World) -> Result<()> {
    let rollout = ["rollout", "status", "--timeout", "90s", "deployment"];
    let which = ["docker-registry", "--namespace", NAMESPACE];
    world.kubectl(rollout).args(which).good().map(drop)
}

/// As the server noted it.
fn edit_time(world: &World) -> Result<String> {
    // Whether kubectl shows managers, and by which flag, depends on its version.
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/docker-registry");
    let live: Value = world.kubectl(["get", "--raw", &path]).good()?.json()?;
    live["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["manager"] == "kubectl-edit")
        .and_then(|entry| entry["time"].as_str())
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("find the edit of kubectl-edit", "there is none"))
}

/// `kubectl apply -k` of the export makes what `up` made.
fn exported(scene: &mut Scene<'_>) -> Result<()> {
    let folder = scene.world.file("gitops").display().to_string();
    scene.check("kreg export kustomize ends with 0", |world| {
        world.kreg(["export", "kustomize", &folder]).good()
    })?;
    scene.check("no value of any Secret is in its files", |world| {
        let secrets = world.get(["secrets", "--namespace", NAMESPACE])?;
        let values: Vec<&str> = secrets["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|secret| secret["data"].as_object())
            .flat_map(|data| data.values())
            .filter_map(Value::as_str)
            .collect();
        if values.len() < 5 {
            return Err(Failure::new("find the Secrets' values", values.len()));
        }
        for entry in std::fs::read_dir(&folder).tried(|| format!("read {folder}"))? {
            let path = entry.tried(|| format!("read {folder}"))?.path();
            let text =
                std::fs::read_to_string(&path).tried(|| format!("read {}", path.display()))?;
            if values.iter().any(|value| text.contains(value)) {
                return Err(Failure::new("see no secret", path.display()));
            }
        }
        Ok(())
    })?;
    let made = scene.check("what up made is noted", wishes)?;
    let secrets = scene.check("the Secrets are kept, as a vault would", kept)?;
    scene.check(
        "kubectl apply -f of a plain export leaves the Secrets of a registry that is up alone",
        |world| {
            let folder = world.file("plain").display().to_string();
            world.kreg(["export", "plain", &folder]).good()?;
            world.kubectl(["apply", "-f", &folder]).good()?;
            match secrets == kept(world)? {
                true => Ok(()),
                false => Err(Failure::new("see the Secrets as before", "they differ")),
            }
        },
    )?;
    scene.check("kreg down ends with 0", down)?;
    scene.afterwards("what was applied by kubectl", |world| {
        let folder = world.file("gitops").display().to_string();
        let words = ["delete", "--ignore-not-found", "--wait", "-k", &folder];
        world.kubectl(words).good().map(drop)
    });
    scene.check("kubectl apply -k, and the Secrets: it is ready", |world| {
        world.kubectl(["apply", "-k", &folder]).good()?;
        world.create(&secrets)?;
        let wait = ["rollout", "status", "--timeout", "90s", "deployment"];
        world
            .kubectl(wait)
            .args(["docker-registry", "--namespace", NAMESPACE])
            .good()
    })?;
    scene.check("every object is as up had made it", |world| {
        same("the objects", &made, &wishes(world)?)
    })
}

/// The Secrets of the registry's namespace, bare of what the server notes.
fn kept(world: &World) -> Result<Value> {
    let mut secrets = world.get(["secrets", "--namespace", NAMESPACE])?;
    if let Some(secrets) = secrets["items"].as_array_mut() {
        // Kubernetes made these by itself until 1.24.
        secrets.retain(|secret| secret["type"] != "kubernetes.io/service-account-token");
    }
    for secret in secrets["items"].as_array_mut().into_iter().flatten() {
        let name = secret["metadata"]["name"].clone();
        secret["metadata"] = json!({ "name": name, "namespace": NAMESPACE });
    }
    Ok(secrets)
}

fn account(world: &World) -> Result<Value> {
    let mut account = world.get(["serviceaccount", "default"])?;
    forget(&mut account);
    Ok(account)
}

fn secret(world: &World, namespace: &str) -> Result<Value> {
    let secret = world.get(["secret", PULL_SECRET, "--namespace", namespace])?;
    Ok(secret["data"].clone())
}

/// What was asked for of each object of the registry, by whatever means.
fn wishes(world: &World) -> Result<Value> {
    let label = "--selector=kreg.dev/instance=docker-registry";
    let mut list = world.get([EXPORTED, "--all-namespaces", label])?;
    let objects = list["items"].as_array_mut().map(std::mem::take);
    let mut objects: Vec<Value> = objects.unwrap_or_default().into_iter().collect();
    objects.iter_mut().for_each(forget);
    match objects.len() {
        5.. => Ok(objects.into()),
        few => Err(Failure::new("find the registry's objects", few)),
    }
}

/// Drops what the server and the tools that write note for themselves.
fn forget(object: &mut Value) {
    if let Some(all) = object.as_object_mut() {
        all.remove("status");
    }
    forget_metadata(object);
    if let Some(metadata) = object["metadata"].as_object_mut()
        && let Some(Value::Object(notes)) = metadata.get_mut("annotations")
    {
        notes.retain(|key, _| key.starts_with("kreg.dev/"));
        if notes.is_empty() {
            metadata.remove("annotations");
        }
    }
    // The name of the volume that was bound.
    if object["kind"] == "PersistentVolumeClaim"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("volumeName");
    }
}

fn same(what: &str, before: &Value, after: &Value) -> Result<()> {
    match before == after {
        true => Ok(()),
        false => Err(Failure::new(
            format!("see {what} as before"),
            format!("{before}\nbecame\n{after}"),
        )),
    }
}
