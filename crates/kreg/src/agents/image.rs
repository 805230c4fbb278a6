//! Which image the agents run, read from the registry's own Pod.

use std::sync::{Mutex, PoisonError};

use kreg_k8s::names::{self, Names};
use kreg_k8s::{Cluster, Kind, Object, ObjectRef, Place, Query};
use kreg_nodes::AccessError;
use kreg_nodes::daemonset::AgentImage;

/// Where the registry's own Pods are, and what they are to run.
pub(super) struct Source {
    namespace: String,
    instance: String,
    workload: ObjectRef,
    /// As a person or the record has it.
    image: String,
    /// As it was found last: while nodes are put back the registry's Pods go.
    known: Mutex<Option<AgentImage>>,
}

impl Source {
    pub(super) fn new(place: &Place, image: &str) -> Self {
        Self {
            namespace: place.namespace().to_owned(),
            instance: place.instance().to_owned(),
            workload: Names::of(place).workload,
            image: image.to_owned(),
            known: Mutex::default(),
        }
    }

    /// What the registry's Pods run. Before there is one, and for an account that may not list them, it is what is declared.
    pub(super) async fn find(&self, cluster: &dyn Cluster) -> Result<AgentImage, AccessError> {
        let found = match self.workload.kind() {
            Kind::Pod => cluster.get(&self.workload).await.map(Vec::from_iter),
            _ => {
                let query = Query::all(Kind::Pod).within(&self.namespace);
                let labels = names::pod_selector(&self.instance);
                cluster.list(&query.labelled(labels)).await
            }
        };
        let pods = match found {
            Err(kreg_k8s::Error::Denied { .. }) => Vec::new(),
            other => other.map_err(AccessError::tried(
                "cannot see which image the registry's Pod runs",
            ))?,
        };
        let running = running(&pods, &self.workload, &self.image);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            *known = running;
        }
        let found = known.clone();
        Ok(found.unwrap_or_else(|| AgentImage::named(&self.image)))
    }
}

/// The image of the Pods that `workload` made and that run `image` by that name. Anyone who may make Pods there can put
/// labels on one, so that labels alone do not count. Several Pods may run different bytes of one tag: then no digest is
/// the registry's, and the tag is what is left.
fn running(pods: &[Object], workload: &ObjectRef, image: &str) -> Option<AgentImage> {
    let ours = pods
        .iter()
        .filter(|pod| !pod.is_terminating() && belongs(pod, workload));
    let mut found: Vec<AgentImage> = ours
        .flat_map(|pod| {
            let named: Vec<&str> = pod
                .items("/spec/containers")
                .iter()
                .filter(|one| one["image"] == image)
                .filter_map(|one| one["name"].as_str())
                .collect();
            let runs = pod.items("/status/containerStatuses").iter();
            runs.filter(move |one| {
                one["name"]
                    .as_str()
                    .is_some_and(|name| named.contains(&name))
            })
        })
        .filter(|one| one["state"]["running"].is_object())
        .filter_map(|one| one["imageID"].as_str().filter(|id| !id.is_empty()))
        .map(|id| AgentImage::running(image, id))
        .collect();
    let first = found.pop()?;
    match found.iter().all(|other| *other == first) {
        true => Some(first),
        false => Some(AgentImage::running(image, "")),
    }
}

/// Whether the workload is this Pod, or made it by way of a ReplicaSet.
fn belongs(pod: &Object, workload: &ObjectRef) -> bool {
    let reference = pod.reference();
    if reference.namespace() != workload.namespace() {
        return false;
    }
    if workload.kind() == Kind::Pod {
        return reference.name() == workload.name();
    }
    let mut owners = pod.items("/metadata/ownerReferences").iter();
    owners.any(|owner| {
        let name = owner["name"].as_str().unwrap_or_default();
        let hash = name
            .strip_prefix(workload.name())
            .and_then(|rest| rest.strip_prefix('-'));
        owner["kind"] == "ReplicaSet"
            && owner["controller"] == true
            && hash.is_some_and(|hash| !hash.is_empty() && !hash.contains('-'))
    })
}

#[cfg(test)]
mod tests {
    use kreg_k8s::Profile;
    use serde_json::{Value, json};

    use super::*;

    const IMAGE: &str = "registry:2.8.3";
    const A: &str = "docker.io/library/registry@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "docker.io/library/registry@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn pod(image_id: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "docker-registry-7d9f-x", "namespace": "kreg-system",
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "docker-registry-7d9f", "controller": true }] },
            "spec": { "containers": [{ "name": "registry", "image": IMAGE }] },
            "status": { "containerStatuses": [{ "name": "registry", "imageID": image_id,
                "state": { "running": {} } }] },
        })
    }

    fn found(pods: impl IntoIterator<Item = Value>) -> Option<String> {
        let pods: Vec<Object> = pods
            .into_iter()
            .map(|pod| Object::from_value(pod).unwrap())
            .collect();
        let workload = Names::of(&Place::new(Profile::Default)).workload;
        let found = running(&pods, &workload, IMAGE)?;
        Some(format!("{} {}", found.reference(), found.pull_policy()))
    }

    #[test]
    fn the_tutorials_registry_is_a_pod_by_itself() {
        let workload = Names::of(&Place::new(Profile::Tutorial)).workload;
        let mut value = changed("/metadata/name", json!(workload.name()));
        value["metadata"]["namespace"] = json!(workload.namespace());
        let object = |value: &Value| Object::from_value(value.clone()).unwrap();
        assert!(running(&[object(&value)], &workload, IMAGE).is_some());
        value["metadata"]["name"] = json!("docker-registry-pod-2");
        assert!(running(&[object(&value)], &workload, IMAGE).is_none());
    }

    fn changed(pointer: &str, value: Value) -> Value {
        let mut pod = pod(A);
        *pod.pointer_mut(pointer).unwrap() = value;
        pod
    }

    #[test]
    fn the_digest_is_that_of_the_registrys_own_pod() {
        assert_eq!(found([pod(A)]).unwrap(), format!("{A} IfNotPresent"));
        assert_eq!(found([pod("sha256:0")]).unwrap(), "registry:2.8.3 Never");
        assert_eq!(found([]), None);
    }

    #[test]
    fn pods_that_run_different_bytes_of_one_tag_give_no_digest() {
        assert_eq!(found([pod(A), pod(B)]).unwrap(), "registry:2.8.3 Never");
        assert_eq!(
            found([pod(A), pod(A)]).unwrap(),
            format!("{A} IfNotPresent")
        );
    }

    #[test]
    fn a_pod_of_somebody_else_decides_nothing() {
        let others = [
            changed("/metadata/namespace", json!("team-a")),
            changed("/metadata/ownerReferences", json!([])),
            changed(
                "/metadata/ownerReferences/0/name",
                json!("docker-registry-other-7d9f"),
            ),
            changed("/metadata/ownerReferences/0/name", json!("docker-registry")),
            changed("/metadata/ownerReferences/0/kind", json!("Job")),
            changed("/metadata/ownerReferences/0/controller", json!(false)),
            changed(
                "/spec/containers/0/image",
                json!("evil.example/registry:2.8.3"),
            ),
            changed("/spec/containers/0/name", json!("sidecar")),
            changed(
                "/status/containerStatuses/0/state",
                json!({ "waiting": {} }),
            ),
        ];
        for other in others {
            assert_eq!(found([other.clone()]), None, "{other}");
            assert_eq!(found([other, pod(B)]).unwrap(), format!("{B} IfNotPresent"));
        }
    }
}
