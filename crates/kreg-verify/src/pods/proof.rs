//! The proof of nodes as a part of a verification.

use std::sync::Arc;

use futures::future::BoxFuture;
use kreg_stream::PodStreams;

use super::check::NodePull;
use super::nodes::{architectures, nodes_of};
use super::pulls::{NodePulls, RUN_LABEL};
use super::sweep::remove_pods;
use crate::causes::with_causes;
use crate::check::{Check, Target};
use crate::node_checks::{Cleared, NodeChecks, NodeProof};
use crate::pod_dial::PodDial;
use crate::verification::Verification;
use crate::verify_error::VerifyError;

impl Verification {
    /// A proof of a registry behind the Service `namespace`/`service` at the target's port, reached
    /// through the API server.
    #[must_use]
    pub fn of_cluster(
        target: Target,
        streams: PodStreams,
        namespace: &str,
        service: &str,
    ) -> Verification {
        let port = target.host.port();
        let dial = PodDial::new(streams, namespace, service, port);
        Verification::new(target, Arc::new(dial))
    }

    /// Also proves every node of the cluster, by a Pod on each.
    #[must_use]
    pub fn on_nodes(self, pulls: NodePulls) -> Verification {
        self.with_nodes(pulls)
    }
}

impl NodeProof for NodePulls {
    fn checks(&self) -> BoxFuture<'_, Result<NodeChecks, VerifyError>> {
        Box::pin(async move {
            let nodes = nodes_of(self).await?;
            let architectures = architectures(&nodes);
            let pulls: Vec<NodePull> = nodes
                .into_iter()
                .enumerate()
                .map(|(number, node)| NodePull::new(node, number, self.clone()))
                .collect();
            Ok(NodeChecks {
                routes: pulls.iter().map(|pull| boxed(pull.route())).collect(),
                pulls: pulls.into_iter().map(boxed).collect(),
                architectures,
            })
        })
    }

    fn clear<'a>(&'a self, run: &'a str, stopped: bool) -> BoxFuture<'a, Cleared> {
        Box::pin(async move {
            let namespace = &self.namespace;
            match remove_pods(self, run, stopped).await {
                Ok((0, _)) => Ok(None),
                Ok((count, stuck)) if stuck.is_empty() => Ok(Some(format!("{count} pods removed"))),
                Ok((_, stuck)) => Err(format!(
                    "pods {} in namespace {namespace} do not go; delete them by hand once their nodes are back",
                    stuck.join(", ")
                )),
                Err(error) => Err(format!(
                    "the pods with label {RUN_LABEL}={run} in namespace {namespace} could not be removed ({}); \
                     they end by themselves, delete them by hand",
                    with_causes(&error)
                )),
            }
        })
    }
}

fn boxed(check: impl Check + 'static) -> Box<dyn Check> {
    Box::new(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pods::NodeRoute;
    use crate::selection::CHECKS;

    #[test]
    fn the_list_of_checks_names_those_of_nodes() {
        for name in [NodeRoute::NAME, NodePull::NAME] {
            assert!(CHECKS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
