//! The nodes: what the API server knows, what they hold, and how they stand at this moment.

use std::collections::BTreeMap;
use std::time::Duration;

use kreg_k8s::{Cluster, NodeFact, RegistryState};
use kreg_nodes::docker::DaemonConfig;
use kreg_nodes::{NodeAccess, Receipt, Trust, Vitals};
use kreg_verify::doctor::{Contact, NodeSeen, Observations};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::task::block_in_place;

use super::look::Look;
use super::survey::Survey;
use super::unseen::Unseen;
use super::{agents, node};
use crate::error::Error;
use crate::nodes;

/// A server that does not say its time soon is gone on without.
const PATIENCE: Duration = Duration::from_secs(10);

/// Proxy variables of Docker's own file, by node.
type Proxies = BTreeMap<String, BTreeMap<String, String>>;

pub(super) async fn nodes(
    look: &mut Look<'_>,
    nodes: Option<&dyn NodeAccess>,
    survey: &Survey,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let registry = look.registry;
    let facts = registry.facts().nodes.iter();
    seen.nodes = facts
        .filter(|fact| survey.nodes.is_empty() || survey.nodes.contains(&fact.name))
        .map(known)
        .collect();
    let (Some(address), Some(bundle)) = (state.cluster_ip, &state.ca_bundle_pem) else {
        look.unseen.push(Unseen::NoTrust);
        return Ok(());
    };
    // Files of others at kreg's paths are to be looked at, not to be refused.
    let trust = nodes::trust(registry.place(), address, bundle)?
        .with_adopt(true)
        .with_restart(survey.restart_runtimes);
    seen.registry.endpoint = trust.endpoint_url();
    let Some(nodes) = nodes else {
        look.unseen.push(Unseen::NoNodes);
        return Ok(());
    };
    let server = server_offset(look.cluster()).await;
    if server.is_none() {
        look.unseen.push(Unseen::NoServerClock);
    }
    let begun = OffsetDateTime::now_utc();
    let vitals = block_in_place(|| nodes.vitals(&trust));
    let span = (begun, OffsetDateTime::now_utc());
    let proxies = held(nodes, &trust, seen);
    if !nodes.is_selective() {
        agents::agents(look, &trust, seen).await?;
    }
    let (mut clockless, mut routeless) = (Vec::new(), Vec::new());
    for (node, answer) in vitals {
        let Some(one) = seen.nodes.iter_mut().find(|one| one.name == node.name) else {
            continue;
        };
        match answer {
            Ok(vitals) => {
                if vitals.now.is_none() {
                    clockless.push(node.name.clone());
                }
                if vitals.route.is_none() {
                    routeless.push(node.name.clone());
                }
                moment(one, &vitals, proxies.get(&node.name), span, server);
            }
            // A node that cannot be entered is a finding by itself.
            Err(_) if matches!(one.contact, Contact::Failed { .. }) => {}
            Err(receipt) => look.unseen.push(Unseen::Vitals(receipt)),
        }
    }
    if !clockless.is_empty() {
        look.unseen.push(Unseen::NoClock(clockless));
    }
    if !routeless.is_empty() {
        look.unseen.push(Unseen::NoRoute(routeless));
    }
    let left_out = seen.nodes.iter();
    let left_out = left_out.filter(|one| one.contact == Contact::NotTried);
    let left_out = left_out.map(|one| Unseen::NodeLeftOut(one.name.clone()));
    look.unseen.extend(left_out);
    Ok(())
}

/// What the API server knows of a node.
fn known(fact: &NodeFact) -> NodeSeen {
    NodeSeen {
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
    }
}

/// What each node holds, and the proxies that its Docker is configured with.
fn held(nodes: &dyn NodeAccess, trust: &Trust, seen: &mut Observations) -> Proxies {
    let mut proxies = Proxies::new();
    for (node, answer) in block_in_place(|| nodes.facts(trust)) {
        let Some(one) = seen.nodes.iter_mut().find(|one| one.name == node.name) else {
            continue;
        };
        match answer {
            Ok(facts) => {
                node::held(nodes, &node, &facts, trust, one);
                if let Ok(config) = DaemonConfig::of(&facts) {
                    proxies.insert(node.name, config.proxies);
                }
            }
            Err(receipt) => one.contact = failed(*receipt),
        }
    }
    proxies
}

fn failed(receipt: Receipt) -> Contact {
    Contact::Failed {
        reason: receipt.reason.unwrap_or_default(),
        remedy: receipt.remedy,
    }
}

/// How a node stands now. Its clock is compared with the API server's, and given the time that asking took.
fn moment(
    seen: &mut NodeSeen,
    vitals: &Vitals,
    docker: Option<&BTreeMap<String, String>>,
    (begun, ended): (OffsetDateTime, OffsetDateTime),
    server: Option<i64>,
) {
    let runtimes = vitals.runtimes.iter();
    seen.runtimes = runtimes.map(|one| node::running(one, docker)).collect();
    if let (Some(now), Some(offset)) = (vitals.now, server) {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let first = begun.unix_timestamp() + offset;
        let last = ended.unix_timestamp() + offset + 1;
        seen.clock_ahead = Some(now - now.clamp(first, last));
    }
    seen.route = vitals.route.and_then(node::route);
}

/// How far the API server's clock is ahead of this machine's, in seconds.
async fn server_offset(cluster: &dyn Cluster) -> Option<i64> {
    let asked = tokio::time::timeout(PATIENCE, cluster.date()).await;
    let date = server_time(&asked.ok()?.ok()??)?;
    Some((date - OffsetDateTime::now_utc()).whole_seconds())
}

/// RFC 9110's IMF-fixdate is one of RFC 5322's dates.
fn server_time(date: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(date, &Rfc2822).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_servers_date_is_read() {
        let example = server_time("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(example, Some(datetime!(1994-11-06 08:49:37 UTC)));
        assert_eq!(server_time("1994-11-06"), None);
    }

    #[test]
    fn a_clock_is_given_the_time_that_asking_took() {
        let begun = datetime!(2026-11-24 12:00:00 UTC);
        let span = (begun, begun + Duration::from_secs(5));
        let ahead = |seconds: i64, server: Option<i64>| {
            let mut seen = NodeSeen::default();
            let mut vitals = Vitals::default();
            vitals.now = u64::try_from(begun.unix_timestamp() + seconds).ok();
            moment(&mut seen, &vitals, None, span, server);
            seen.clock_ahead
        };
        assert_eq!(ahead(3, Some(0)), Some(0));
        assert_eq!(ahead(106, Some(0)), Some(100));
        assert_eq!(ahead(-100, Some(0)), Some(-100));
        assert_eq!(ahead(103, Some(100)), Some(0), "this machine's is behind");
        assert_eq!(ahead(3, None), None);
    }
}
