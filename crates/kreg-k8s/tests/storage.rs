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
    TEST_DIRECTORY, cluster, cluster_node, delete_namespace, down_with_data, dummy_material, quiet,
    real_material, spec, up, write_as,
};
use kreg_k8s::{
    Action, ApplyOptions, Cause, Cluster, ClusterFacts, DownOptions, Error, Kind, LiveCluster,
    Manifests, Names, ObjectRef, RegistryState, Remedy, Storage, Unfit, address, apply, claim,
    down, plan, wait,
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

    let (pinned, _) = up(&cluster, &spec).await.unwrap();
    let keep = DownOptions {
        delete_data: false,
        keep_record: false,
        timeout: Duration::from_secs(60),
    };
    let removal = down::down(&cluster, spec.place(), keep, &quiet)
        .await
        .unwrap();
    let names = Names::of(spec.place());
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
            names.namespace.clone(),
            names.inventory.clone()
        ]
    );
    // The next up finds the same claim, still bound, and the address that the old one had.
    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    assert!(!state.exists());
    assert_eq!(state.cluster_ip, pinned.cluster_ip());
    let again = spec.clone().with_cluster_ip(state.cluster_ip);
    let (_, changes) = up(&cluster, &again).await.unwrap();
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
async fn an_address_that_another_service_took_is_told_before_and_while() {
    let cluster = cluster().await;
    let other = spec("holder");
    let (holder, _) = up(&cluster, &other).await.unwrap();
    let spec = spec("latecomer").with_cluster_ip(holder.cluster_ip());
    let before = address::check(&cluster, &spec).await.unwrap_err();
    let foundation = Manifests::foundation(&spec);
    // Whoever may not see all Services learns it from the server, its namespace being there or not.
    let taken = |error: &Error| {
        let is_taken = matches!(
            error.unfit(),
            Some(Unfit::AddressTaken { .. } | Unfit::AddressRefused { .. })
        );
        assert!(is_taken, "{error}");
        error.to_string()
    };
    let mut texts = vec![taken(&before)];
    for _ in 0..2 {
        let outcome = apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet).await;
        texts.push(taken(&outcome.unwrap_err()));
    }
    down_with_data(&cluster, &spec).await;
    address::check(&cluster, &holder).await.unwrap();
    down_with_data(&cluster, &other).await;
    address::check(&cluster, &spec).await.unwrap();
    for text in &texts {
        let service = Names::of(spec.place()).service.to_string();
        assert!(text.contains(&service), "{text}");
    }
    let service = Names::of(other.place()).service.to_string();
    assert!(texts[0].contains(&service), "{}", texts[0]);

    let facts = ClusterFacts::read(&cluster).await.unwrap();
    let outside = spec.with_cluster_ip(Some([203, 0, 113, 9].into()));
    let error = facts.check(&outside).unwrap_err();
    assert!(
        matches!(error.unfit(), Some(Unfit::AddressOutOfRange { ranges, .. }) if *ranges == facts.service_cidrs),
        "{error}"
    );
    assert!(error.to_string().contains("203.0.113.9"), "{error}");
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_claim_that_is_there_is_judged_by_itself_and_not_by_todays_classes() {
    let cluster = cluster().await;
    let facts = ClusterFacts::read(&cluster).await.unwrap();
    let mut unmarked = facts.clone();
    unmarked
        .storage_classes
        .iter_mut()
        .for_each(|class| class.default = false);
    let class = |name: Option<&str>| Storage::StorageClass {
        name: name.map(str::to_owned),
        size: "1Gi".into(),
    };
    let spec = spec("judged").with_storage(class(None)).unwrap();
    let text = claim::check(&cluster, &spec, &unmarked)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("no default StorageClass"), "{text}");
    claim::check(&cluster, &spec, &facts).await.unwrap();
    up(&cluster, &spec).await.unwrap();
    claim::check(&cluster, &spec, &unmarked).await.unwrap();

    let existing = |name: &str| {
        spec.clone()
            .with_storage(Storage::ExistingClaim { name: name.into() })
            .unwrap()
    };
    let theirs = async |name: &str, class: &str, volume: &str| {
        let body = json!({"spec": {"storageClassName": class, "volumeName": volume, "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}});
        let namespace = spec.place().namespace();
        write_as(
            &cluster,
            "somebody",
            Kind::PersistentVolumeClaim,
            namespace,
            name,
            body,
            true,
        )
        .await;
        claim::check(&cluster, &existing(name), &facts).await
    };
    let default = facts.default_storage_class().unwrap().name.clone();
    // It is bound as soon as a Pod uses it.
    theirs("waiting", &default, "").await.unwrap();
    let error = theirs("classless", "t-no-such-class", "").await;
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("classless") && text.contains("t-no-such-class"),
        "{text}"
    );
    let volume = format!("t-judged-{}", std::process::id());
    let body = json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
        "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": TEST_DIRECTORY}, "claimRef": {"namespace": "default",
        "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}}});
    write_as(
        &cluster,
        "somebody",
        Kind::PersistentVolume,
        "",
        &volume,
        body,
        true,
    )
    .await;
    let error = theirs("taken", "", &volume).await.unwrap_err();
    let held = ObjectRef::new(Kind::PersistentVolume, "", &volume);
    assert!(
        matches!(error.unfit(), Some(Unfit::ClaimStuck(cause)) if cause.remedy == Remedy::FreeVolume(held)),
        "{error}"
    );
    assert!(error.to_string().contains(&volume), "{error}");
    let text = claim::check(&cluster, &existing("absent"), &facts)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("there is no"), "{text}");

    // One that is being deleted, as long as something holds it.
    let body = json!({"metadata": {"finalizers": ["kreg.test/hold"]}});
    let kind = Kind::PersistentVolumeClaim;
    write_as(
        &cluster,
        "holder",
        kind,
        spec.place().namespace(),
        "waiting",
        body,
        true,
    )
    .await;
    let waiting = ObjectRef::new(kind, spec.place().namespace(), "waiting");
    remove(&cluster, &waiting).await;
    let text = claim::check(&cluster, &existing("waiting"), &facts)
        .await
        .unwrap_err()
        .to_string();
    assert!(text.contains("being deleted"), "{text}");
    write_as(
        &cluster,
        "holder",
        kind,
        spec.place().namespace(),
        "waiting",
        json!({}),
        true,
    )
    .await;

    remove(
        &cluster,
        &ObjectRef::new(Kind::PersistentVolume, "", &volume),
    )
    .await;
    down_with_data(&cluster, &spec).await;
    delete_namespace(&cluster, spec.place().namespace()).await;
}

async fn remove(cluster: &LiveCluster, object: &ObjectRef) {
    let live = cluster.get(object).await.unwrap().unwrap();
    cluster.delete(object, live.uid().unwrap()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_registry_on_a_claim_of_somebody_else_gets_ready_and_leaves_it() {
    let cluster = cluster().await;
    let facts = ClusterFacts::read(&cluster).await.unwrap();
    let spec = spec("theirclaim");
    let namespace = spec.place().namespace();
    write_as(
        &cluster,
        "somebody",
        Kind::Namespace,
        "",
        namespace,
        json!({}),
        true,
    )
    .await;
    let body = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    write_as(
        &cluster,
        "somebody",
        Kind::PersistentVolumeClaim,
        namespace,
        "theirs",
        body,
        true,
    )
    .await;
    let storage = Storage::ExistingClaim {
        name: "theirs".into(),
    };
    let spec = spec.with_storage(storage).unwrap();
    claim::check(&cluster, &spec, &facts).await.unwrap();
    let foundation = Manifests::foundation(&spec);
    let options = ApplyOptions::default();
    apply::apply(&cluster, &foundation, options, &quiet)
        .await
        .unwrap();
    let address = apply::cluster_ip(&cluster, &foundation).await.unwrap();
    let spec = spec.with_cluster_ip(Some(address));
    let waiting = wait::Wait::new(Duration::from_secs(120), &quiet);
    wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap();
    let full = Manifests::full(&spec, &real_material(&spec, address));
    apply::apply(&cluster, &full, options, &quiet)
        .await
        .unwrap();
    wait::registry_ready(&cluster, spec.place(), &waiting)
        .await
        .unwrap();
    let theirs = ObjectRef::new(
        Kind::PersistentVolumeClaim,
        spec.place().namespace(),
        "theirs",
    );
    let live = cluster.get(&theirs).await.unwrap().unwrap();
    assert_eq!(live.text("/status/phase"), Some("Bound"));
    claim::check(&cluster, &spec, &facts).await.unwrap();

    let removal = down_with_data(&cluster, &spec).await;
    assert!(!removal.delete.contains(&theirs), "{removal:?}");
    let after = cluster.get(&theirs).await.unwrap().unwrap();
    assert_eq!(after.uid(), live.uid());
    assert!(!after.is_terminating());
    delete_namespace(&cluster, spec.place().namespace()).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_volume_that_its_class_keeps_is_told_of() {
    let cluster = cluster().await;
    let name = format!("t-retained-{}", std::process::id());
    // As a provisioner leaves it; the class itself need not be there.
    let storage = Storage::StorageClass {
        name: Some(name.clone()),
        size: "1Gi".into(),
    };
    let spec = spec("retained").with_storage(storage).unwrap();
    let body = json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": name, "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": TEST_DIRECTORY}}});
    write_as(
        &cluster,
        "provisioner",
        Kind::PersistentVolume,
        "",
        &name,
        body,
        true,
    )
    .await;
    let foundation = Manifests::foundation(&spec);
    apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let claim = Names::of(spec.place()).claim;
    until_phase(&cluster, &claim, "Bound").await;
    let volume = ObjectRef::new(Kind::PersistentVolume, "", &name);
    // Each time, as long as it is there.
    for number in 0..2 {
        let removal = down_with_data(&cluster, &spec).await;
        assert_eq!(removal.delete.contains(&claim), number == 0);
        let [kept] = removal.keep.as_slice() else {
            panic!("{:?}", removal.keep)
        };
        assert_eq!(kept.object, volume);
        assert!(kept.reason.contains("Retain"), "{}", kept.reason);
    }
    let uid = cluster.get(&volume).await.unwrap().unwrap();
    let uid = uid.uid().unwrap();
    remove(&cluster, &volume).await;
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    wait::gone(&cluster, &volume, uid, &waiting).await.unwrap();
    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{removal:?}");
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
    let claim = Names::of(spec.place()).claim;
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
    // The volume controller sees it a moment later.
    let volume = Names::of(spec.place()).volume;
    until_phase(&cluster, &volume, "Released").await;
    let facts = ClusterFacts::read(&cluster).await.unwrap();
    let before = claim::check(&cluster, &spec, &facts).await;
    let before = before.unwrap_err();
    apply::apply(&cluster, &foundation, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    let error = wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap_err();
    let text = error.to_string();
    let frees = |cause: &Cause| cause.remedy == Remedy::FreeVolume(volume.clone());
    assert!(
        matches!(before.unfit(), Some(Unfit::VolumeStuck(cause) | Unfit::ClaimStuck(cause)) if frees(cause)),
        "{before}"
    );
    assert!(
        matches!(&error, Error::Stuck(cause) if frees(cause)),
        "{text}"
    );
    assert!(text.contains(&claim.to_string()), "{text}");
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
        let before = claim::check(&cluster, &spec, &facts).await;
        let before = before.unwrap_err();
        assert!(
            matches!(before.unfit(), Some(Unfit::NoClass { class, .. }) if class == "no-such-class"),
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
        text.contains(&Names::of(first.place()).claim.to_string()),
        "{text}"
    );

    // A Secret's type is for life, and a Secret holds no images.
    let names = Names::of(first.place());
    let pull = cluster.get(&names.pull_secret).await.unwrap().unwrap();
    cluster
        .delete(&names.pull_secret, pull.uid().unwrap())
        .await
        .unwrap();
    let labels = kreg_k8s::names::labels(first.place().instance());
    write_as(
        &cluster,
        "kubectl-edit",
        Kind::Secret,
        first.place().namespace(),
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

async fn until_phase(cluster: &LiveCluster, object: &ObjectRef, phase: &str) {
    let seen = async || cluster.get(object).await.unwrap().unwrap();
    while seen().await.text("/status/phase") != Some(phase) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
