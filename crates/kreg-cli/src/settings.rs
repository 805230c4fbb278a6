//! How the cluster and its nodes are reached: flags over `kreg.toml`.

use std::time::Duration;

use kreg_k8s::Connection;

use crate::args::{Global, TargetArgs};
use crate::choices::Backend;
use crate::config::Config;
use crate::config::sections::Ssh;

const DEFAULT_PARALLEL: usize = 64;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connection: Connection,
    pub(crate) timeout: Duration,
    pub(crate) nodes: NodeSettings,
}

#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    pub(crate) backend: Backend,
    pub(crate) skip: Vec<String>,
    pub(crate) parallel: usize,
    pub(crate) ssh: Ssh,
    /// Only ever by flag: no configuration file asks for a restart.
    pub(crate) allow_runtime_restart: bool,
}

impl Settings {
    pub(crate) fn new(global: &Global, config: &Config, target: &TargetArgs) -> Self {
        let (global, cluster) = (global.clone(), config.cluster.clone());
        let nodes = &config.nodes;
        Self {
            connection: Connection {
                kubeconfig: global.kubeconfig.or(cluster.kubeconfig),
                context: global.context.or(cluster.context),
                as_user: global.as_user,
                as_groups: global.as_groups,
                limit: Some(global.timeout),
            },
            timeout: global.timeout,
            nodes: NodeSettings {
                backend: target.nodes_by.or(nodes.backend).unwrap_or(Backend::Ssh),
                skip: nodes.skip.clone(),
                parallel: nodes.parallel.unwrap_or(DEFAULT_PARALLEL).max(1),
                ssh: target.ssh.or(&nodes.ssh),
                allow_runtime_restart: target.allow_runtime_restart,
            },
        }
    }
}
