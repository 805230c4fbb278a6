//! The nodes: what the API server knows, what they hold, and how they stand at this moment.

use std::collections::BTreeMap;
use std::time::Duration;

use kreg_k8s::{Kind, Object, Query, RegistryState};
use kreg_nodes::containerd::ContainerdConfig;
use kreg_nodes::daemonset::{NAMESPACE, NodeAgent};
use kreg_nodes::docker::{CONFIG_FILE, DaemonConfig};
use kreg_nodes::hosts_file::{HOSTS, other_addresses};
use kreg_nodes::{NodeAccess, NodeFacts, NodePlan, Reach, Receipt, RunningRuntime, Trust, Vitals};
use kreg_verify::doctor::{
    Contact, NodeFile, NodeRefusal, NodeSeen, Observations, Route, RuntimeSeen,
};
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};
use tokio::task::block_in_place;

use super::{Look, titled};
use crate::config::Backend;
use crate::error::Error;
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::Session;

pub(super) async fn nodes(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
    only: &[String],
    seen: &mut Observations,
) -> Result<(), Error> {
    let nodes = Nodes::new(session, only)?;
    let nodes: &dyn NodeAccess = &nodes;
    let facts = session.registry.facts().nodes.iter();
    seen.nodes = facts
        .filter(|fact| only.is_empty() || only.contains(&fact.name))
        .map(|fact| NodeSeen {
            name: fact.name.clone(),
            address: fact
                .addresses
                .first()
                .map(ToString::to_string)
                .unwrap_or_default(),
            arch: fact.arch.clone(),
            kubelet_runtime: fact.runtime.clone(),
            not_ready: (!fact.ready).then(|| "its condition Ready is not True".to_owned()),
            ..NodeSeen::default()
        })
        .collect();
    let (Some(address), Some(bundle)) = (state.cluster_ip, &state.ca_bundle_pem) else {
        look.unseen
            .push("the nodes: the registry has no address or no certificate".to_owned());
        return Ok(());
    };
    // Files of others at kreg's paths are to be looked at, not to be refused.
    let trust = kreg::nodes::trust(session.registry.place(), address, bundle)?.with_adopt(true);
    seen.registry.endpoint = trust.endpoint_url();
    let server = server_offset(session).await;
    if server.is_none() {
        look.unseen
            .push("the nodes' clocks: the API server does not tell the time".to_owned());
    }
    let begun = OffsetDateTime::now_utc();
    let vitals = block_in_place(|| nodes.vitals(&trust));
    let span = (begun, OffsetDateTime::now_utc());
    let mut docker: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (node, answer) in block_in_place(|| nodes.facts(&trust)) {
        let Some(one) = seen.nodes.iter_mut().find(|one| one.name == node.name) else {
            continue;
        };
        match answer {
            Ok(facts) => {
                held(one, &facts, &trust);
                if let Ok(config) = DaemonConfig::of(&facts) {
                    docker.insert(node.name.clone(), config.proxies);
                }
            }
            Err(receipt) => one.contact = failed(*receipt),
        }
    }
    if session.settings.nodes.backend == Backend::DaemonSet {
        agents(look, &trust, seen).await?;
    }
    let mut silent: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (node, answer) in vitals {
        let Some(one) = seen.nodes.iter_mut().find(|one| one.name == node.name) else {
            continue;
        };
        match answer {
            Ok(vitals) => {
                for what in untold(&vitals) {
                    silent.entry(what).or_default().push(node.name.clone());
                }
                let proxies = docker.remove(&node.name).unwrap_or_default();
                one.runtimes = vitals
                    .runtimes
                    .iter()
                    .map(|runtime| running(runtime, &proxies))
                    .collect();
                moment(one, &vitals, span, server);
            }
            // A node that cannot be entered is a finding by itself.
            Err(_) if matches!(one.contact, Contact::Failed { .. }) => {}
            Err(receipt) => look.unseen.push(format!(
                "clock, proxy and route of node {}: {receipt}",
                one.name
            )),
        }
    }
    let silent = silent.into_iter();
    look.unseen.extend(
        silent.map(|(what, nodes)| format!("{what} of {}: nothing there tells", nodes.join(", "))),
    );
    let left_out = seen
        .nodes
        .iter()
        .filter(|one| matches!(one.contact, Contact::NotTried));
    look.unseen.extend(left_out.map(|one| {
        format!(
            "node {}: nodes.skip of the configuration leaves it out",
            one.name
        )
    }));
    Ok(())
}

/// What a node that answered could not say.
fn untold(vitals: &Vitals) -> impl Iterator<Item = &'static str> + use<> {
    let clock = vitals.now.is_none().then_some("the clock");
    let route = vitals.route.is_none().then_some("the route");
    clock.into_iter().chain(route)
}

/// Where nodes are kept by agents: on which none does, and why.
async fn agents(look: &mut Look<'_>, trust: &Trust, seen: &mut Observations) -> Result<(), Error> {
    let query = Query::all(Kind::Pod)
        .within(NAMESPACE)
        .labelled(NodeAgent::selector(trust.instance()));
    let answer = look.cluster.list(&query).await;
    let Some(pods) = look.allowed(answer)? else {
        return Ok(());
    };
    for one in &mut seen.nodes {
        if matches!(one.contact, Contact::NotTried) {
            continue; // left out, and has none
        }
        let here = |pod: &&Object| {
            !pod.is_terminating() && pod.text("/spec/nodeName") == Some(one.name.as_str())
        };
        one.agent = match pods.iter().find(here) {
            None => Some("there is no Pod of it on the node".to_owned()),
            Some(pod) if is_ready(pod) => None,
            Some(pod) => {
                let words = look.events(pod).await?.pop();
                let words = words.unwrap_or_else(|| "nothing tells why".to_owned());
                Some(format!("{} is not ready: {words}", titled(pod.reference())))
            }
        };
    }
    Ok(())
}

fn is_ready(pod: &Object) -> bool {
    let mut conditions = pod.items("/status/conditions").iter();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn failed(receipt: Receipt) -> Contact {
    Contact::Failed {
        reason: receipt.reason.unwrap_or_default(),
        remedy: receipt
            .remedy
            .unwrap_or_else(|| "run kreg nodes status".to_owned()),
    }
}

/// What a node holds against what it should.
fn held(seen: &mut NodeSeen, facts: &NodeFacts, trust: &Trust) {
    seen.contact = Contact::Entered;
    seen.journal = !facts.journal(trust.instance()).is_empty();
    match NodePlan::decide(facts, trust) {
        Ok(plan) => {
            let text = |path: &str| {
                let content = facts.content(path)?;
                Some(String::from_utf8_lossy(content).into_owned())
            };
            let files = plan.edits().iter().map(|edit| NodeFile {
                path: edit.path().to_owned(),
                wanted: edit.after().to_owned(),
                now: text(edit.path()),
            });
            seen.files = files.collect();
        }
        Err(refused) => {
            let refusals = refused.0.into_iter().map(|one| NodeRefusal {
                kind: output::word(&one.kind),
                remedy: fleet::refusal_remedy(&one),
                reason: one.reason,
            });
            seen.refusals = refusals.collect();
        }
    }
    if let (Some(file), Some(address)) = (facts.content(HOSTS), trust.endpoint()) {
        seen.other_addresses = other_addresses(file, trust.host().name(), address);
    }
    // Of which kind it is, the API server knows.
    let runtime = match seen.kubelet_runtime.split("://").next() {
        Some("docker") => None,
        Some("cri-o") => facts.kubelet_runtime().filter(|name| *name == "crio"),
        _ => facts.kubelet_runtime().filter(|name| *name != "crio"),
    };
    let program = runtime.and_then(|name| facts.program(name));
    seen.kubelet_unit = program.and_then(|one| one.unit.clone());
    let started = program
        .filter(|_| runtime == Some("containerd"))
        .and_then(|one| one.started);
    if let (Some(started), Ok(config)) = (started, ContainerdConfig::of(facts)) {
        // A second's grace: both times are rounded.
        seen.config_not_loaded = config.modified > started + 1;
    }
}

/// How a node stands now. Its clock is compared with the API server's, and given the time that
/// asking took.
fn moment(
    seen: &mut NodeSeen,
    vitals: &Vitals,
    (begun, ended): (OffsetDateTime, OffsetDateTime),
    server: Option<i64>,
) {
    if let (Some(now), Some(offset)) = (vitals.now, server) {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let (first, last) = (
            begun.unix_timestamp() + offset,
            ended.unix_timestamp() + offset + 1,
        );
        seen.clock_ahead = Some(now - now.clamp(first, last));
    }
    seen.route = vitals.route.and_then(|route| match route {
        Reach::Open => Some(Route::Open),
        Reach::Refused => Some(Route::Refused),
        Reach::Silent => Some(Route::Silent),
        _ => None,
    });
}

/// A runtime with the proxies that hold for it. Docker's own file stands above its environment.
fn running(runtime: &RunningRuntime, docker: &BTreeMap<String, String>) -> RuntimeSeen {
    let is_docker = runtime.name == "dockerd";
    let mut proxy = runtime.environment.clone();
    for (variable, value) in docker.iter().filter(|_| is_docker) {
        proxy.insert(variable.clone(), value.clone());
        proxy.insert(variable.to_lowercase(), value.clone());
    }
    RuntimeSeen {
        name: runtime.name.clone(),
        unit: runtime.unit.clone(),
        proxy,
        proxy_file: (is_docker && !docker.is_empty()).then(|| CONFIG_FILE.to_owned()),
        // containerd is led to the address by its hosts.toml; Docker and CRI-O ask for the name.
        by_name: runtime.name != "containerd",
    }
}

/// How far the API server's clock is ahead of this machine's, in seconds.
async fn server_offset(session: &Session) -> Option<i64> {
    let asked = session.registry.cluster().date();
    let date = tokio::time::timeout(Duration::from_secs(10), asked)
        .await
        .ok()?
        .ok()??;
    // RFC 9110's IMF-fixdate.
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = PrimitiveDateTime::parse(&date, form).ok()?.assume_utc();
    Some((date - OffsetDateTime::now_utc()).whole_seconds())
}
