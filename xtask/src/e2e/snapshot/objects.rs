//! The objects of the API, of every kind that the server lists.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// Kinds that are left out because they come and go by themselves; each with its reason.
const EXCLUDED: &[(&str, &str)] = &[
    ("events", "a log, not a state; expires after an hour"),
    ("events.events.k8s.io", "the same"),
    (
        "leases.coordination.k8s.io",
        "heartbeats, renewed every few seconds",
    ),
    (
        "componentstatuses",
        "computed on every request, never stored",
    ),
    (
        "certificatesigningrequests.certificates.k8s.io",
        "kubelets' requests; removed an hour after they were approved",
    ),
];

/// Identity and wish of every object: all of it but what controllers report.
pub(super) fn all(world: &World) -> Result<BTreeMap<String, String>> {
    let kinds = world.listed_kinds()?;
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !EXCLUDED.iter().any(|(left_out, _)| left_out == kind))
        .collect();
    // One call for all kinds: kubectl starts slowly.
    let list = world.get([&kinds.join(","), "--all-namespaces"])?;
    entries(&list, |object| {
        let mut wish = object.clone();
        let of_pods = object["kind"] == "EndpointSlice";
        if let Some(all) = wish.as_object_mut() {
            // What controllers saw, not what anybody asked for.
            all.remove("status");
        }
        if let Some(metadata) = wish["metadata"].as_object_mut() {
            // Moves with the status, too, as versions do.
            metadata.remove("managedFields");
            if of_pods {
                // Counts how often a Pod was not ready and was ready again.
                metadata.remove("generation");
            }
            if let Some(notes) = metadata
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
            {
                // When the endpoints controller last looked at it.
                notes.remove("endpoints.kubernetes.io/last-change-trigger-time");
                if notes.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
        without_versions(&mut wish);
        wish.to_string()
    })
}

/// Its own, and those of other objects that it tells of, as endpoints of Kubernetes 1.20 do of Pods. Keys in order: one
/// that was taken out above leaves the others in another.
fn without_versions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("resourceVersion");
            fields.sort_keys();
            fields.values_mut().for_each(without_versions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_versions),
        _ => {}
    }
}

/// Version of every object that kreg manages: moves with any write, be it without effect.
pub(super) fn managed(world: &World) -> Result<BTreeMap<String, String>> {
    const KINDS: &str = "namespaces,pods,deployments,services,secrets,configmaps,\
                         persistentvolumes,persistentvolumeclaims,networkpolicies";
    let selector = "--selector=app.kubernetes.io/managed-by=kreg";
    let list = world.get([KINDS, "--all-namespaces", selector])?;
    entries(&list, |object| {
        let metadata = &object["metadata"];
        format!("{} {}", metadata["uid"], metadata["resourceVersion"])
    })
}

pub(super) fn remove(world: &World, key: &str) -> Result<()> {
    let Some((kind, (namespace, name))) = key
        .split_once(' ')
        .and_then(|(kind, rest)| Some((kind, rest.split_once('/')?)))
    else {
        return Ok(());
    };
    let mut arguments = vec!["delete", kind, name, "--ignore-not-found", "--wait=false"];
    if !namespace.is_empty() {
        arguments.extend(["--namespace", namespace]);
    }
    world.kubectl(arguments).good().map(drop)
}

fn entries(list: &Value, describe: impl Fn(&Value) -> String) -> Result<BTreeMap<String, String>> {
    let items = list["items"]
        .as_array()
        .ok_or_else(|| Failure::new("list the objects of the API", "kubectl gave no list"))?;
    Ok(items
        .iter()
        .map(|object| {
            let metadata = &object["metadata"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let key = format!(
                "{} {}/{}",
                text(&object["kind"]),
                text(&metadata["namespace"]),
                text(&metadata["name"])
            );
            (key, describe(object))
        })
        .collect())
}
