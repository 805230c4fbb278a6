//! Plan, apply and down on a real API server with its controllers; no node is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, and so may its helpers"
)]

mod common;

use std::time::Duration;

use common::{
    Mortal, cluster, contents, down_with_data, dummy_material, quiet, spec, up, versions, write_as,
};
use kreg_k8s::{
    Action, ApplyMode, ApplyOptions, Cluster, ClusterFacts, Deleted, DownOptions, Error, Kind,
    LiveCluster, Manifests, Material, Names, NodeDirectory, Object, ObjectRef, Profile,
    RegistrySpec, RegistryState, Storage, WorkloadState, apply, down, plan, wait,
};
use secrecy::ExposeSecret;
use serde_json::json;

/// Kubelets make it, and nobody removes it: not the one that a registry on this cluster might use.
const TEST_DIRECTORY: &str = "/tmp/kreg-k8s-tests";

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn up_twice_writes_nothing_the_second_time_and_down_leaves_nothing() {
    let cluster = cluster().await;
    let spec = spec("twice");
    let before = contents(&cluster, spec.namespace()).await;

    let planned = plan(
        &cluster,
        &Manifests::full(&spec, &dummy_material()),
        ApplyOptions::default(),
    )
    .await
    .unwrap();
    assert!(
        planned
            .changes()
            .all(|change| change.action == Action::Create)
    );
    let (pinned, first) = up(&cluster, &spec).await.unwrap();
    assert!(first.iter().any(|change| change.action == Action::Create));

    let full = Manifests::full(&pinned, &dummy_material());
    let written = versions(&cluster, &full).await;
    let (_, second) = up(&cluster, &pinned).await.unwrap();
    let changed: Vec<_> = second.iter().filter(|change| change.is_change()).collect();
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(versions(&cluster, &full).await, written);
    // Nor does a run that has forgotten the address.
    let (again, third) = up(&cluster, &spec).await.unwrap();
    assert_eq!(again.cluster_ip(), pinned.cluster_ip());
    assert!(third.iter().all(|change| !change.is_change()), "{third:?}");
    assert_eq!(versions(&cluster, &full).await, written);

    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
    assert!(
        removal
            .delete
            .iter()
            .any(|object| object.kind() == Kind::Namespace)
    );
    assert_eq!(contents(&cluster, spec.namespace()).await, before);
    let once_more = down_with_data(&cluster, &spec).await;
    assert!(
        once_more.delete.is_empty() && once_more.keep.is_empty(),
        "{once_more:?}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_is_read_back_is_what_was_written() {
    let cluster = cluster().await;
    let spec = spec("state");
    let nothing = RegistryState::read(&cluster, &spec).await.unwrap();
    assert!(!nothing.exists() && nothing.cluster_ip.is_none());
    let (pinned, _) = up(&cluster, &spec).await.unwrap();

    let state = RegistryState::read(&cluster, &spec).await.unwrap();
    let material = dummy_material();
    assert!(state.exists());
    assert_eq!(state.cluster_ip, pinned.cluster_ip());
    assert_eq!(state.tls_chain_pem.as_ref(), Some(&material.tls_chain_pem));
    assert_eq!(state.ca_bundle_pem.as_ref(), Some(&material.ca_bundle_pem));
    for (read, written) in [
        (&state.tls_key_pem, &material.tls_key_pem),
        (&state.ca_key_pem, material.ca_key_pem.as_ref().unwrap()),
        (&state.htpasswd, &material.htpasswd),
        (&state.http_secret, &material.http_secret),
        (&state.docker_config_json, &material.docker_config_json),
    ] {
        assert_eq!(
            read.as_ref().unwrap().expose_secret(),
            written.expose_secret()
        );
    }
    assert!(
        matches!(
            state.workload,
            WorkloadState::NotReady { .. } | WorkloadState::Ready { .. }
        ),
        "{:?}",
        state.workload
    );
    // The address outlives its Service, so that a Service removed by hand comes back under the same address.
    let names = Names::of(&spec);
    let service = cluster.get(&names.service).await.unwrap().unwrap();
    cluster
        .delete(&names.service, service.uid().unwrap())
        .await
        .unwrap();
    let remembered = RegistryState::read(&cluster, &spec).await.unwrap();
    assert_eq!(remembered.cluster_ip, pinned.cluster_ip());
    let (healed, _) = up(
        &cluster,
        &spec.clone().with_cluster_ip(remembered.cluster_ip),
    )
    .await
    .unwrap();
    assert_eq!(healed.cluster_ip(), pinned.cluster_ip());
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_foreign_object_is_named_and_nothing_is_written() {
    let cluster = cluster().await;
    let spec = spec("foreign");
    let namespace = spec.namespace().to_owned();
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
    let secret = Names::of(&spec).htpasswd;
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
        text.contains(&secret.to_string()) && text.contains("someone") && text.contains("--adopt"),
        "{text}"
    );
    assert_eq!(contents(&cluster, &namespace).await, before);
    // Nothing of a foreign Secret is taken for ours.
    assert!(
        RegistryState::read(&cluster, &spec)
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
    let names = Names::of(&spec);
    let namespace = spec.namespace();
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
        text.contains("other-operator") && text.contains("config.yml") && text.contains("--force"),
        "{text}"
    );
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
async fn killed_after_any_write_the_next_up_ends_in_the_same_state_and_down_finds_all() {
    let cluster = cluster().await;
    let lives = futures::future::join_all((0..20).map(|writes| one_life(&cluster, writes))).await;
    assert!(
        !lives[0] && lives[19],
        "twenty writes must be enough and none too few: {lives:?}"
    );
}

/// Up, killed after so many writes; then up again and down, or down just as it was left. Whether it got through at once.
async fn one_life(cluster: &LiveCluster, writes: i64) -> bool {
    let spec = spec(&format!("killed{writes}"));
    let survived = up(&Mortal::new(cluster, writes), &spec).await.is_ok();
    if writes % 2 == 0 || survived {
        let (pinned, _) = up(cluster, &spec).await.unwrap();
        let full = Manifests::full(&pinned, &dummy_material());
        let again = plan(cluster, &full, ApplyOptions::default()).await.unwrap();
        assert!(!again.has_changes(), "after {writes} writes");
        let inventory = RegistryState::read(cluster, &spec)
            .await
            .unwrap()
            .inventory
            .unwrap();
        let complete = inventory.entries.iter().all(|entry| entry.uid.is_some());
        assert!(complete, "after {writes} writes: {inventory:?}");
        assert_eq!(inventory.entries.len(), full.objects().len());
    }
    // A down that is killed is taken up as well.
    let options = DownOptions {
        delete_data: true,
        timeout: Duration::from_secs(90),
    };
    let _ = down::down(&Mortal::new(cluster, writes / 2), &spec, options, &quiet).await;
    down_with_data(cluster, &spec).await;
    assert!(
        contents(cluster, spec.namespace()).await.is_empty(),
        "after {writes} writes"
    );
    survived
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn without_an_inventory_down_goes_by_labels_and_leaves_a_namespace_with_foreign_objects() {
    let cluster = cluster().await;
    let spec = spec("labels");
    up(&cluster, &spec).await.unwrap();
    let names = Names::of(&spec);
    let inventory = cluster.get(&names.inventory).await.unwrap().unwrap();
    cluster
        .delete(&names.inventory, inventory.uid().unwrap())
        .await
        .unwrap();
    write_as(
        &cluster,
        "someone",
        Kind::ConfigMap,
        spec.namespace(),
        "theirs",
        json!({"data": {"a": "b"}}),
        true,
    )
    .await;

    let removal = down_with_data(&cluster, &spec).await;
    assert_eq!(removal.keep.len(), 1, "{:?}", removal.keep);
    assert_eq!(removal.keep[0].object, names.namespace);
    assert!(
        removal.keep[0]
            .reason
            .contains(&format!("ConfigMap {}/theirs", spec.namespace())),
        "{:?}",
        removal.keep
    );
    assert!(cluster.get(&names.service).await.unwrap().is_none());
    delete_namespace(&cluster, spec.namespace()).await;
}

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
async fn a_new_service_name_prunes_the_old_service() {
    let cluster = cluster().await;
    let spec = spec("prune");
    up(&cluster, &spec).await.unwrap();
    let renamed = spec.clone().with_service("images").unwrap();
    let (_, changes) = up(&cluster, &renamed).await.unwrap();
    let old = Names::of(&spec).service;
    assert!(
        changes
            .iter()
            .any(|change| change.object == old && change.action == Action::Delete),
        "{changes:?}"
    );
    assert!(cluster.get(&old).await.unwrap().is_none());
    let state = RegistryState::read(&cluster, &renamed).await.unwrap();
    assert!(state.inventory.unwrap().find(&old).is_none());
    down_with_data(&cluster, &renamed).await;
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

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn the_tutorials_objects_are_all_taken_and_all_undone() {
    let cluster = cluster().await;
    let spec = RegistrySpec::new(Profile::Tutorial)
        .with_image("kreg.test/registry:2.8.2")
        .and_then(|spec| {
            spec.with_storage(Storage::HostPath {
                path: TEST_DIRECTORY.into(),
                node: None,
                size: "1Gi".into(),
            })
        })
        .unwrap();
    let names = Names::of(&spec);
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

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_unknown_field_is_refused_where_the_server_can_tell() {
    let cluster = cluster().await;
    let version = cluster.server_version().await.unwrap().unwrap();
    let object = Object::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "t-strict", "namespace": "default"}, "dta": {"a": "b"}}))
    .unwrap();
    let outcome = cluster
        .apply(
            &object,
            ApplyMode {
                dry_run: true,
                force: false,
            },
        )
        .await;
    // Server-side apply has always refused fields outside the schema; 1.25 and later name them.
    let text = outcome.expect_err(&version).to_string();
    assert!(
        text.contains("dta") && text.contains("ConfigMap default/t-strict"),
        "{version}: {text}"
    );
}

async fn cluster_node(cluster: &LiveCluster) -> Option<String> {
    let facts = ClusterFacts::read(cluster).await.unwrap();
    // A volume binds without a Pod wherever its node may be.
    Some(
        facts
            .nodes
            .first()
            .map_or("no-node-needed".to_owned(), |node| node.hostname.clone()),
    )
}

async fn delete_namespace(cluster: &LiveCluster, name: &str) {
    let reference = ObjectRef::new(Kind::Namespace, "", name);
    let uid = cluster
        .get(&reference)
        .await
        .unwrap()
        .unwrap()
        .uid()
        .unwrap()
        .to_owned();
    cluster.delete(&reference, &uid).await.unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    wait::gone(cluster, &reference, &uid, &waiting)
        .await
        .unwrap();
}
