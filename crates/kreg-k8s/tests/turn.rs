//! Turns of the registry's storage, on a folder of objects: who is in charge, and what has to go first.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use kreg_k8s::{
    ApplyMode, ApplyOptions, Cluster, Error, FolderCluster, Kind, Manifests, Names, Object,
    ObjectRef, Place, Profile, RegistrySpec, Serving, Storage, Turn, apply, settle, wait,
};
use serde_json::{Value, json};

struct Registry {
    folder: FolderCluster,
    spec: RegistrySpec,
    _directory: tempfile::TempDir,
}

async fn registry() -> Registry {
    let directory = tempfile::tempdir().unwrap();
    let folder = FolderCluster::open(directory.path()).unwrap();
    let spec = RegistrySpec::new(Place::new(Profile::Default));
    let spec = spec.with_storage(Storage::EmptyDir).unwrap();
    let registry = Registry {
        folder,
        spec,
        _directory: directory,
    };
    registry.up().await;
    registry
}

impl Registry {
    async fn up(&self) {
        let manifests = Manifests::full(&self.spec, &common::dummy_material());
        let options = ApplyOptions::default();
        apply::apply(&self.folder, &manifests, options, &common::quiet)
            .await
            .unwrap();
    }

    async fn begin(&self) -> Turn {
        Turn::begin(&self.folder, self.spec.place()).await.unwrap()
    }

    async fn alone(&self, turn: &mut Turn) -> Result<(), Error> {
        let mut wait = wait::Wait::new(Duration::from_millis(50), &common::quiet);
        wait.interval = Duration::from_millis(10);
        turn.alone(&self.folder, self.spec.place(), &wait).await
    }

    async fn deployment(&self) -> Object {
        let workload = Names::of(self.spec.place()).workload;
        self.folder.get(&workload).await.unwrap().unwrap()
    }

    async fn serving(&self) -> Option<Serving> {
        Serving::of(&self.deployment().await)
    }

    /// A Pod, or another object, that was made from the Deployment's template as it is now.
    async fn made_now(&self, kind: Kind, status: Value) -> ObjectRef {
        let deployment = self.deployment().await;
        let template = &deployment.value()["spec"]["template"];
        let (name, namespace) = ("of-the-registry", self.spec.place().namespace());
        let spec = match kind {
            Kind::Pod => template["spec"].clone(),
            _ => json!({ "replicas": 1, "template": template }),
        };
        let mut metadata = template["metadata"].clone();
        metadata["name"] = name.into();
        metadata["namespace"] = namespace.into();
        let object = json!({ "apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata,
            "spec": spec, "status": status });
        let object = Object::from_value(object).unwrap();
        let made = self.folder.apply(&object, ApplyMode::default()).await;
        made.unwrap().reference().clone()
    }

    async fn remove(&self, object: &ObjectRef) {
        let live = self.folder.get(object).await.unwrap().unwrap();
        self.folder
            .delete(object, live.uid().unwrap())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_turn_begins_and_ends_and_leaves_the_deployment_as_it_was() {
    let registry = registry().await;
    let before = registry.deployment().await;
    let mut turn = registry.begin().await;
    assert_eq!(registry.serving().await, Some(Serving::ReadOnly));
    registry.alone(&mut turn).await.unwrap();
    assert!(
        turn.end(&registry.folder, registry.spec.place())
            .await
            .unwrap()
    );
    assert_eq!(registry.deployment().await.value(), before.value());
}

#[tokio::test]
async fn pods_of_no_turn_and_of_earlier_turns_must_go_first() {
    let registry = registry().await;
    for earlier in [false, true] {
        if earlier {
            registry.begin().await;
        }
        let pod = registry
            .made_now(Kind::Pod, json!({ "phase": "Running" }))
            .await;
        let mut turn = registry.begin().await;
        let error = registry.alone(&mut turn).await.unwrap_err().to_string();
        assert!(error.contains("of-the-registry runs"), "{error}");
        registry.remove(&pod).await;
        registry.alone(&mut turn).await.unwrap();
        // Its own may be there.
        registry
            .made_now(Kind::Pod, json!({ "phase": "Running" }))
            .await;
        registry.alone(&mut turn).await.unwrap();
    }
}

#[tokio::test]
async fn a_pod_whose_labels_somebody_took_off_is_found_by_what_it_mounts() {
    let registry = registry().await;
    let pod = registry
        .made_now(Kind::Pod, json!({ "phase": "Running" }))
        .await;
    let live = registry.folder.get(&pod).await.unwrap().unwrap();
    let mut bare = live.value().clone();
    bare["metadata"]["labels"] = json!({});
    let bare = Object::from_value(bare).unwrap();
    registry.folder.replace(&bare, false).await.unwrap();
    let mut turn = registry.begin().await;
    assert!(registry.alone(&mut turn).await.is_err());
}

#[tokio::test]
async fn a_replica_set_that_may_still_start_pods_must_know_first() {
    let registry = registry().await;
    registry.made_now(Kind::ReplicaSet, json!({})).await;
    let mut turn = registry.begin().await;
    let error = registry.alone(&mut turn).await.unwrap_err().to_string();
    assert!(error.contains("may still start Pods"), "{error}");
}

#[tokio::test]
async fn a_turn_that_another_one_followed_neither_collects_nor_ends_anything() {
    let registry = registry().await;
    let mut first = registry.begin().await;
    let second = registry.begin().await;
    assert!(matches!(
        registry.alone(&mut first).await,
        Err(Error::Overtaken { .. })
    ));
    assert!(
        !first
            .end(&registry.folder, registry.spec.place())
            .await
            .unwrap()
    );
    assert!(second.is_of(&registry.deployment().await));
    assert!(
        second
            .end(&registry.folder, registry.spec.place())
            .await
            .unwrap()
    );
    assert!(
        !second
            .end(&registry.folder, registry.spec.place())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn settling_waits_for_the_pods_that_a_collector_may_run_in() {
    let registry = registry().await;
    registry.begin().await;
    let pod = registry
        .made_now(Kind::Pod, json!({ "phase": "Running" }))
        .await;
    let mut wait = wait::Wait::new(Duration::from_millis(50), &common::quiet);
    wait.interval = Duration::from_millis(10);
    let settled = settle(&registry.folder, registry.spec.place(), &wait).await;
    assert!(matches!(settled, Err(Error::Timeout { .. })), "{settled:?}");
    assert_eq!(registry.serving().await, Some(Serving::ReadOnly));
    registry.remove(&pod).await;
    assert!(
        settle(&registry.folder, registry.spec.place(), &wait)
            .await
            .unwrap()
    );
    assert_eq!(registry.serving().await, Some(Serving::Usual));
}

#[tokio::test]
async fn an_apply_ends_a_turn_only_when_its_pods_are_gone() {
    let registry = registry().await;
    let before = registry.deployment().await;
    registry.begin().await;
    let pod = registry
        .made_now(Kind::Pod, json!({ "phase": "Running" }))
        .await;
    let up = registry.up();
    tokio::pin!(up);
    let early = tokio::time::timeout(Duration::from_secs(2), &mut up).await;
    assert!(early.is_err(), "it waits");
    assert_eq!(registry.serving().await, Some(Serving::ReadOnly));
    registry.remove(&pod).await;
    up.await;
    assert_eq!(
        registry.deployment().await.value()["spec"],
        before.value()["spec"]
    );
}

#[tokio::test]
async fn where_a_rollout_stands_still_pods_that_may_collect_are_deleted_and_no_others() {
    let registry = registry().await;
    let mut wait = wait::Wait::new(Duration::from_secs(1), &common::quiet);
    wait.interval = Duration::from_millis(10);
    wait.patience = Duration::from_millis(50);
    let running = json!({ "phase": "Running" });
    let writing = registry.made_now(Kind::Pod, running.clone()).await;
    let mut turn = registry.begin().await;
    let alone = turn
        .alone(&registry.folder, registry.spec.place(), &wait)
        .await;
    assert!(matches!(alone, Err(Error::Timeout { .. })), "{alone:?}");
    assert!(registry.folder.get(&writing).await.unwrap().is_some());
    registry.made_now(Kind::Pod, running).await;
    assert!(
        settle(&registry.folder, registry.spec.place(), &wait)
            .await
            .unwrap()
    );
}
