//! What nodes hold of the registry's trust.

use kreg_pki::lint::Client;
use kreg_pki::{Certificate, readers};

use crate::doctor::hosts_toml::HostsToml;
use crate::doctor::{Action, Diagnosis, Fix, NodeFile, NodeSeen, Observations, Signature, masked};
use crate::pull_failure::PullFailure;

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
    let aside = foreign.map(|file| Fix::on(name, format!("mv '{0}' '{0}.old'", file.path)));
    let mut one = one.on(name);
    one.fix.extend(aside);
    one.fix(Action::TrustNodes(Some(name.clone())))
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
        masked::url(&endpoints.join(", ")),
        wanted.join(", ")
    );
    if let Some(plain) = endpoints.iter().find(|url| url.starts_with("http://")) {
        return is(
            Signature::PlainHttpEndpoint,
            format!(
                "{path} on {name} leads to {}, and the registry speaks HTTPS only",
                masked::url(plain)
            ),
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
        )
        .seen_all(changes(file));
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
    // As the node's runtime reads it: every one is written in Go.
    let read = |text: &str| readers::bundle(text.as_bytes(), Client::Go).unwrap_or_default();
    let text = file.now.as_deref().unwrap_or_default();
    let (now, wanted) = (read(text), read(&file.wanted));
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
    let what = match now.is_empty() {
        true => format!("the container runtime of node {name} finds no certificate in {path}"),
        false => {
            format!("node {name} trusts another CA than the registry's certificate is signed by")
        }
    };
    let odd = readers::oddities(text.as_bytes());
    Diagnosis::new(Signature::NodeWrongCa, what)
        .seen(format!("{path} holds {}", told(&now)))
        .seen(format!("it should hold {}", told(&wanted)))
        .seen_all(odd.iter().map(|odd| format!("{path}, {odd}")))
}

/// The first lines that were added and taken out. Those of others may hold what is secret.
fn changes(file: &NodeFile) -> Vec<String> {
    const FEW: usize = 3;
    let now = file.now.as_deref().unwrap_or_default();
    let only = |one: &str, other: &str, show: fn(&str) -> String| {
        let lines = one
            .lines()
            .filter(|line| !line.is_empty() && !other.lines().any(|known| known == *line));
        lines.take(FEW).map(show).collect::<Vec<_>>()
    };
    let added: fn(&str) -> String = match file.path == "/etc/hosts" {
        true => |line| format!("+ {line}"),
        false => |line| format!("+ {}", masked::line(line)),
    };
    let mut lines = only(now, &file.wanted, added);
    lines.extend(only(&file.wanted, now, |line| format!("- {line}")));
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
            .fix(Fix::on(
                name,
                format!("take the line out: grep -nw {} /etc/hosts", registry.name()),
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
        let pod = seen.pulls.iter().any(|pull| {
            pull.node.as_ref() == Some(&node.name)
                && pull.in_registry != Some(false)
                && PullFailure::of(&pull.message).is_distrust()
        });
        let proof = seen.proof.iter().any(|failed| {
            failed.node.as_ref() == Some(&node.name)
                && PullFailure::of(failed.words()).is_distrust()
        });
        node.config_not_loaded && (pod || proof)
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
            .fix(Fix::on(
                &node.name,
                format!(
                    "systemctl restart {}   # running containers go on",
                    node.unit().unwrap_or("containerd")
                ),
            ))
        })
        .collect()
}
