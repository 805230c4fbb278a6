//! How nodes are set up, and whether they can be looked at.

use crate::doctor::{Contact, Diagnosis, NodeSeen, Observations, Signature, swallows};

/// How far a clock may be off, in seconds: certificates are backdated by minutes, and asking takes
/// a moment.
const CLOCK_GRACE: i64 = 60;

pub(super) fn contact(seen: &Observations) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for node in &seen.nodes {
        if let Some(why) = &node.not_ready {
            found.push(
                Diagnosis::new(
                    Signature::NodeNotReady,
                    format!("node {} is not ready", node.name),
                )
                .seen(why)
                .on(&node.name)
                .fix(format!("kubectl describe node {}", node.name))
                .fix(format!(
                    "on {}: systemctl status kubelet, and so its runtime: containerd, crio or docker",
                    node.name
                )),
            );
        }
        if let Some(why) = &node.agent {
            found.push(agentless(seen, node, why));
        } else if let Contact::Failed { reason, remedy } = &node.contact {
            found.push(
                Diagnosis::new(
                    Signature::NodeUnreachable,
                    format!("node {} could not be looked at", node.name),
                )
                .seen(reason)
                .on(&node.name)
                .fix(remedy),
            );
        }
    }
    found
}

/// Without an agent nobody keeps the node's files, and nobody can look at them.
fn agentless(seen: &Observations, node: &NodeSeen, why: &str) -> Diagnosis {
    let one = Diagnosis::new(
        Signature::AgentMissing,
        format!(
            "no agent keeps node {}: it does not get the registry's trust, or loses it unnoticed",
            node.name
        ),
    )
    .seen(why)
    .on(&node.name);
    let one = match &node.contact {
        Contact::Failed { reason, .. } => one.seen(reason),
        _ => one,
    };
    one.fix(format!(
        "what keeps its Pod away: kubectl -n kreg-nodes describe daemonset,pods -l kreg.dev/node-agent={}",
        seen.registry.instance
    ))
    .fix(format!(
        "what keeps Pods off the node: kubectl describe node {}",
        node.name
    ))
    .fix(seen.registry.kreg("nodes trust"))
}

pub(super) fn clock(seen: &Observations) -> Vec<Diagnosis> {
    let all =
        seen.nodes.iter().filter_map(|node| {
            let ahead = node.clock_ahead.filter(|ahead| ahead.abs() > CLOCK_GRACE)?;
            let direction = if ahead > 0 { "ahead" } else { "behind" };
            Some(
            Diagnosis::new(
                Signature::ClockSkew,
                format!(
                    "the clock of node {} is {} {direction}: it judges certificates by another day",
                    node.name,
                    span(ahead.unsigned_abs())
                ),
            )
            .seen(format!("compared with the API server's clock: {ahead:+} s"))
            .on(&node.name)
            .fix(format!("on {}: timedatectl set-ntp true; timedatectl status", node.name)),
        )
        });
    all.collect()
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub(super) fn proxy(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let host = match (
        registry.by_name,
        registry.address.or(registry.known_address),
    ) {
        (false, Some(address)) => address.to_string(),
        _ => registry.name().to_owned(),
    };
    let all = seen.nodes.iter().filter_map(|node| {
        let variable = swallows(&node.proxy, &host, registry.port)?;
        let show = |name: &&str| {
            let value = node.proxy.get(*name)?;
            Some(format!("the runtime's environment: {name}={value}"))
        };
        let names = [variable, "NO_PROXY", "no_proxy"];
        let exceptions = node.proxy.get("NO_PROXY").or_else(|| node.proxy.get("no_proxy"));
        let list = match exceptions.map(String::as_str) {
            None | Some("") => host.clone(),
            Some(list) => format!("{list},{host}"),
        };
        Some(
            Diagnosis::new(
                Signature::ProxySwallows,
                format!(
                    "the runtime on {} sends what goes to {host} through a proxy, which does not know it",
                    node.name
                ),
            )
            .seen_all(names.iter().filter_map(show))
            .seen_all(exceptions.is_none().then_some("NO_PROXY is not set"))
            .on(&node.name)
            .fix(format!(
                "on {}: mkdir -p /etc/systemd/system/containerd.service.d\n\
                 printf '[Service]\\nEnvironment=\"NO_PROXY={list}\"\\n' > /etc/systemd/system/containerd.service.d/zz-no-proxy.conf\n\
                 systemctl daemon-reload && systemctl restart containerd",
                node.name
            )),
        )
    });
    all.collect()
}

/// What keeps the files from being read, or kreg from writing them.
pub(super) fn refusals(seen: &Observations) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for node in &seen.nodes {
        for refusal in &node.refusals {
            let id = match refusal.kind.as_str() {
                "no-config-path" => Signature::ConfigPathUnset,
                "broken-config" => Signature::RuntimeConfigBroken,
                "shadowed" => Signature::DirectoryShadowed,
                _ => Signature::NodeRefused,
            };
            let cause = match id {
                Signature::ConfigPathUnset => format!(
                    "containerd on {} looks in no directory for registries (config_path)",
                    node.name
                ),
                Signature::RuntimeConfigBroken => {
                    format!(
                        "the configuration of the runtime on {} is broken",
                        node.name
                    )
                }
                Signature::DirectoryShadowed => format!(
                    "something on {} goes before the registry's trust: another directory, table or policy",
                    node.name
                ),
                _ => format!("kreg cannot set node {} up", node.name),
            };
            found.push(
                Diagnosis::new(id, cause)
                    .seen(&refusal.reason)
                    .on(&node.name)
                    .fix(format!("on {}: {}", node.name, refusal.remedy)),
            );
        }
    }
    found
}
