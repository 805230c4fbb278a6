//! What goes wrong with the registry's own Pods.

use serde_json::{Value, json};

use super::breaks::{
    Break, NAME, by_up, by_up_whole, delete, give_back, keep, kept, merge, nothing, patch, ready,
    restart, restarted,
};
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

const DEPLOYMENT: &str = "deployment/docker-registry";
const QUOTA: &str = "kreg-doctor";
const CONFIG: &str = "docker-registry-config";

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "scaled-to-zero",
        what: "no replicas",
        breaks: |world| merge(world, DEPLOYMENT, &json!({ "spec": { "replicas": 0 } })),
        fixes: |world| {
            merge(world, DEPLOYMENT, &json!({ "spec": { "replicas": 1 } }))?;
            ready(world)
        },
    },
    Break {
        id: "changed-by-hand",
        what: "a strategy with parameters, which an apply alone does not take back",
        breaks: |world| {
            let parameters = json!({ "maxSurge": 1, "maxUnavailable": 0 });
            let strategy = json!({ "type": "RollingUpdate", "rollingUpdate": parameters });
            merge(
                world,
                DEPLOYMENT,
                &json!({ "spec": { "strategy": strategy } }),
            )
        },
        fixes: by_up,
    },
    Break {
        id: "config-broken",
        what: "a config.yml that is no YAML",
        breaks: |world| {
            keep(world, "configmap", CONFIG)?;
            config(world, |_| "version: [\n".to_owned())
        },
        fixes: nothing,
    },
    Break {
        id: "plain-http",
        what: "a registry without TLS",
        breaks: |world| {
            config(world, |text| {
                text.replace(
                    "  tls:\n    certificate: /certs/tls.crt\n    key: /certs/tls.key\n",
                    "",
                )
            })
        },
        fixes: nothing,
    },
    Break {
        id: "read-only",
        what: "a registry that a garbage collection left read-only",
        breaks: |world| {
            config(world, |text| {
                text.replace(
                    "storage:\n",
                    "storage:\n  maintenance:\n    readonly:\n      enabled: true\n",
                )
            })
        },
        fixes: |world| {
            give_back(world, "configmap", CONFIG)?;
            restarted(world)
        },
    },
    Break {
        id: "secret-missing",
        what: "a Secret that its Pod mounts was deleted",
        breaks: |world| {
            keep(world, "secret", "docker-registry-htpasswd")?;
            delete(world, "secret/docker-registry-htpasswd")?;
            restart(world)
        },
        fixes: |world| {
            world.create(&kept(world, "secret", "docker-registry-htpasswd")?)?;
            restarted(world)
        },
    },
    Break {
        id: "registry-not-ready",
        what: "a quota that lets no Pod be made",
        breaks: |world| {
            world.create(&json!({
                "apiVersion": "v1", "kind": "ResourceQuota",
                "metadata": { "name": QUOTA, "namespace": super::breaks::NAMESPACE },
                "spec": { "hard": { "pods": "0" } },
            }))?;
            restart(world)
        },
        fixes: |world| {
            no_quota(world)?;
            // Its controller would try again in ever longer intervals.
            merge(world, DEPLOYMENT, &json!({ "spec": { "replicas": 0 } }))?;
            merge(world, DEPLOYMENT, &json!({ "spec": { "replicas": 1 } }))?;
            ready(world)
        },
    },
    Break {
        id: "unschedulable",
        what: "a Pod that no node takes",
        breaks: |world| pod_spec(world, json!({ "nodeSelector": { "no-such": "node" } })),
        fixes: |world| pod_spec(world, json!({ "nodeSelector": null })),
    },
    Break {
        id: "registry-image",
        what: "a registry image that nobody has",
        breaks: |world| image(world, "nowhere.invalid/registry:9"),
        fixes: nothing,
    },
    Break {
        id: "crash-loop",
        what: "a registry that ends again and again",
        breaks: |world| {
            let image = kept_image(world)?;
            let container = json!({ "name": "registry", "image": image, "command": ["/bin/sh", "-c", "echo gone; exit 3"] });
            strategic(world, json!({ "containers": [container] }))
        },
        fixes: by_up_whole,
    },
    Break {
        id: "no-shared-secret",
        what: "two Pods that share no http.secret",
        breaks: |world| {
            let container = json!({ "name": "registry", "env": [{ "name": "REGISTRY_HTTP_SECRET", "$patch": "delete" }] });
            strategic(world, json!({ "containers": [container] }))?;
            merge(world, DEPLOYMENT, &json!({ "spec": { "replicas": 2 } }))?;
            ready(world)
        },
        fixes: by_up_whole,
    },
    Break {
        id: "registry-gone",
        what: "no Deployment",
        breaks: |world| delete(world, DEPLOYMENT),
        fixes: by_up,
    },
];

/// Whatever a break that failed half way may have left.
pub(super) fn put_back(world: &World) -> Result<()> {
    no_quota(world)
}

fn no_quota(world: &World) -> Result<()> {
    let words = ["delete", "resourcequota", QUOTA, "--ignore-not-found"];
    world
        .kubectl(words)
        .args(["--namespace", super::breaks::NAMESPACE])
        .good()
        .map(drop)
}

/// Changes config.yml as it was kept, and starts a Pod with it.
fn config(world: &World, change: fn(&str) -> String) -> Result<()> {
    let before = kept(world, "configmap", CONFIG)?;
    let text = before["data"]["config.yml"].as_str().unwrap_or_default();
    let after = change(text);
    if after == text {
        return Err(Failure::new("change the configuration", "it is as before"));
    }
    merge(
        world,
        &format!("configmap/{CONFIG}"),
        &json!({ "data": { "config.yml": after } }),
    )?;
    restart(world)
}

fn pod_spec(world: &World, change: Value) -> Result<()> {
    merge(
        world,
        DEPLOYMENT,
        &json!({ "spec": { "template": { "spec": change } } }),
    )
}

fn strategic(world: &World, change: Value) -> Result<()> {
    let change = json!({ "spec": { "template": { "spec": change } } });
    patch(world, DEPLOYMENT, "strategic", &change)
}

/// The image before is kept for who fixes it.
fn image(world: &World, image: &str) -> Result<()> {
    keep(world, "deployment", NAME)?;
    strategic(
        world,
        json!({ "containers": [{ "name": "registry", "image": image }] }),
    )
}

fn kept_image(world: &World) -> Result<Value> {
    let before = kept(world, "deployment", NAME)?;
    Ok(before["spec"]["template"]["spec"]["containers"][0]["image"].clone())
}
