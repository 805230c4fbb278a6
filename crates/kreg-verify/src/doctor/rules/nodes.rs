//! What nodes hold, how they are set up, and how they reach the registry.

use kreg_pki::Certificate;

use crate::doctor::hosts_toml::HostsToml;
use crate::doctor::{Contact, Diagnosis, NodeFile, NodeSeen, Observations, Signature, swallows};

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
                    "on {}: systemctl status kubelet containerd",
                    node.name
                )),
            );
        }
        if let Contact::Failed { reason, remedy } = &node.contact {
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
                    format!("containerd's configuration on {} is broken", node.name)
                }
                Signature::DirectoryShadowed => format!(
                    "another directory on {} hides the one with the registry's trust",
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

/// The files themselves: one diagnosis a node, for what stands first in the way.
pub(super) fn trust(seen: &Observations) -> Vec<Diagnosis> {
    let broken = |node: &&NodeSeen| node.files.iter().any(|file| !is_as_wanted(file));
    let nodes = seen.nodes.iter().filter(broken);
    nodes.map(|node| untrusting(seen, node)).collect()
}

fn is_as_wanted(file: &NodeFile) -> bool {
    file.now.as_ref() == Some(&file.wanted)
}

fn untrusting(seen: &Observations, node: &NodeSeen) -> Diagnosis {
    let registry = &seen.registry;
    let wrong: Vec<&NodeFile> = node
        .files
        .iter()
        .filter(|file| !is_as_wanted(file))
        .collect();
    let absent: Vec<&NodeFile> = wrong
        .iter()
        .copied()
        .filter(|file| file.now.is_none())
        .collect();
    let hosts_toml = wrong
        .iter()
        .copied()
        .find(|file| file.path.ends_with("/hosts.toml"));
    let name = &node.name;
    let one = match (hosts_toml.and_then(|file| Some((file, file.now.as_ref()?))), absent.len()) {
        (Some((file, text)), _) => of_hosts_toml(node, file, text),
        (None, 0) => of_content(seen, node, wrong[0]),
        (None, some) if some == node.files.len() => gone(seen, node, &absent),
        _ if absent.iter().any(|file| file.path.ends_with("/ca.crt")) && hosts_toml.is_none() => {
            Diagnosis::new(
                Signature::CaFileMissing,
                format!("hosts.toml on {name} names a CA file that is not there: every pull fails by that alone"),
            )
            .seen_all(absent.iter().map(|file| format!("{} is not there", file.path)))
        }
        _ => gone(seen, node, &absent),
    };
    // kreg replaces what it wrote itself, and nothing of others'.
    let foreign = wrong
        .iter()
        .filter(|file| !node.journal && file.now.is_some());
    let aside = foreign.map(|file| format!("on {name}: mv '{0}' '{0}.old'", file.path));
    let mut one = one.on(name);
    one.fix.extend(aside);
    one.fix(registry.kreg(&format!("nodes trust --node {name}")))
}

fn gone(seen: &Observations, node: &NodeSeen, absent: &[&NodeFile]) -> Diagnosis {
    let paths = absent
        .iter()
        .map(|file| format!("{} is not there", file.path));
    let name = &node.name;
    match node.journal {
        false => Diagnosis::new(
            Signature::TrustMissing,
            format!("node {name} was never told of the registry: it joined later, or was left out"),
        )
        .seen_all(paths)
        .seen(format!(
            "there is no journal of kreg's for {} on it",
            seen.registry.instance
        )),
        true => {
            let agents = seen.foreign_agents.iter();
            Diagnosis::new(
                Signature::TrustErased,
                format!("somebody erased on {name} what kreg wrote there"),
            )
            .seen_all(paths)
            .seen("kreg's journal on the node says that it wrote them")
            .seen_all(agents.map(|agent| format!("{agent} writes or erases files of registries on nodes")))
            .fix("find out who does it first, else it happens again: OpenShift's node-ca, Spegel and configuration management are known to")
        }
    }
}

fn of_hosts_toml(node: &NodeSeen, file: &NodeFile, text: &str) -> Diagnosis {
    let (name, path) = (&node.name, &file.path);
    let is = |id, cause: String| Diagnosis::new(id, cause);
    let HostsToml::Parsed {
        endpoints: wanted, ..
    } = HostsToml::read(&file.wanted)
    else {
        return is(
            Signature::TrustEdited,
            format!("{path} on {name} was changed"),
        )
        .seen_all(changes(file));
    };
    let (endpoints, ca) = match HostsToml::read(text) {
        HostsToml::Parsed { endpoints, ca } => (endpoints, ca),
        HostsToml::Broken(why) => {
            return is(
                Signature::HostsTomlBroken,
                format!("{path} on {name} cannot be parsed; containerd only logs that and goes on without it"),
            )
            .seen(why);
        }
    };
    if endpoints.is_empty() {
        return is(
            Signature::HostsTomlNoHost,
            format!("{path} on {name} has no [host] table: containerd refuses it (invalid `host` tree) or goes to the name itself"),
        )
        .seen("keys at the root alone (server, ca) carry no redirect");
    }
    let leads = format!(
        "it leads to {}; the registry is at {}",
        endpoints.join(", "),
        wanted.join(", ")
    );
    if let Some(plain) = endpoints.iter().find(|url| url.starts_with("http://")) {
        return is(
            Signature::PlainHttpEndpoint,
            format!("{path} on {name} leads to {plain}, and the registry speaks HTTPS only"),
        )
        .seen(leads);
    }
    if wanted.iter().any(|url| !endpoints.contains(url)) {
        return is(
            Signature::StaleAddress,
            format!("{path} on {name} leads to an address that is not the registry's"),
        )
        .seen(leads);
    }
    let folder = path.trim_end_matches("/hosts.toml");
    let absent = ca.iter().map(|ca| match ca.starts_with('/') {
        true => ca.clone(),
        false => format!("{folder}/{ca}"),
    });
    let known = |path: &String| {
        node.files
            .iter()
            .any(|file| file.path == *path && file.now.is_some())
    };
    match absent.clone().find(|path| !known(path)) {
        Some(ca) => is(
            Signature::CaFileMissing,
            format!("hosts.toml on {name} names a CA file that is not there: every pull fails by that alone"),
        )
        .seen(format!("{path} names {ca}")),
        None => is(
            Signature::TrustEdited,
            format!("{path} on {name} is not as kreg left it"),
        )
        .warning()
        .seen_all(changes(file)),
    }
}

/// A file that is there and holds something else.
fn of_content(seen: &Observations, node: &NodeSeen, file: &NodeFile) -> Diagnosis {
    let (name, path) = (&node.name, &file.path);
    if path == "/etc/hosts" && seen.registry.by_name {
        return Diagnosis::new(
            Signature::TrustEdited,
            format!(
                "kreg's lines in /etc/hosts on {name} are gone or changed, so the registry's name does not resolve"
            ),
        );
    }
    let edited = || {
        Diagnosis::new(
            Signature::TrustEdited,
            format!("{path} on {name} is not as kreg left it"),
        )
        .warning()
        .seen_all(changes(file))
    };
    if !path.ends_with(".crt") {
        return edited();
    }
    let read = |text: &str| Certificate::all_from_pem(text, "ca.crt").unwrap_or_default();
    let (now, wanted) = (
        read(file.now.as_deref().unwrap_or_default()),
        read(&file.wanted),
    );
    // More than is needed does no harm to pulls.
    if !wanted.is_empty() && wanted.iter().all(|one| now.contains(one)) {
        return edited().seen("it trusts more certificates than it should");
    }
    let told = |certificates: &[Certificate]| match certificates {
        [] => "no certificate".to_owned(),
        some => some
            .iter()
            .map(|one| format!("{} ({})", one.subject(), short(one.fingerprint())))
            .collect::<Vec<_>>()
            .join(", "),
    };
    Diagnosis::new(
        Signature::NodeWrongCa,
        format!("node {name} trusts another CA than the registry's certificate is signed by"),
    )
    .seen(format!("{path} holds {}", told(&now)))
    .seen(format!("it should hold {}", told(&wanted)))
}

/// The first lines that were added and taken out.
fn changes(file: &NodeFile) -> Vec<String> {
    const FEW: usize = 3;
    let now = file.now.as_deref().unwrap_or_default();
    let only = |one: &str, other: &str, sign: char| {
        let lines = one
            .lines()
            .filter(|line| !line.is_empty() && !other.lines().any(|known| known == *line));
        lines
            .take(FEW)
            .map(|line| format!("{sign} {line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only(now, &file.wanted, '+');
    lines.extend(only(&file.wanted, now, '-'));
    if lines.is_empty() {
        lines.push(format!(
            "{} has the same lines, in another order or number",
            file.path
        ));
    }
    lines
}

fn short(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

/// Lines by others that give the registry's name another address; the first one wins.
pub(super) fn stale_hosts(seen: &Observations) -> Vec<Diagnosis> {
    let registry = &seen.registry;
    let nodes = seen
        .nodes
        .iter()
        .filter(|node| !node.other_addresses.is_empty());
    nodes
        .map(|node| {
            let (name, others) = (&node.name, node.other_addresses.join(", "));
            let address = registry.address.map_or("unknown".to_owned(), |address| address.to_string());
            let one = Diagnosis::new(
                Signature::StaleHosts,
                format!(
                    "/etc/hosts on {name} leads {} to {others}, which is not the registry",
                    registry.name()
                ),
            )
            .seen(format!("the Service's address is {address}"))
            .on(name)
            .fix(format!(
                "on {name}: take the line out: grep -nw {} /etc/hosts",
                registry.name()
            ));
            match registry.by_name {
                true => one,
                false => one
                    .warning()
                    .seen("containerd is led by hosts.toml and pulls all the same; docker, curl and ctr go astray"),
            }
        })
        .collect()
}

/// Only where pulls fail for no better reason: files are touched for many.
pub(super) fn not_loaded(seen: &Observations) -> Vec<Diagnosis> {
    let failing = |node: &&NodeSeen| {
        node.config_not_loaded
            && seen.pulls.iter().any(|pull| {
                pull.node.as_ref() == Some(&node.name)
                    && pull.in_registry != Some(false)
                    && super::pulls::is_untrusting(&pull.message)
            })
    };
    seen.nodes
        .iter()
        .filter(failing)
        .map(|node| {
            Diagnosis::new(
                Signature::ConfigNotLoaded,
                format!(
                    "containerd on {} goes by its configuration of before: it was changed, and containerd not restarted",
                    node.name
                ),
            )
            .seen("its configuration file is younger than its process, and pulls on this node fail")
            .on(&node.name)
            .fix(format!(
                "on {}: systemctl restart containerd   # running containers go on",
                node.name
            ))
        })
        .collect()
}
