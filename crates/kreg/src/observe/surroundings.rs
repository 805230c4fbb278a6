//! What is around the workload: Service, policies, StorageClasses, and who else writes to nodes.

use kreg_k8s::{Kind, Names, Object, Query, RegistrySpec};
use kreg_verify::doctor::{
    Observations, PodSeen, Policy, ServiceSeen, StorageClass, admits_nodes, chooses,
};
use serde_json::Value;

use super::look::Look;
use super::workload::labels;
use crate::error::Error;

pub(super) async fn surroundings(
    look: &mut Look<'_>,
    seen: &mut Observations,
) -> Result<(), Error> {
    let registry = look.registry;
    let names = Names::of(registry.place());
    if let Some(live) = look.get(&names.service).await? {
        seen.service_gone = live.is_none();
        seen.registry.address = live
            .as_ref()
            .and_then(|live| live.text("/spec/clusterIP")?.parse().ok());
        seen.service = live.as_ref().map(service);
    }
    let query = Query::all(Kind::NetworkPolicy).within(registry.place().namespace());
    let nodes: Vec<_> = registry
        .facts()
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
                object: policy.reference().to_string(),
                admits_nodes: admits_nodes(value, &nodes, RegistrySpec::CONTAINER_PORT),
            });
        }
    }
    let classes = registry.facts().storage_classes.iter();
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
        .map(|agent| agent.reference().to_string())
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
        object: live.reference().to_string(),
        selector: labels(live.value()["spec"].get("selector")),
        ports: ports.collect(),
    }
}
