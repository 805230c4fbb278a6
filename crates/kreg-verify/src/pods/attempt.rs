//! One Pod on one node, which two checks look at.

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::end::End;
use super::events::{events, read_log};
use super::follow::{LOOKUPS, Patience, create, follow};
use super::manifest::pod;
use super::nodes::NodeFacts;
use super::pulls::NodePulls;
use crate::causes::with_causes;
use crate::check::{Context, Outcome};

/// One Pod on one node, started once, by the check that asks first.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) node: NodeFacts,
    pub(super) pulls: NodePulls,
    number: usize,
    seen: OnceCell<Result<Seen, Outcome>>,
}

/// What became of the Pod.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) end: End,
    pub(super) events: Vec<String>,
    pub(super) log: String,
    pub(super) image_id: Option<String>,
    pub(super) pod: String,
}

#[cfg(test)]
impl Seen {
    pub(super) fn new(end: End, events: Vec<String>) -> Seen {
        Seen {
            end,
            events,
            log: String::new(),
            image_id: None,
            pod: "kreg-verify-0".to_owned(),
        }
    }
}

impl Attempt {
    pub(super) fn new(node: NodeFacts, number: usize, pulls: NodePulls) -> Attempt {
        Attempt {
            node,
            pulls,
            number,
            seen: OnceCell::new(),
        }
    }

    /// What the Pod showed; `Err` if none could be tried.
    pub(super) async fn seen(&self, context: &Context) -> Result<&Seen, Outcome> {
        if let Some(obstacle) = obstacle(&self.node) {
            return Err(obstacle);
        }
        let seen = self.seen.get_or_init(|| self.make(context)).await;
        seen.as_ref().map_err(Outcome::clone)
    }

    async fn make(&self, context: &Context) -> Result<Seen, Outcome> {
        let (run, pulls) = (context.image.nonce().short(), &self.pulls);
        let name = format!("kreg-verify-{run}-{}", self.number);
        let wanted = pod(pulls, &run, &name, &self.node.name, &context.reference());
        let pods = pulls.api();
        let started = Instant::now();
        let created = create(&pods, &wanted).await.map_err(|error| {
            Outcome::fail(format!(
                "cannot create pod {}/{name}: {}",
                pulls.namespace,
                with_causes(&error)
            ))
        })?;
        let patience = if pulls.by_name || self.node.by_name() {
            Patience::OfLookups(LOOKUPS)
        } else {
            Patience::OfKubelet
        };
        let news = watcher::watch_object(pods.clone(), &name);
        let (end, last) = follow(news, started + pulls.timeout, patience).await;
        let log = match end {
            End::Exited(0) => read_log(&pods, &name, &context.image.line()).await,
            _ => String::new(),
        };
        let pod = last.unwrap_or(created);
        Ok(Seen {
            events: events(pulls, &pod, &end).await,
            image_id: image_id(&pod),
            pod: name,
            log,
            end,
        })
    }
}

/// Why no Pod can be tried on this node, if so.
fn obstacle(node: &NodeFacts) -> Option<Outcome> {
    if node.os != "linux" {
        return Some(Outcome::skipped(format!(
            "the node runs {}; the probe is a Linux program",
            node.os
        )));
    }
    if let Err(why) = &node.ready {
        return Some(Outcome::fail(format!(
            "node NotReady ({why}): nothing can be started there; bring it back, or remove it"
        )));
    }
    node.architecture
        .as_ref()
        .err()
        .map(|error| Outcome::failed_by(error))
}

fn image_id(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .first()
        .map(|status| status.image_id.clone())
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Status;
    use crate::image::{Architecture, UnknownArchitecture};

    fn facts() -> NodeFacts {
        NodeFacts {
            name: "w1".into(),
            ready: Ok(()),
            architecture: Ok(Architecture::Amd64),
            os: "linux".into(),
            runtime: "containerd://1.6.20".into(),
            kubelet: "v1.34.4".into(),
        }
    }

    #[test]
    fn nodes_where_nothing_can_be_tried_are_told_apart() {
        let of = |facts: NodeFacts| obstacle(&facts);
        assert_eq!(of(facts()), None);
        let down = of(NodeFacts {
            ready: Err("Kubelet stopped posting".into()),
            ..facts()
        })
        .unwrap();
        assert_eq!(down.status, Status::Fail);
        assert!(down.message.contains("NotReady") && down.message.contains("stopped posting"));
        let odd = of(NodeFacts {
            architecture: Err(UnknownArchitecture("mips".into())),
            ..facts()
        })
        .unwrap();
        assert_eq!(odd.status, Status::Fail);
        assert!(odd.message.contains("mips"));
        let windows = of(NodeFacts {
            os: "windows".into(),
            ..facts()
        })
        .unwrap();
        assert_eq!(windows.status, Status::Skipped);
    }
}
