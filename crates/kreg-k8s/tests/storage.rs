//! Volumes and claims on a real API server with its controllers: bound, kept, refused, told apart.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, and so may its helpers"
)]

mod common;

use std::time::Duration;

use common::{
    TEST_DIRECTORY, cluster, cluster_node, down_with_data, dummy_material, quiet, spec, up,
    write_as,
};
use kreg_k8s::{
    Action, ApplyOptions, Cluster, ClusterFacts, DownOptions, Error, Kind, Manifests, Names,
    Storage, apply, down, plan, wait,
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn the_tutorials_volume_binds_at_once_and_outlives_a_plain_down() {
    let cluster = cluster().await;
    let node = cluster_node(&cluster).await;
    let storage = Storage::HostPath {
        path: TEST_DIRECTORY.into(),
        node,
        size: "1Gi".into(),
    };
    let spec = spec("volume").with_storage(storage).unwrap();
    let foundation = Manifests::foundation(&spec);
    apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    assert_eq!(
        wait::storage_ready(&cluster, &spec, &waiting)
            .await
            .unwrap(),
        wait::StorageReady::Bound
    );
    let again = apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    assert!(!again.has_changes(), "{:?}", again.changes);

    let keep = DownOptions {
        delete_data: false,
        timeout: Duration::from_secs(60),
    };
    let removal = down::down(&cluster, &spec, keep, &quiet).await.unwrap();
    let names = Names::of(&spec);
    let kept: Vec<_> = removal
        .keep
        .iter()
        .map(|kept| kept.object.clone())
        .collect();
    assert_eq!(
        kept,
        [
            names.claim.clone(),
            names.volume.clone(),
            names.namespace.clone()
        ]
    );
    // The next up finds the same claim, still bound.
    let (_, changes) = up(&cluster, &spec).await.unwrap();
    assert!(
        changes
            .iter()
            .any(|change| change.object == names.claim && !change.is_change())
    );
    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
    assert!(
        removal.files_left[0].path == TEST_DIRECTORY && removal.files_left[0].node.is_some(),
        "{:?}",
        removal.files_left
    );
    assert!(cluster.get(&names.volume).await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_volume_that_remembers_an_older_claim_is_told_apart() {
    let cluster = cluster().await;
    let node = cluster_node(&cluster).await;
    let spec = spec("released")
        .with_storage(Storage::HostPath {
            path: TEST_DIRECTORY.into(),
            node,
            size: "1Gi".into(),
        })
        .unwrap();
    let foundation = Manifests::foundation(&spec);
    apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap();
    let claim = Names::of(&spec).claim;
    let uid = cluster
        .get(&claim)
        .await
        .unwrap()
        .unwrap()
        .uid()
        .unwrap()
        .to_owned();
    cluster.delete(&claim, &uid).await.unwrap();
    wait::gone(&cluster, &claim, &uid, &waiting).await.unwrap();
    apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let error = wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Stuck(_)), "{text}");
    assert!(
        text.contains(&claim.to_string()) && text.contains("kubectl patch pv"),
        "{text}"
    );
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_claim_without_a_class_that_exists_is_told_at_once_and_before() {
    let cluster = cluster().await;
    let storage = Storage::StorageClass {
        name: Some("no-such-class".into()),
        size: "1Gi".into(),
    };
    let spec = spec("noclass").with_storage(storage).unwrap();
    let mut facts = ClusterFacts::read(&cluster).await.unwrap();
    // Where the API server runs alone there is no node either; that is another finding.
    facts.nodes.iter_mut().for_each(|node| node.ready = true);
    if !facts.nodes.is_empty() {
        let before = facts.check(&spec).unwrap_err().to_string();
        assert!(
            before.contains("no-such-class") && before.contains("--storage"),
            "{before}"
        );
    }
    apply::apply(
        &cluster,
        &Manifests::foundation(&spec),
        ApplyOptions::default(),
        &quiet,
    )
    .await
    .unwrap();
    let begun = std::time::Instant::now();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    let error = wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no-such-class"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_cannot_change_is_replaced_or_refused_by_what_it_holds() {
    let cluster = cluster().await;
    let storage = Storage::StorageClass {
        name: Some("no-such-class".into()),
        size: "1Gi".into(),
    };
    let first = spec("immutable").with_storage(storage).unwrap();
    up(&cluster, &first).await.unwrap();
    let other = Storage::StorageClass {
        name: Some("another-class".into()),
        size: "1Gi".into(),
    };
    let changed = first.clone().with_storage(other).unwrap();
    let error = plan(
        &cluster,
        &Manifests::foundation(&changed),
        ApplyOptions::default(),
    )
    .await
    .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Immutable { .. }), "{text}");
    assert!(
        text.contains(&Names::of(&first).claim.to_string()) && text.contains("--delete-data"),
        "{text}"
    );

    // A Secret's type is for life, and a Secret holds no images.
    let names = Names::of(&first);
    let pull = cluster.get(&names.pull_secret).await.unwrap().unwrap();
    cluster
        .delete(&names.pull_secret, pull.uid().unwrap())
        .await
        .unwrap();
    let labels = kreg_k8s::names::labels(first.instance());
    write_as(
        &cluster,
        "kubectl-edit",
        Kind::Secret,
        first.namespace(),
        names.pull_secret.name(),
        json!({"metadata": {"labels": labels}, "type": "Opaque"}),
        true,
    )
    .await;
    let full = Manifests::full(&first, &dummy_material());
    let applied = apply::apply(
        &cluster,
        &full,
        ApplyOptions {
            force: true,
            ..ApplyOptions::default()
        },
        &quiet,
    )
    .await
    .unwrap();
    let change = applied
        .changes
        .iter()
        .find(|change| change.object == names.pull_secret)
        .unwrap();
    assert!(
        matches!(change.action, Action::Replace { .. }),
        "{change:?}"
    );
    let live = cluster.get(&names.pull_secret).await.unwrap().unwrap();
    assert_eq!(live.text("/type"), Some("kubernetes.io/dockerconfigjson"));
    down_with_data(&cluster, &first).await;
}
