//! The registry's objects in the cluster.

use std::collections::{BTreeMap, BTreeSet};

use kreg_k8s::Cluster as _;
use kreg_k8s::{Kind, Names, Object, ObjectRef, Query, RegistrySpec, RegistryState};
use kreg_verify::doctor::{
    Claim, Observations, PodSeen, Policy, Registry, ServiceSeen, StorageClass, Workload,
    admits_nodes, chooses,
};
use serde_json::Value;

use super::{Look, titled};
use crate::args::ProfileArg;
use crate::config::Backend;
use crate::error::Error;
use crate::session::Session;

const LOG_LINES: u32 = 12;

pub(super) fn registry(session: &Session, state: &RegistryState) -> Registry {
    let (settings, spec) = (&session.settings, &session.spec);
    let names = Names::of(spec);
    let mut options = String::new();
    if settings.profile == ProfileArg::Tutorial {
        options.push_str(" --profile tutorial");
    }
    if settings.namespace != settings.profile.namespace() {
        options.push_str(&format!(" --namespace {}", settings.namespace));
    }
    if settings.name != "docker-registry" {
        options.push_str(&format!(" --name {}", settings.name));
    }
    if settings.nodes.backend == Backend::OpenSsh {
        options.push_str(" --nodes-by openssh");
    }
    Registry {
        host: spec.registry_name(),
        instance: spec.instance().to_owned(),
        namespace: spec.namespace().to_owned(),
        port: spec.port(),
        known_address: state.inventory.as_ref().and_then(|known| known.cluster_ip),
        by_name: settings.profile == ProfileArg::Tutorial,
        options,
        pull_secret: names.pull_secret.name().to_owned(),
        htpasswd_secret: names.htpasswd.name().to_owned(),
        tls_secret: names.tls.name().to_owned(),
        ..Registry::default()
    }
}

/// Deployment or Pod, its Pods, what they mount and their claim.
pub(super) async fn workload(
    look: &mut Look<'_>,
    session: &Session,
    seen: &mut Observations,
) -> Result<(), Error> {
    let names = Names::of(&session.spec);
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
    let pods = pods(look, &session.spec, &live).await?;
    for pod in &pods {
        seen.pods.push(self::pod(look, pod).await?);
    }
    let number = |at: &str| u32::try_from(live.number(at).unwrap_or_default()).unwrap_or_default();
    let container = live.value().pointer(&format!("{pod_spec}/containers/0"));
    let missing = missing(look, &live, pod_spec).await?;
    let bare = live.reference().kind() == Kind::Pod;
    seen.workload = Some(Workload {
        object: titled(live.reference()),
        wanted: if bare { 1 } else { number("/spec/replicas") },
        ready: match bare {
            true => u32::from(seen.pods.iter().any(|pod| pod.ready)),
            false => number("/status/readyReplicas"),
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
        let reference = ObjectRef::new(Kind::PersistentVolumeClaim, session.spec.namespace(), name);
        seen.storage.claim = claim(look, &reference).await?;
    }
    Ok(())
}

async fn pods(
    look: &mut Look<'_>,
    spec: &RegistrySpec,
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
        .within(spec.namespace())
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
            let told = look
                .cluster
                .pod_log(pod.reference(), name, previous, LOG_LINES)
                .await;
            // distribution prints the password that it makes up where it finds no htpasswd file.
            let told = told.unwrap_or_default();
            let lines = told.lines().filter(|line| !line.contains("password"));
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
        object: titled(pod.reference()),
        node: pod.text("/spec/nodeName").map(str::to_owned),
        ready,
        labels: labels(pod.value()["metadata"].get("labels")),
        ports: ports.collect(),
        waiting: status.and_then(|one| text(&one["state"]["waiting"]["reason"])),
        unscheduled,
        restarts: status
            .and_then(|one| u32::try_from(one["restartCount"].as_u64()?).ok())
            .unwrap_or_default(),
        events: match ready {
            true => Vec::new(),
            false => look.events(pod).await?,
        },
        log,
    })
}

fn labels(value: Option<&Value>) -> BTreeMap<String, String> {
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
            missing.push(titled(&reference));
        }
    }
    Ok(missing)
}

pub(super) async fn claim(
    look: &mut Look<'_>,
    reference: &ObjectRef,
) -> Result<Option<Claim>, Error> {
    let Some(Some(live)) = look.get(reference).await? else {
        return Ok(None);
    };
    let phase = live.text("/status/phase").unwrap_or("Pending").to_owned();
    let bound = phase == "Bound";
    let text = |at: &str| live.text(at).map(str::to_owned);
    let volume = text("/spec/volumeName");
    let mut meant = None;
    if !bound {
        let volumes = look.list(&Query::all(Kind::PersistentVolume)).await?;
        meant = volumes
            .iter()
            .find(|one| {
                let named = volume.as_deref() == Some(one.reference().name());
                let names = one.text("/spec/claimRef/name") == Some(reference.name())
                    && one.text("/spec/claimRef/namespace") == reference.namespace();
                let classless = one.text("/spec/storageClassName").is_none_or(str::is_empty);
                (named || names) && classless
            })
            .map(|one| format!("volume {}", one.reference().name()));
    }
    Ok(Some(Claim {
        object: titled(reference),
        class: text("/spec/storageClassName"),
        volume,
        meant,
        events: match bound {
            true => Vec::new(),
            false => look.events(&live).await?,
        },
        phase,
    }))
}

/// Service, policies, StorageClasses, and who else writes to nodes.
pub(super) async fn surroundings(
    look: &mut Look<'_>,
    session: &Session,
    seen: &mut Observations,
) -> Result<(), Error> {
    let names = Names::of(&session.spec);
    if let Some(live) = look.get(&names.service).await? {
        seen.service_gone = live.is_none();
        seen.registry.address = live
            .as_ref()
            .and_then(|live| live.text("/spec/clusterIP")?.parse().ok());
        seen.service = live.as_ref().map(service);
    }
    let query = Query::all(Kind::NetworkPolicy).within(session.spec.namespace());
    let nodes: Vec<_> = session
        .facts
        .nodes
        .iter()
        .filter_map(|node| node.addresses.first().copied())
        .collect();
    for policy in look.list(&query).await? {
        let value = policy.value();
        let chosen = |pod: &PodSeen| chooses(&value["spec"]["podSelector"], &pod.labels);
        let types = value["spec"]["policyTypes"].as_array();
        let inward = types.is_none_or(|types| types.iter().any(|one| one == "Ingress"));
        if inward && seen.pods.iter().any(chosen) {
            seen.policies.push(Policy {
                object: titled(policy.reference()),
                admits_nodes: admits_nodes(value, &nodes, RegistrySpec::CONTAINER_PORT),
            });
        }
    }
    let classes = session.facts.storage_classes.iter();
    seen.storage.classes = classes
        .map(|class| StorageClass {
            name: class.name.clone(),
            default: class.default,
            provisioner: class.provisioner.clone(),
        })
        .collect();
    let agents = look.list(&Query::all(Kind::DaemonSet)).await?;
    let known = |agent: &&Object| {
        let name = agent.reference().name();
        ["node-ca", "spegel", "node-ca-injector"]
            .iter()
            .any(|one| name.contains(one))
    };
    seen.foreign_agents = agents
        .iter()
        .filter(known)
        .map(|agent| titled(agent.reference()))
        .collect();
    Ok(())
}

fn service(live: &Object) -> ServiceSeen {
    let ports = live.items("/spec/ports").iter().filter_map(|port| {
        let own = u16::try_from(port["port"].as_u64()?).ok()?;
        let target = match &port["targetPort"] {
            Value::String(name) => name.clone(),
            Value::Null => own.to_string(),
            number => number.to_string(),
        };
        Some((own, target))
    });
    ServiceSeen {
        object: titled(live.reference()),
        selector: labels(live.value()["spec"].get("selector")),
        ports: ports.collect(),
    }
}
