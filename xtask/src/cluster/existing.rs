//! A cluster that somebody else made: nothing is changed, it only has to answer.

use std::path::Path;

use super::options::{ClusterHandle, Node};
use super::status::{self, Api};
use crate::failure::{Failure, Result};
use crate::progress::say;

pub(super) fn check(kubeconfig: &Path) -> Result<ClusterHandle> {
    if !kubeconfig.is_file() {
        return Err(
            Failure::new(format!("read {}", kubeconfig.display()), "no such file")
                .next("give the cluster's kubeconfig with --kubeconfig"),
        );
    }
    let api = Api::from_here(kubeconfig)?;
    let nodes = api.nodes().map_err(|failure| {
        failure.next("check that this kubeconfig reaches its cluster: kubectl get nodes")
    })?;
    say(format!("the cluster answers with {} nodes", nodes.len()));
    for line in status::table(&nodes).lines() {
        say(line);
    }
    Ok(ClusterHandle {
        name: "existing".to_owned(),
        kubeconfig: kubeconfig.to_path_buf(),
        state: kubeconfig.parent().unwrap_or(Path::new(".")).to_path_buf(),
        nodes: nodes
            .into_iter()
            .map(|facts| Node {
                container: String::new(),
                ..facts.node
            })
            .collect(),
    })
}
