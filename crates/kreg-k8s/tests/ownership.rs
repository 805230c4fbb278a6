//! Whose an object and a field is, on a real API server: foreign ones are named, spared, or taken over when told to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, and so may its helpers"
)]

mod common;

use std::time::Duration;

use common::{
    TEST_DIRECTORY, cluster, contents, delete_namespace, down_with_data, dummy_material, quiet,
    spec, up, write_as,
};
use kreg_k8s::{
    Action, ApplyMode, ApplyOptions, Cluster, Deleted, Error, Kind, Manifests, Material, Names,
    NodeDirectory, Object, ObjectRef, Place, Profile, RegistrySpec, RegistryState, Storage, Unfit,
    apply, plan, wait,
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_foreign_object_is_named_and_nothing_is_written() {
    let cluster = cluster().await;
    let spec = spec("foreign");
    let namespace = spec.place().namespace().to_owned();
    write_as(
        &cluster,
        "kubectl-create",
        Kind::Namespace,
        "",
        &namespace,
        json!({}),
        true,
    )
    .await;
    let secret = Names::of(spec.place()).htpasswd;
    write_as(
        &cluster,
        "someone",
        Kind::Secret,
        &namespace,
        secret.name(),
        json!({"stringData": {"htpasswd": "old"}}),
        true,
    )
    .await;
    let before = contents(&cluster, &namespace).await;

    let full = Manifests::full(&spec, &dummy_material());
    let error = apply::apply(&cluster, &full, ApplyOptions::default(), &quiet)
        .await
        .unwrap_err();
    let Error::Foreign { objects } = &error else {
        panic!("{error}")
    };
    assert_eq!(objects[0].object, secret);
    let text = error.to_string();
    assert!(
        text.contains(&secret.to_string()) && text.contains("someone"),
        "{text}"
    );
    assert_eq!(contents(&cluster, &namespace).await, before);
    // Nothing of a foreign Secret is taken for ours.
    assert!(
        RegistryState::read(&cluster, spec.place())
            .await
            .unwrap()
            .htpasswd
            .is_none()
    );

    let adopt = ApplyOptions {
        adopt: true,
        ..ApplyOptions::default()
    };
    let applied = apply::apply(&cluster, &full, adopt, &quiet).await.unwrap();
    assert!(
        applied
            .inventory
            .find(&secret)
            .is_some_and(|entry| !entry.created)
    );
    let again = apply::apply(&cluster, &full, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    assert!(!again.has_changes(), "{:?}", again.changes);
    // down leaves the adopted Secret, and with it the namespace that kreg had not made.
    let removal = down_with_data(&cluster, &spec).await;
    assert_eq!(
        removal
            .keep
            .iter()
            .map(|kept| &kept.object)
            .collect::<Vec<_>>(),
        [&secret]
    );
    let left = cluster.get(&secret).await.unwrap().unwrap();
    cluster.delete(&secret, left.uid().unwrap()).await.unwrap();
    delete_namespace(&cluster, &namespace).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_hand_edit_is_mended_and_another_tool_is_a_conflict_by_name() {
    let cluster = cluster().await;
    let spec = spec("conflict");
    let (pinned, _) = up(&cluster, &spec).await.unwrap();
    let names = Names::of(spec.place());
    let namespace = spec.place().namespace();
    let full = Manifests::full(&pinned, &dummy_material());
    let scale = |replicas: u32| json!({"spec": {"replicas": replicas}});

    write_as(
        &cluster,
        "kubectl-edit",
        Kind::Deployment,
        namespace,
        names.workload.name(),
        scale(0),
        false,
    )
    .await;
    let planned = plan(&cluster, &full, ApplyOptions::default())
        .await
        .unwrap();
    let change = planned
        .changes()
        .find(|change| change.object == names.workload)
        .unwrap();
    let Action::Update { fields } = &change.action else {
        panic!("{change:?}")
    };
    assert_eq!(fields[0].path, ".spec.replicas");
    assert_eq!(
        (
            fields[0].before.as_ref().unwrap(),
            fields[0].after.as_ref().unwrap()
        ),
        (&json!(0), &json!(1))
    );
    assert_eq!(change.taken_from[0].manager, "kubectl-edit");
    apply::apply(&cluster, &full, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let live = cluster.get(&names.workload).await.unwrap().unwrap();
    assert_eq!(live.number("/spec/replicas"), Some(1));

    write_as(
        &cluster,
        "other-operator",
        Kind::ConfigMap,
        namespace,
        names.config.as_ref().unwrap().name(),
        json!({"data": {"config.yml": "theirs"}}),
        true,
    )
    .await;
    let error = plan(&cluster, &full, ApplyOptions::default())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Conflict { .. }), "{text}");
    assert!(
        text.contains("other-operator") && text.contains("config.yml"),
        "{text}"
    );
    // It is kreg's already: there is nothing to adopt.
    let adopt = ApplyOptions {
        adopt: true,
        ..ApplyOptions::default()
    };
    let error = plan(&cluster, &full, adopt).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let force = ApplyOptions {
        force: true,
        ..ApplyOptions::default()
    };
    assert!(
        apply::apply(&cluster, &full, force, &quiet)
            .await
            .unwrap()
            .has_changes()
    );
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_is_adopted_is_taken_over_by_force_and_never_replaced() {
    let cluster = cluster().await;
    let spec = spec("adopted");
    let names = Names::of(spec.place());
    let namespace = spec.place().namespace().to_owned();
    let theirs = async |kind, name: &str, body| {
        write_as(&cluster, "gitops", kind, &namespace, name, body, true).await;
    };
    theirs(Kind::Namespace, &namespace, json!({})).await;
    let config = names.config.clone().unwrap();
    let body = json!({"data": {"config.yml": "theirs"}});
    theirs(Kind::ConfigMap, config.name(), body).await;
    let adopt = ApplyOptions {
        adopt: true,
        ..ApplyOptions::default()
    };
    let full = Manifests::full(&spec, &dummy_material());
    // A Secret's type is for life.
    let secret = names.pull_secret.clone();
    let body = json!({"type": "Opaque", "stringData": {"theirs": "x"}});
    theirs(Kind::Secret, secret.name(), body).await;
    let before = contents(&cluster, &namespace).await;
    let error = apply::apply(&cluster, &full, adopt, &quiet)
        .await
        .unwrap_err();
    let text = error.to_string();
    for part in [&secret.to_string(), "before kreg"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(contents(&cluster, &namespace).await, before);

    let live = cluster.get(&secret).await.unwrap().unwrap();
    cluster.delete(&secret, live.uid().unwrap()).await.unwrap();
    let applied = apply::apply(&cluster, &full, adopt, &quiet).await.unwrap();
    let change = applied
        .changes
        .iter()
        .find(|change| change.object == config);
    assert_eq!(change.unwrap().taken_from[0].manager, "gitops");
    down_with_data(&cluster, &spec).await;
    delete_namespace(&cluster, &namespace).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_service_that_is_to_have_another_address_is_told_of_in_its_own_words() {
    let cluster = cluster().await;
    let spec = spec("readdress");
    let (pinned, _) = up(&cluster, &spec).await.unwrap();
    let std::net::IpAddr::V4(address) = pinned.cluster_ip().unwrap() else {
        panic!("the test clusters are IPv4")
    };
    let next = std::net::Ipv4Addr::from(u32::from(address) ^ 1);
    let other = spec.clone().with_cluster_ip(Some(next.into()));
    let error = plan(
        &cluster,
        &Manifests::foundation(&other),
        ApplyOptions::default(),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(error.unfit(), Some(Unfit::ServiceFixed { .. })),
        "{error}"
    );
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn the_tutorials_objects_are_all_taken_and_all_undone() {
    let cluster = cluster().await;
    let spec = RegistrySpec::new(Place::new(Profile::Tutorial))
        .with_image("kreg.test/registry:2.8.2")
        .and_then(|spec| {
            spec.with_storage(Storage::HostPath {
                path: TEST_DIRECTORY.into(),
                node: None,
                size: "1Gi".into(),
            })
        })
        .unwrap();
    let names = Names::of(spec.place());
    for reference in [
        &names.workload,
        &names.service,
        &names.volume,
        &names.claim,
        &names.tls,
    ] {
        assert!(
            cluster.get(reference).await.unwrap().is_none(),
            "{reference} is in the way"
        );
    }
    let before = contents(&cluster, "default").await;
    up(&cluster, &spec).await.unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    assert_eq!(
        wait::storage_ready(&cluster, &spec, &waiting)
            .await
            .unwrap(),
        wait::StorageReady::Bound
    );
    let (pinned, second) = up(&cluster, &spec).await.unwrap();
    assert!(
        second.iter().all(|change| !change.is_change()),
        "{second:?}"
    );

    // A new certificate needs a new Pod.
    let material = Material {
        tls_chain_pem: "another\n".into(),
        ..dummy_material()
    };
    let planned = plan(
        &cluster,
        &Manifests::full(&pinned, &material),
        ApplyOptions::default(),
    )
    .await
    .unwrap();
    let pod = planned
        .changes()
        .find(|change| change.object == names.workload)
        .unwrap();
    assert!(matches!(pod.action, Action::Replace { .. }), "{pod:?}");

    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
    assert_eq!(
        removal.files_left,
        [NodeDirectory {
            path: TEST_DIRECTORY.to_owned(),
            node: None
        }]
    );
    assert_eq!(contents(&cluster, "default").await, before);
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn delete_spares_an_object_with_another_uid() {
    let cluster = cluster().await;
    let name = format!("t-uid-{}", std::process::id());
    let reference = ObjectRef::new(Kind::ConfigMap, "default", &name);
    let object = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"}, "data": {"a": "b"}}))
    .unwrap();
    let mode = ApplyMode {
        dry_run: true,
        force: false,
    };
    cluster.apply(&object, mode).await.unwrap();
    assert!(
        cluster.get(&reference).await.unwrap().is_none(),
        "a dry run must write nothing"
    );
    let live = cluster.apply(&object, ApplyMode::default()).await.unwrap();
    assert_eq!(
        cluster
            .delete(&reference, "11111111-1111-1111-1111-111111111111")
            .await
            .unwrap(),
        Deleted::OtherUid
    );
    assert_eq!(
        cluster
            .delete(&reference, live.uid().unwrap())
            .await
            .unwrap(),
        Deleted::Yes
    );
    assert_eq!(
        cluster
            .delete(&reference, live.uid().unwrap())
            .await
            .unwrap(),
        Deleted::Absent
    );
}
