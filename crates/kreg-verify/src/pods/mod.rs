//! The proof on the nodes: a Pod on each, whose image the kubelet must pull from the registry.

#![allow(
    clippy::disallowed_methods,
    reason = "this crate knows no kreg_k8s::Cluster; its writes are tried again by kreg_stream::again"
)]

mod attempt;
mod check;
mod end;
mod events;
mod follow;
mod manifest;
mod nodes;
mod progress;
mod proof;
mod pulls;
mod route;
mod sweep;
mod try_pull;

pub use check::NodePull;
pub use manifest::pod;
pub use nodes::{NodeFacts, list_nodes};
pub(crate) use nodes::{architectures, nodes_of};
pub use progress::Progress;
pub use pulls::{NodePulls, RUN_LABEL};
pub use route::NodeRoute;
pub(crate) use sweep::remove_pods;
pub(crate) use try_pull::{PullEnd, try_pull};
