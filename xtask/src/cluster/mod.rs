//! A real cluster to work on: made by kind, or one that is there already.
//!
//! - [`options`]: what is wanted, and the values that come back;
//! - [`plan`]: kind's configuration, CNI, routes: text from values, nothing else;
//! - [`kind`]: creation, the network, waiting, by kind's own program;
//! - [`published`]: kind's own program and node image;
//! - [`access`]: ssh key, host keys, `kreg.toml`;
//! - [`state`]: the directory that remembers it, [`mod@leftovers`]: what a cluster leaves on the machine;
//! - [`existing`]: a cluster from somebody's kubeconfig.

mod access;
mod existing;
mod kind;
mod leftovers;
mod options;
mod plan;
mod published;
mod state;
mod status;

pub(crate) use leftovers::leftovers;
pub(crate) use options::{ClusterHandle, Node, NodeImage, Options, Provider};
pub(crate) use plan::CONTROL_PLANE_PATCHES;
pub(crate) use status::status;

use crate::cache;
use crate::engine;
use crate::failure::Result;
use crate::progress::say;

/// Makes the cluster, or finds it made; either way it is healthy afterwards.
pub(crate) fn up(options: &Options) -> Result<ClusterHandle> {
    match &options.provider {
        Provider::Existing { kubeconfig } => existing::check(kubeconfig),
        Provider::Kind => {
            let state = state::State::open(&options.name)?;
            let _lock = cache::lock(&state.lock())?;
            kind::up(options, &state)
        }
    }
}

/// Takes the cluster of this name away, whole or half made; with `engine` also the Docker engine,
/// if it was started here.
pub(crate) fn down(name: &str, engine: bool) -> Result<()> {
    let state = state::State::open(name)?;
    {
        let _lock = cache::lock(&state.lock())?;
        leftovers::remove(name, &state)?;
    }
    say(format!("cluster {name} is gone"));
    if engine { engine::down() } else { Ok(()) }
}
