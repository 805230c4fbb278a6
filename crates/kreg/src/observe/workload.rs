//! The registry's workload, its Pods, and what they need.

use std::collections::{BTreeMap, BTreeSet};

use kreg_k8s::{Kind, Names, Object, ObjectRef, Query};
use kreg_verify::doctor::{Observations, PodSeen, Workload};
use serde_json::Value;

use super::claim;
use super::look::Look;
use crate::error::Error;

const LOG_LINES: u32 = 12;

/// Deployment or Pod, its Pods, what they mount and their claim.
pub(super) async fn workload(look: &mut Look<'_>, seen: &mut Observations) -> Result<(), Error> {
    let place = look.registry.place();
    let names = Names::of(place);
    let Some(live) = look.get(&names.workload).await? else {
        return Ok(());
    };
    let live = live.filter(|live| !live.is_terminating());
    seen.workload_gone = live.is_none();
    let Some(live) = live else { return Ok(()) };
    let pod_spec = match live.reference().kind() {
        Kind::Pod => "/spec",
        _ => "/spec/template/spec",
    };
    let pods = pods(look, place.namespace(), &live).await?;
    for pod in &pods {
        seen.pods.push(self::pod(look, pod).await?);
    }
    let number = |at: &str| u32::try_from(live.number(at).unwrap_or_default()).unwrap_or_default();
    let container = live.value().pointer(&format!("{pod_spec}/containers/0"));
    let missing = missing(look, &live, pod_spec).await?;
    let bare = live.reference().kind() == Kind::Pod;
    seen.workload = Some(Workload {
        object: live.reference().to_string(),
        wanted: if bare { 1 } else { number("/spec/replicas") },
        ready: if bare {
            u32::from(seen.pods.iter().any(|pod| pod.ready))
        } else {
            number("/status/readyReplicas")
        },
        image: live
            .text(&format!("{pod_spec}/containers/0/image"))
            .unwrap_or_default()
            .to_owned(),
        shares_secret: container.is_some_and(|container| {
            let variables = container["env"].as_array();
            variables.is_some_and(|all| all.iter().any(|one| one["name"] == "REGISTRY_HTTP_SECRET"))
        }),
        missing,
        refused: live
            .items("/status/conditions")
            .iter()
            .find(|one| one["type"] == "ReplicaFailure" && one["status"] == "True")
            .and_then(|one| Some(one["message"].as_str()?.to_owned())),
    });
    if let Some(name) = volumes(&live, pod_spec)
        .find_map(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str())
    {
        let reference = ObjectRef::new(Kind::PersistentVolumeClaim, place.namespace(), name);
        seen.storage.claim = claim::seen(look, &reference).await?;
    }
    Ok(())
}

async fn pods(
    look: &mut Look<'_>,
    namespace: &str,
    workload: &Object,
) -> Result<Vec<Object>, Error> {
    if workload.reference().kind() == Kind::Pod {
        return Ok(vec![workload.clone()]);
    }
    let selector = workload.value()["spec"]["selector"]["matchLabels"].as_object();
    let labels: Vec<String> = selector
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let query = Query::all(Kind::Pod)
        .within(namespace)
        .labelled(labels.join(","));
    let mut pods = look.list(&query).await?;
    pods.retain(|pod| !pod.is_terminating());
    Ok(pods)
}

async fn pod(look: &mut Look<'_>, pod: &Object) -> Result<PodSeen, Error> {
    let condition = |name: &str| {
        let all = pod.items("/status/conditions").iter();
        all.clone().find(|one| one["type"] == name)
    };
    let status = pod.value().pointer("/status/containerStatuses/0");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let ready = condition("Ready").is_some_and(|one| one["status"] == "True");
    let mut log = Vec::new();
    if !ready {
        let name = status
            .and_then(|one| one["name"].as_str())
            .unwrap_or("registry");
        for previous in [true, false] {
            let text = look
                .cluster()
                .pod_log(pod.reference(), name, previous, LOG_LINES)
                .await;
            // distribution prints the password that it makes up where it finds no htpasswd file.
            let text = text.unwrap_or_default();
            let lines = text.lines().filter(|line| !line.contains("password"));
            log.extend(lines.map(str::to_owned));
        }
    }
    let ports = pod.items("/spec/containers").iter().flat_map(|container| {
        let ports = container["ports"].as_array().into_iter().flatten();
        ports.filter_map(|port| {
            let number = u16::try_from(port["containerPort"].as_u64()?).ok()?;
            Some((port["name"].as_str().unwrap_or_default().to_owned(), number))
        })
    });
    let unscheduled = condition("PodScheduled")
        .filter(|one| one["status"] == "False")
        .and_then(|one| text(&one["message"]));
    Ok(PodSeen {
        object: pod.reference().to_string(),
        node: pod.text("/spec/nodeName").map(str::to_owned),
        ready,
        labels: labels(pod.value()["metadata"].get("labels")),
        ports: ports.collect(),
        waiting: status.and_then(|one| text(&one["state"]["waiting"]["reason"])),
        unscheduled,
        restarts: status
            .and_then(|one| u32::try_from(one["restartCount"].as_u64()?).ok())
            .unwrap_or_default(),
        events: if ready {
            Vec::new()
        } else {
            look.events(pod).await?
        },
        log,
    })
}

pub(super) fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = value.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn volumes<'a>(workload: &'a Object, pod_spec: &str) -> impl Iterator<Item = &'a Value> {
    workload.items(&format!("{pod_spec}/volumes")).iter()
}

/// Secrets, ConfigMaps and claims that the Pods need and that are not there.
async fn missing(
    look: &mut Look<'_>,
    workload: &Object,
    pod_spec: &str,
) -> Result<Vec<String>, Error> {
    let namespace = workload
        .reference()
        .namespace()
        .unwrap_or_default()
        .to_owned();
    let mut needed = BTreeSet::new();
    let mut need = |kind, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str) {
            needed.insert((kind, name.to_owned()));
        }
    };
    for volume in volumes(workload, pod_spec) {
        need(Kind::Secret, volume.pointer("/secret/secretName"));
        need(Kind::ConfigMap, volume.pointer("/configMap/name"));
        need(
            Kind::PersistentVolumeClaim,
            volume.pointer("/persistentVolumeClaim/claimName"),
        );
    }
    for container in workload.items(&format!("{pod_spec}/containers")) {
        for variable in container["env"].as_array().into_iter().flatten() {
            need(
                Kind::Secret,
                variable.pointer("/valueFrom/secretKeyRef/name"),
            );
        }
    }
    let mut missing = Vec::new();
    for (kind, name) in needed {
        let reference = ObjectRef::new(kind, &namespace, &name);
        if matches!(look.get(&reference).await?, Some(None)) {
            missing.push(reference.to_string());
        }
    }
    Ok(missing)
}
