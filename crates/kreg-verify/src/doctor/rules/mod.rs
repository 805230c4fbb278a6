//! The rules: each a small function from observations to what it has to say about them.

mod auth;
mod changed;
mod files;
mod lines;
mod network;
mod nodes;
mod proof;
mod pulls;
mod storage;
mod tls;
mod workload;

use super::{Diagnosis, Observations};
pub(super) use changed::folded as with_changes;

/// A rule.
pub(super) type Rule = fn(&Observations) -> Vec<Diagnosis>;

/// Every rule.
pub(super) const ALL: &[Rule] = &[
    changed::unmanaged,
    workload::gone,
    workload::scaled_to_zero,
    workload::missing_mounts,
    workload::stuck_pods,
    workload::speaks_http,
    workload::no_shared_secret,
    storage::claim,
    storage::full,
    storage::denied,
    storage::uploads,
    network::service,
    network::selector,
    network::target_port,
    network::address_changed,
    network::policies,
    network::routes,
    tls::certificate,
    tls::not_served,
    tls::ends_soon,
    auth::htpasswd,
    auth::pull_secret,
    auth::not_read,
    nodes::contact,
    nodes::clock,
    nodes::proxy,
    nodes::refusals,
    files::trust,
    files::stale_hosts,
    files::not_loaded,
    pulls::pulls,
    changed::by_hand,
    proof::of_registry,
    proof::of_nodes,
];
