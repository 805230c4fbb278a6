//! What is seen where there are only objects, and nothing runs.

use std::sync::Arc;

use kreg_k8s::{
    ApplyMode, ApplyOptions, Cluster, ClusterFacts, FolderCluster, Inventory, Manifests, Object,
    Place, RegistrySpec,
};
use kreg_verify::doctor::{NodeFile, NodeSeen, Signature, examine};
use serde_json::json;

use super::*;
use crate::event::Event;
use crate::{FindError, Which};

/// What is seen of the registry of the default place, without a proof.
async fn seen(cluster: &FolderCluster) -> Result<Seen, Error> {
    let cluster: Arc<dyn Cluster> = Arc::new(cluster.clone());
    let facts = ClusterFacts::read(cluster.as_ref()).await.unwrap();
    let which = Which::Only(Place::new(Profile::Default));
    let registry = Registry::find(cluster, facts, which).await?;
    let (never, on) = (std::future::pending(), |_: &Event<'_>| {});
    registry.observe(None, &Survey::default(), never, &on).await
}

fn lines(seen: &Seen) -> Vec<String> {
    seen.unseen.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn without_any_registry_there_is_nothing_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = FolderCluster::open(folder.path()).unwrap();
    let error = seen(&cluster).await.unwrap_err();
    assert!(
        matches!(error, Error::Find(FindError::NotThere { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_typed_by_hand_is_named_though_kreg_did_not_make_it() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = FolderCluster::open(folder.path()).unwrap();
    let pod = Names::of(&Place::new(Profile::Tutorial)).workload;
    let pod = Object::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": pod.name(), "namespace": pod.namespace() },
        "spec": { "containers": [{ "name": "registry", "image": "registry:2.6.2" }] },
    }));
    cluster
        .apply(&pod.unwrap(), ApplyMode::default())
        .await
        .unwrap();
    let seen = seen(&cluster).await.unwrap();
    let found = examine(&seen.observations);
    assert_eq!(found[0].id, Signature::NotManaged);
    assert!(seen.observations.unmanaged[0].tutorial_pod.is_some());
    assert_eq!(
        lines(&seen),
        ["whether nodes can pull: no proof is asked for"]
    );
}

#[tokio::test]
async fn a_registry_of_which_little_is_there_is_looked_at_as_far_as_that_goes() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = FolderCluster::open(folder.path()).unwrap();
    let id = Inventory::new_id().unwrap();
    let place = Place::new(Profile::Default).with_id(Some(id));
    let manifests = Manifests::foundation(&RegistrySpec::new(place));
    let made = kreg_k8s::apply::apply(&cluster, &manifests, ApplyOptions::default(), &|_| {});
    made.await.unwrap();
    let seen = seen(&cluster).await.unwrap();
    assert!(seen.observations.workload_gone && seen.observations.service.is_some());
    let found = examine(&seen.observations);
    assert_eq!(found[0].id, Signature::RegistryGone);
    assert_eq!(
        lines(&seen),
        [
            "the nodes: the registry has no address or no certificate",
            "whether nodes can pull: no proof is asked for",
        ]
    );
}

#[test]
fn the_log_has_no_file_in_it() {
    let file = NodeFile {
        path: "/etc/hosts.toml".to_owned(),
        wanted: "wanted".to_owned(),
        now: Some("Authorization = \"Basic geheim\"".to_owned()),
    };
    let seen = Observations {
        nodes: vec![NodeSeen {
            files: vec![file],
            ..NodeSeen::default()
        }],
        ..Observations::default()
    };
    let noted = without_files(&seen);
    assert!(!noted.contains("geheim"), "{noted}");
    assert!(
        noted.contains("/etc/hosts.toml") && noted.contains("30 other bytes"),
        "{noted}"
    );
}
