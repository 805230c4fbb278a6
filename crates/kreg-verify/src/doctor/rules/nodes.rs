//! How nodes are set up, and whether they can be looked at.

use crate::doctor::{
    Action, Contact, Diagnosis, Fix, NodeSeen, Observations, RuntimeSeen, Signature, swallows,
};

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
                .fix(Fix::kubectl(format!("describe node {}", node.name)))
                .fix(Fix::on(
                    &node.name,
                    format!(
                        "systemctl status kubelet {}",
                        node.unit().unwrap_or(node.runtime())
                    ),
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
                .fix(
                    remedy
                        .as_ref()
                        .map_or(Action::CompareNodes.into(), Fix::from),
                ),
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
    let pods = Fix::Kubectl {
        namespace: Some("kreg-nodes".to_owned()),
        words: format!(
            "describe daemonset,pods -l kreg.dev/node-agent={}",
            seen.registry.instance
        ),
    };
    one.fix(Fix::to("what keeps its Pod away", pods))
        .fix(Fix::to(
            "what keeps Pods off the node",
            Fix::kubectl(format!("describe node {}", node.name)),
        ))
        .fix(Action::TrustNodes(None))
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
            .fix(Fix::on(&node.name, "timedatectl set-ntp true; timedatectl status")),
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

/// Each runtime by itself: another one's exceptions do not hold for it.
pub(super) fn proxy(seen: &Observations) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for node in &seen.nodes {
        for runtime in &node.runtimes {
            found.extend(swallowed(seen, node, runtime));
        }
    }
    found
}

fn swallowed(seen: &Observations, node: &NodeSeen, runtime: &RuntimeSeen) -> Option<Diagnosis> {
    let registry = &seen.registry;
    let host = match registry.address.or(registry.known_address) {
        Some(address) if !runtime.by_name && !registry.by_name => address.to_string(),
        _ => registry.name().to_owned(),
    };
    let variable = swallows(&runtime.proxy, &host, registry.port)?;
    let (name, program) = (&node.name, &runtime.name);
    let source = match &runtime.proxy_file {
        Some(file) => file.clone(),
        None => format!("the environment of {program}"),
    };
    let show = |key: &&str| {
        let value = runtime.proxy.get(*key)?;
        Some(format!("{source}: {key}={value}"))
    };
    let exceptions = ["NO_PROXY", "no_proxy"]
        .iter()
        .find_map(|key| runtime.proxy.get(*key).filter(|list| !list.is_empty()));
    // A list goes into a command only as the plain text that it should be.
    let plain = |list: &&String| {
        list.chars()
            .all(|c| c.is_ascii_alphanumeric() || ".,:-*/[]_ ".contains(c))
    };
    let list = match exceptions {
        None => host.clone(),
        Some(list) if plain(&list) => format!("{list},{host}"),
        Some(_) => format!("the present list,{host}"),
    };
    let way = match runtime.by_name || registry.by_name {
        true => "by its name",
        false => "by its address",
    };
    let one = Diagnosis::new(
        Signature::ProxySwallows,
        format!(
            "{program} on {name} sends what goes to {host} through a proxy, which does not know it"
        ),
    )
    .seen_all([variable, "NO_PROXY", "no_proxy"].iter().filter_map(show))
    .seen_all(exceptions.is_none().then_some("NO_PROXY is not set"))
    .seen(format!("{program} goes to the registry {way}"))
    .on(name)
    .fix(way_around(name, runtime, &list));
    // What another runtime does, no Pod is hurt by.
    Some(match node.uses(runtime) {
        true => one,
        false => one.warning().seen(format!(
            "the kubelet pulls by {}",
            match &node.kubelet_unit {
                Some(unit) => format!("{} of the service {unit}", node.runtime()),
                None => node.runtime().to_owned(),
            }
        )),
    })
}

/// How the exceptions get to a runtime: by its own file, or by its unit.
fn way_around(node: &str, runtime: &RuntimeSeen, list: &str) -> Fix {
    let program = &runtime.name;
    let default = if program == "dockerd" {
        "docker"
    } else {
        program
    };
    let unit = runtime.unit.as_deref().unwrap_or(default);
    let step = match (&runtime.proxy_file, &runtime.unit) {
        (Some(file), _) => format!(
            "set \"proxies\": {{\"no-proxy\": \"{list}\"}} in {file}, beside what is there; systemctl restart {unit}"
        ),
        (None, None) => {
            format!("start {program} with NO_PROXY={list} in its environment")
        }
        (None, Some(_)) => format!(
            "mkdir -p /etc/systemd/system/{unit}.service.d\n\
             printf '[Service]\\nEnvironment=\"NO_PROXY={list}\"\\n' > /etc/systemd/system/{unit}.service.d/zz-no-proxy.conf\n\
             systemctl daemon-reload && systemctl restart {unit}"
        ),
    };
    Fix::on(node, step)
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
                    .fix(Fix::on(&node.name, &refusal.remedy)),
            );
        }
    }
    found
}
