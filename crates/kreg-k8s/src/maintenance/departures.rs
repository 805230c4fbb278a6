//! What stands in the way, and whether those that went are proved to have ended. Facts in, judgement out.
//!
//! An object that is gone proves nothing by itself. The kubelet removes a Pod's object when all its containers have
//! ended; but a forced deletion, and the garbage collection of Pods whose node is lost, remove the object while the
//! processes may go on (Kubernetes, "Pod Lifecycle": "Forced Pod termination" and "Garbage collection of Pods").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    error::Error, kind::Kind, manifests::serving::Started, object::Object, object_ref::ObjectRef,
    unfit::Unfit,
};

/// Pods that stood in the way at one look or another.
#[derive(Debug, Default)]
pub(super) struct Departures {
    seen: BTreeMap<String, InTheWay>,
}

/// What a look at the cluster shows, read in this order: what a ReplicaSet has started before is then among the Pods.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Every ReplicaSet of the registry.
    pub(super) sets: Vec<Object>,
    /// Every Pod of the registry.
    pub(super) pods: Vec<Object>,
    /// Those of [`Departures::nodes`].
    pub(super) nodes: Vec<Object>,
}

/// A Pod that must end first, or a ReplicaSet that may still start one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InTheWay {
    pub(super) object: ObjectRef,
    pub(super) uid: String,
    /// It is being deleted.
    pub(super) leaving: bool,
    /// It is a Pod that a collector may run in.
    pub(super) collects: bool,
    node: Option<String>,
    node_ready: bool,
}

impl Departures {
    /// The nodes whose state the next [`Departures::look`] needs.
    pub(super) fn nodes(&self, pods: &[Object]) -> BTreeSet<String> {
        let of_pods = pods.iter().filter_map(|pod| pod.text("/spec/nodeName"));
        let of_seen = self.seen.values().filter_map(|seen| seen.node.as_deref());
        of_pods.chain(of_seen).map(str::to_owned).collect()
    }

    /// Takes a look. What is in the way: ReplicaSets that may start Pods, and Pods that have not ended, except those that
    /// may stay. None means that all others are proved to have ended, and that no more of them are started.
    ///
    /// # Errors
    /// [`Error::Unfit`] if a Pod that stood in the way went, and nothing proves that its processes have ended.
    pub(super) fn look(
        &mut self,
        look: &Look,
        may_stay: impl Fn(&Started) -> bool,
    ) -> Result<Vec<InTheWay>, Error> {
        let ready = |node: &str| {
            let mut nodes = look.nodes.iter();
            let node = nodes.find(|known| known.reference().name() == node);
            node.is_some_and(is_ready)
        };
        let uids: BTreeSet<&str> = look.pods.iter().filter_map(Object::uid).collect();
        for (uid, seen) in &self.seen {
            let node_ready = seen.node.as_deref().is_none_or(ready);
            // One without a node has never begun.
            let proved = seen.node.is_none() || (seen.leaving && node_ready);
            if !uids.contains(uid.as_str()) && !proved {
                return Err(unproved(seen, node_ready));
            }
        }
        let in_the_way = |object: &Object| {
            let node = object.text("/spec/nodeName");
            InTheWay {
                object: object.reference().clone(),
                uid: object.uid().unwrap_or_default().to_owned(),
                leaving: object.is_terminating(),
                collects: object.reference().kind() == Kind::Pod
                    && Started::of(object).is_read_only(),
                node: node.map(str::to_owned),
                node_ready: node.is_none_or(ready),
            }
        };
        let others = |object: &&Object| !may_stay(&Started::of(object));
        let pods: Vec<InTheWay> = look
            .pods
            .iter()
            .filter(others)
            .map(|pod| (pod, in_the_way(pod)))
            .filter(|(pod, one)| !has_ended(pod, one.node_ready))
            .map(|(_, one)| one)
            .collect();
        self.seen = pods
            .iter()
            .map(|one| (one.uid.clone(), one.clone()))
            .collect();
        let sets = look.sets.iter().filter(others);
        let sets = sets.filter(|set| may_start(set)).map(in_the_way);
        Ok(sets.chain(pods).collect())
    }
}

impl std::fmt::Display for InTheWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.object.kind(), self.leaving) {
            (Kind::ReplicaSet, _) => "may still start Pods",
            (_, true) => "is ending",
            (_, false) => "runs",
        };
        write!(f, "{} {state}", self.object)?;
        match &self.node {
            Some(node) if !self.node_ready => write!(
                f,
                " on node {node}, which is not ready: bring the node back, or make sure that it is switched off and \
                 delete the Pod by force"
            ),
            _ => Ok(()),
        }
    }
}

/// Whether its controller wants Pods, or may not know yet that nobody wants any.
fn may_start(set: &Object) -> bool {
    let seen = set.number("/status/observedGeneration").unwrap_or(0);
    set.number("/spec/replicas") != Some(0)
        || seen < set.number("/metadata/generation").unwrap_or(0)
}

/// Whether the kubelet says that this Pod's containers have ended for good. A Pod that it did not let in has none.
fn has_ended(pod: &Object, node_ready: bool) -> bool {
    let statuses = pod.items("/status/containerStatuses");
    let ended = |status: &Value| status.pointer("/state/terminated").is_some();
    matches!(pod.text("/status/phase"), Some("Succeeded" | "Failed"))
        && statuses.iter().all(ended)
        && (node_ready || !statuses.is_empty())
}

fn is_ready(node: &Object) -> bool {
    let mut conditions = node.items("/status/conditions").iter();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn unproved(seen: &InTheWay, node_ready: bool) -> Error {
    let InTheWay { object, node, .. } = seen;
    let unfit = Unfit::Unproved {
        pod: object.clone(),
        node: node.as_deref().unwrap_or("unknown").to_owned(),
        node_ready,
    };
    unfit.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Serving;

    fn pod(uid: &str, serving: Serving, turn: &str, status: Value) -> Object {
        Object::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": format!("pod-{uid}"), "namespace": "n", "uid": uid,
                "annotations": { "kreg.dev/read-only-turn": turn } },
            "spec": { "nodeName": "one", "containers": [{ "name": "registry", "args": serving.arguments() }] },
            "status": status,
        }))
        .unwrap()
    }

    fn usual(uid: &str) -> Object {
        pod(uid, Serving::Usual, "", json!({ "phase": "Running" }))
    }

    fn read_only(uid: &str, turn: &str) -> Object {
        pod(uid, Serving::ReadOnly, turn, json!({ "phase": "Running" }))
    }

    fn leaving(mut pod: Object) -> Object {
        pod.value_mut()["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod
    }

    fn node(ready: &str) -> Object {
        Object::from_value(
            json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "one" },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] } }),
        )
        .unwrap()
    }

    fn mine(started: &Started) -> bool {
        *started == Started::ReadOnly("7".to_owned())
    }

    fn of(pods: &[Object], nodes: &[Object]) -> Look {
        let (pods, nodes) = (pods.to_vec(), nodes.to_vec());
        Look {
            pods,
            nodes,
            ..Look::default()
        }
    }

    /// The uids in the way.
    fn look(seen: &mut Departures, pods: &[Object], nodes: &[Object]) -> Vec<String> {
        let found = seen.look(&of(pods, nodes), mine).unwrap();
        found.into_iter().map(|one| one.uid).collect()
    }

    #[test]
    fn every_pod_that_another_turn_or_no_turn_started_is_in_the_way_also_one_that_is_ending() {
        let nodes = [node("True")];
        let pods = [
            usual("a"),
            leaving(usual("b")),
            read_only("c", "6"),
            read_only("d", ""),
            read_only("e", "7"),
        ];
        assert_eq!(
            look(&mut Departures::default(), &pods, &nodes),
            ["a", "b", "c", "d"]
        );
        assert!(look(&mut Departures::default(), &pods[4..], &nodes).is_empty());
    }

    #[test]
    fn a_pod_that_was_seen_to_end_on_a_node_that_is_ready_is_proved_to_be_gone() {
        let nodes = [node("True")];
        let mut seen = Departures::default();
        assert_eq!(look(&mut seen, &[usual("a")], &nodes), ["a"]);
        assert_eq!(look(&mut seen, &[leaving(usual("a"))], &nodes), ["a"]);
        assert!(look(&mut seen, &[], &nodes).is_empty());
    }

    #[test]
    fn a_pod_that_went_from_a_node_that_is_not_ready_or_is_gone_is_not() {
        for nodes in [vec![node("False")], vec![node("Unknown")], vec![]] {
            let mut seen = Departures::default();
            look(&mut seen, &[leaving(usual("a"))], &[node("True")]);
            for _ in 0..2 {
                let error = seen.look(&of(&[], &nodes), mine).unwrap_err().to_string();
                assert!(
                    error.contains("pod-a") && error.contains("node one"),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn a_pod_that_nobody_saw_ending_is_not() {
        let nodes = [node("True")];
        let mut seen = Departures::default();
        look(&mut seen, &[usual("a")], &nodes);
        let error = seen.look(&of(&[], &nodes), mine).unwrap_err().to_string();
        assert!(error.contains("by force"), "{error}");
    }

    #[test]
    fn a_pod_of_a_turn_is_as_little_trusted_as_one_that_writes() {
        let (mut seen, nodes) = (Departures::default(), [node("Unknown")]);
        look(&mut seen, &[leaving(read_only("a", "6"))], &nodes);
        assert!(seen.look(&of(&[], &nodes), mine).is_err());
    }

    #[test]
    fn another_pod_of_the_same_name_is_another_pod() {
        let nodes = [node("True")];
        let mut seen = Departures::default();
        look(&mut seen, &[leaving(usual("a"))], &nodes);
        assert_eq!(look(&mut seen, &[usual("b")], &nodes), ["b"]);
    }

    #[test]
    fn a_pod_without_a_node_has_never_begun() {
        let mut waiting = usual("a");
        waiting.value_mut()["spec"]["nodeName"] = Value::Null;
        let mut seen = Departures::default();
        assert_eq!(look(&mut seen, &[waiting], &[]), ["a"]);
        assert!(look(&mut seen, &[], &[]).is_empty());
    }

    #[test]
    fn a_pod_has_ended_if_its_node_says_so_of_every_container() {
        let has_ended = |status: Value, ready: &str| {
            let pods = [pod("a", Serving::Usual, "", status)];
            look(&mut Departures::default(), &pods, &[node(ready)]).is_empty()
        };
        let with = |phase: &str, state: Value| json!({ "phase": phase, "containerStatuses": [{ "state": state }] });
        let ended = json!({ "terminated": { "exitCode": 0 } });
        assert!(has_ended(with("Failed", ended.clone()), "True"));
        assert!(has_ended(with("Succeeded", ended.clone()), "Unknown"));
        // It is started again.
        assert!(!has_ended(with("Running", ended), "True"));
        // As the garbage collection of Pods marks what it could not ask.
        assert!(!has_ended(with("Failed", json!({ "running": {} })), "True"));
        // Evicted or not let in: the kubelet that says so is there to end it.
        assert!(has_ended(
            json!({ "phase": "Failed", "reason": "Evicted" }),
            "True"
        ));
        assert!(!has_ended(json!({ "phase": "Failed" }), "Unknown"));
    }

    #[test]
    fn a_replica_set_that_may_start_pods_is_in_the_way_until_its_controller_knows_better() {
        let set = |turn: &str, replicas: i64, seen: i64| {
            let set = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": { "name": "r", "namespace": "n", "uid": "s", "generation": 2 },
                "spec": { "replicas": replicas, "template": {
                    "metadata": { "annotations": { "kreg.dev/read-only-turn": turn } },
                    "spec": { "containers": [{ "name": "registry", "args": Serving::ReadOnly.arguments() }] } } },
                "status": { "observedGeneration": seen } });
            let sets = vec![Object::from_value(set).unwrap()];
            let look = Look {
                sets,
                ..Look::default()
            };
            Departures::default().look(&look, mine).unwrap().len()
        };
        assert_eq!(set("6", 1, 2), 1);
        assert_eq!(set("6", 0, 1), 1);
        assert_eq!(set("6", 0, 2), 0);
        assert_eq!(set("7", 1, 2), 0);
    }
}
