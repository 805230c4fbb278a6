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
    Mortal, TEST_DIRECTORY, cluster, cluster_node, contents, down_with_data, dummy_material, quiet,
    spec, up, versions,
};
use futures::StreamExt as _;
use kreg_k8s::{
    Action, ApplyMode, ApplyOptions, Cluster, DownOptions, Kind, LiveCluster, Manifests, Names,
    Object, RegistrySpec, RegistryState, Storage, WorkloadState, down, plan,
};
use secrecy::ExposeSecret;
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn up_twice_writes_nothing_the_second_time_and_down_leaves_nothing() {
    let cluster = cluster().await;
    let spec = spec("twice");
    let before = contents(&cluster, spec.place().namespace()).await;

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
    assert_eq!(contents(&cluster, spec.place().namespace()).await, before);
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
    let nothing = RegistryState::read(&cluster, spec.place()).await.unwrap();
    assert!(!nothing.exists() && nothing.cluster_ip.is_none());
    let (pinned, _) = up(&cluster, &spec).await.unwrap();

    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
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
    let names = Names::of(spec.place());
    let service = cluster.get(&names.service).await.unwrap().unwrap();
    cluster
        .delete(&names.service, service.uid().unwrap())
        .await
        .unwrap();
    let remembered = RegistryState::read(&cluster, spec.place()).await.unwrap();
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
async fn killed_after_any_write_the_next_up_ends_in_the_same_state_and_down_finds_all() {
    let cluster = cluster().await;
    let node = cluster_node(&cluster).await;
    // Up again after each cut, and down after each.
    let lives = (0..WRITES).flat_map(|writes| [(writes, true), (writes, false)]);
    let lives = lives.map(|(writes, up_again)| {
        let storage = Storage::HostPath {
            path: TEST_DIRECTORY.into(),
            node: node.clone(),
            size: "1Gi".into(),
        };
        let spec = spec(&format!(
            "killed{writes}{}",
            if up_again { "u" } else { "d" }
        ))
        .with_storage(storage)
        .unwrap()
        .with_network_policy(true);
        one_life(&cluster, spec, writes, up_again)
    });
    let survived: Vec<bool> = futures::stream::iter(lives).buffered(16).collect().await;
    assert!(!survived[0], "no write is too few");
    assert!(
        survived.iter().rev().take(2).all(|alive| *alive),
        "{WRITES} writes must be enough: {survived:?}"
    );
    // A cluster has one announcement, so these come one after the other, until one lives: some writes fewer are enough.
    let mut writes = survived.iter().filter(|alive| !**alive).count() as i64 / 2 - 5;
    loop {
        let spec = spec(&format!("announced{writes}")).with_local_hosting(true);
        if one_life(&cluster, spec, writes, true).await {
            break;
        }
        writes += 1;
    }
}

const WRITES: i64 = 22;

/// Up, killed after so many writes; then up again and down, or down just as it was left. Whether it got through at once.
async fn one_life(cluster: &LiveCluster, spec: RegistrySpec, writes: i64, up_again: bool) -> bool {
    let survived = up(&Mortal::new(cluster, writes), &spec).await.is_ok();
    if up_again {
        let (pinned, _) = up(cluster, &spec).await.unwrap();
        let full = Manifests::full(&pinned, &dummy_material());
        let again = plan(cluster, &full, ApplyOptions::default()).await.unwrap();
        assert!(!again.has_changes(), "after {writes} writes: {again:?}");
        let inventory = RegistryState::read(cluster, spec.place())
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
        keep_record: false,
        timeout: Duration::from_secs(90),
    };
    let _ = down::down(
        &Mortal::new(cluster, writes / 2),
        spec.place(),
        options,
        &quiet,
    )
    .await;
    down_with_data(cluster, &spec).await;
    assert!(
        contents(cluster, spec.place().namespace()).await.is_empty(),
        "after {writes} writes"
    );
    survived
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_new_service_name_prunes_the_old_service() {
    let cluster = cluster().await;
    let spec = spec("prune");
    up(&cluster, &spec).await.unwrap();
    let place = spec.place().clone().with_service("images").unwrap();
    let renamed = spec.clone().with_place(place).unwrap();
    let (_, changes) = up(&cluster, &renamed).await.unwrap();
    let old = Names::of(spec.place()).service;
    assert!(
        changes
            .iter()
            .any(|change| change.object == old && change.action == Action::Delete),
        "{changes:?}"
    );
    assert!(cluster.get(&old).await.unwrap().is_none());
    let state = RegistryState::read(&cluster, renamed.place())
        .await
        .unwrap();
    assert!(state.inventory.unwrap().find(&old).is_none());
    down_with_data(&cluster, &renamed).await;
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
