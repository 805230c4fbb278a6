//! The way from a node to the registry.

use crate::doctor::{Action, Change, Diagnosis, Fix, Observations, Route, Severity, Signature};

pub(super) fn service(seen: &Observations) -> Vec<Diagnosis> {
    if !seen.service_gone {
        return Vec::new();
    }
    let registry = &seen.registry;
    vec![
        Diagnosis::new(
            Signature::ServiceGone,
            format!(
                "the registry's Service is not there in namespace {}",
                registry.namespace
            ),
        )
        .seen_all(
            registry
                .known_address
                .map(|address| format!("nodes still go to {address}, where nothing answers")),
        )
        .fix(Action::Apply(None)),
    ]
}

/// Whether the Service's selector is a part of the Pod's labels.
fn chosen(seen: &Observations) -> impl Iterator<Item = &crate::doctor::PodSeen> {
    let service = seen.service.as_ref();
    seen.pods.iter().filter(move |pod| {
        service.is_some_and(|service| {
            !service.selector.is_empty()
                && service
                    .selector
                    .iter()
                    .all(|(key, value)| pod.labels.get(key) == Some(value))
        })
    })
}

pub(super) fn selector(seen: &Observations) -> Vec<Diagnosis> {
    let Some(service) = &seen.service else {
        return Vec::new();
    };
    if seen.pods.is_empty() || chosen(seen).next().is_some() {
        return Vec::new();
    }
    let pod = &seen.pods[0];
    let differ: Vec<_> = service
        .selector
        .iter()
        .filter(|(key, value)| pod.labels.get(*key) != Some(value))
        .map(|(key, value)| {
            let has = pod.labels.get(key).map_or("unset", String::as_str);
            format!("selector {key}={value}; {} has {has}", pod.object)
        })
        .collect();
    vec![
        Diagnosis::new(
            Signature::SelectorMismatch,
            "the Service chooses none of the registry's Pods: its selector does not match their labels",
        )
        .seen_all(differ)
        .about(&service.object)
        .fix(Action::Apply(None)),
    ]
}

pub(super) fn target_port(seen: &Observations) -> Vec<Diagnosis> {
    let Some(service) = &seen.service else {
        return Vec::new();
    };
    let port = seen.registry.port;
    let Some((_, target)) = service.ports.iter().find(|(own, _)| *own == port) else {
        let has: Vec<_> = service
            .ports
            .iter()
            .map(|(own, _)| own.to_string())
            .collect();
        return vec![
            Diagnosis::new(
                Signature::ServicePort,
                format!("the Service has no port {port}, which image names carry"),
            )
            .seen(format!("it has {}", has.join(", ")))
            .about(&service.object)
            .fix(Action::Apply(None)),
        ];
    };
    let open = |pod: &crate::doctor::PodSeen| {
        pod.ports.is_empty()
            || pod
                .ports
                .iter()
                .any(|(name, number)| target == name || *target == number.to_string())
    };
    let wrong = chosen(seen).find(|pod| !open(pod));
    wrong
        .map(|pod| {
            let listens: Vec<_> = pod.ports.iter().map(|(_, number)| number.to_string()).collect();
            Diagnosis::new(
                Signature::ServicePort,
                format!("the Service leads port {port} to port {target} of the Pod, where nothing listens"),
            )
            .seen(format!("{} listens at {}", pod.object, listens.join(", ")))
            .about(&service.object)
            .fix(Action::Apply(None))
        })
        .into_iter()
        .collect()
}

/// A Service that was deleted and made again has another address; certificate and nodes go by the
/// old one.
pub(super) fn address_changed(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let (Some(now), Some(then)) = (registry.address, registry.known_address) else {
        return Vec::new();
    };
    if now == then {
        return Vec::new();
    }
    let one = Diagnosis::new(
        Signature::AddressChanged,
        format!("the Service's address is {now} now; nodes and certificate go by {then}"),
    )
    .seen("the Service was deleted and made again: a ClusterIP never changes otherwise")
    .fix(Action::Apply(None));
    vec![match &seen.service {
        Some(service) => one.about(&service.object),
        None => one,
    }]
}

/// A policy that lets no node in. What the network makes of it is another matter: some do not
/// enforce policies, and all let in what comes from the Pod's own node.
pub(super) fn policies(seen: &Observations) -> Vec<Diagnosis> {
    // What one policy lets in, no other keeps out.
    let admitted = seen.policies.iter().any(|policy| policy.admits_nodes);
    let Some(policy) = seen.policies.first().filter(|_| !admitted) else {
        return Vec::new();
    };
    let blocked: Vec<_> = seen
        .nodes
        .iter()
        .filter(|node| matches!(node.route, Some(Route::Silent | Route::Refused)))
        .map(|node| node.name.as_str())
        .collect();
    let names: Vec<_> = seen
        .policies
        .iter()
        .map(|policy| policy.object.as_str())
        .collect();
    let port = seen.registry.port;
    let mut one = Diagnosis::new(
        Signature::NetworkPolicy,
        "a NetworkPolicy keeps nodes away from the registry: image pulls come from nodes, which no podSelector matches",
    )
    .seen(format!("the registry's Pods are chosen by {}; no policy lets in an ipBlock with the nodes, or everybody, at port {port}", names.join(", ")))
    .about(&policy.object)
    .fix(Action::Apply(Some(Change::NetworkPolicy)))
    .fix("it adds a policy that lets everybody in at the registry's port alone (TLS and password stay); or delete the one above");
    one = match blocked.is_empty() {
        true => Diagnosis {
            severity: Severity::Warning,
            ..one
        }
        .seen("every node gets through at the moment: this cluster's network does not enforce it, or not yet"),
        false => one.seen(format!("cannot connect: {}", blocked.join(", "))),
    };
    vec![one]
}

pub(super) fn routes(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let to = match (registry.address, registry.known_address) {
        (Some(address), _) | (None, Some(address)) => format!("{address} port {}", registry.port),
        _ => registry.host.clone(),
    };
    let all = seen.nodes.iter().filter_map(|node| {
        let said = match node.route? {
            Route::Open => return None,
            Route::Refused => "connection refused: no Pod behind the Service is ready, or a firewall rejects it",
            Route::Silent => "no answer: a firewall, a NetworkPolicy or a missing route swallows it",
        };
        Some(
            Diagnosis::new(
                Signature::RouteBlocked,
                format!("node {} cannot connect to the registry at {to}", node.name),
            )
            .seen(said)
            .on(&node.name)
            .fix(Fix::on(
                &node.name,
                format!(
                    "iptables-save | grep {}; ip route get {}",
                    registry.port,
                    to.split(' ').next().unwrap_or_default()
                ),
            ))
            .fix("see that kube-proxy (or what replaces it) and the network's agent run on this node: kubectl -n kube-system get pods -o wide"),
        )
    });
    all.collect()
}
