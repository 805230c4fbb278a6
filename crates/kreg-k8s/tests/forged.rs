//! What a tenant can write is no authority, on a real API server: objects that carry kreg's labels, annotations and names
//! without being in the record are not believed, not written to, given no secret and not deleted.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{
    account, cluster, contents, delete_namespace, down_with_data, dummy_material, quiet,
    remove_namespaces, spec, teams, up, write_as,
};
use kreg_k8s::{
    ApplyOptions, Cluster, Declared, DownOptions, Error, Inventory, Kind, LiveCluster, Manifests,
    Names, Object, RegistrySpec, RegistryState, apply, down, names, pull, secret,
};
use serde_json::{Value, json};

/// Every object of a registry that is up, made by a tenant who is faster than the first `up`, with the inventory of an
/// earlier kreg beside it. The namespace is the tenant's too.
async fn forged(cluster: &LiveCluster, spec: &RegistrySpec) {
    let full = Manifests::full(spec, &dummy_material());
    for object in full.objects() {
        let mut body = object.value().clone();
        for key in ["apiVersion", "kind"] {
            body.as_object_mut().unwrap().remove(key);
        }
        let reference = object.reference();
        let namespace = reference.namespace().unwrap_or_default();
        let kind = reference.kind();
        write_as(
            cluster,
            "tenant",
            kind,
            namespace,
            reference.name(),
            body,
            true,
        )
        .await;
    }
    let object = names::earlier_inventory(spec.place());
    let mut declared = serde_json::to_value(Declared::from(spec)).unwrap();
    declared["image"] = "evil.example/rootkit".into();
    declared["nodeAgent"] = true.into();
    let inventory = json!({
        "schema": "kreg/v1", "instance": spec.place().instance(), "profile": "default", "port": 5000,
        "declared": declared,
        "objects": full.objects().iter().map(|object| {
            let mut entry = serde_json::to_value(object.reference()).unwrap();
            entry["createdByKreg"] = true.into();
            entry
        }).collect::<Vec<Value>>(),
    });
    let body = json!({
        "metadata": { "labels": names::labels(spec.place().instance()) },
        "data": { "inventory.json": inventory.to_string() },
    });
    let namespace = spec.place().namespace();
    write_as(
        cluster,
        "tenant",
        Kind::ConfigMap,
        namespace,
        object.name(),
        body,
        true,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn without_a_record_nothing_is_read_taken_over_or_removed() {
    let cluster = cluster().await;
    let spec = spec("forged");
    forged(&cluster, &spec).await;
    let before = contents(&cluster, spec.place().namespace()).await;

    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    assert!(!state.exists() && state.inventory.is_none(), "{state:?}");
    assert!(state.ca_bundle_pem.is_none() && state.htpasswd.is_none());
    assert!(state.cluster_ip.is_none() && state.docker_config_json.is_none());
    let names = Names::of(spec.place());
    assert!(
        secret::read(&cluster, spec.place(), &names.tls)
            .await
            .unwrap()
            .is_none()
    );
    let error = apply::apply(
        &cluster,
        &Manifests::foundation(&spec),
        ApplyOptions::default(),
        &quiet,
    )
    .await
    .unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    let removal = down_with_data(&cluster, &spec).await;
    assert_eq!(removal, kreg_k8s::Removal::default());
    assert_eq!(contents(&cluster, spec.place().namespace()).await, before);
    delete_namespace(&cluster, spec.place().namespace()).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_secret_or_an_account_that_the_record_does_not_list_gets_nothing() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("volunteer")).await.unwrap();
    let teams = teams(&cluster, "volunteer", &["a", "b"]).await;
    let accounts = ["default".to_owned()];
    pull::attach(&cluster, spec.place(), &teams[1..], &accounts)
        .await
        .unwrap();

    let mut labels = names::labels(spec.place().instance());
    labels[names::LABEL_COMPONENT] = pull::COMPONENT.into();
    let own = Names::of(spec.place()).pull_secret;
    for name in ["anything-i-like", own.name()] {
        let body = json!({
            "metadata": { "labels": labels }, "type": "kubernetes.io/dockerconfigjson",
            "stringData": { ".dockerconfigjson": r#"{"auths":{}}"# },
        });
        write_as(
            &cluster,
            "tenant",
            Kind::Secret,
            &teams[0],
            name,
            body,
            true,
        )
        .await;
    }
    let body = json!({
        "metadata": { "labels": { pull::label(spec.place().instance()): "attached" } },
        "imagePullSecrets": [{ "name": own.name() }],
    });
    write_as(
        &cluster,
        "tenant",
        Kind::ServiceAccount,
        &teams[0],
        "default",
        body,
        false,
    )
    .await;
    let before = contents(&cluster, &teams[0]).await;
    let account_before = account(&cluster, &teams[0]).await;

    let (listed, failed) = pull::refresh(&cluster, spec.place()).await.unwrap();
    assert_eq!(
        (listed.len(), failed.len()),
        (1, 0),
        "{listed:?} {failed:?}"
    );
    let unlisted = pull::unlisted(&cluster, spec.place()).await.unwrap();
    assert_eq!(unlisted.len(), 2, "{unlisted:?}");
    // Not even when it is asked to put one there: the tenant's stays as it is.
    let error = pull::attach(&cluster, spec.place(), &teams[..1], &accounts).await;
    assert!(matches!(error, Err(Error::Foreign { .. })), "{error:?}");
    pull::detach(&cluster, spec.place(), None).await.unwrap();
    let removal = down_with_data(&cluster, &spec).await;
    assert!(
        removal.detach.is_empty() && removal.keep.is_empty(),
        "{removal:?}"
    );
    assert_eq!(contents(&cluster, &teams[0]).await, before);
    assert_eq!(account(&cluster, &teams[0]).await, account_before);
    remove_namespaces(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_an_earlier_kreg_noted_counts_where_the_namespace_is_named_and_becomes_a_record() {
    let cluster = cluster().await;
    let spec = spec("earlier");
    forged(&cluster, &spec).await;
    let place = spec.place().clone().with_earlier(true);
    let named = spec.clone().with_place(place).unwrap();
    let state = RegistryState::read(&cluster, named.place()).await.unwrap();
    assert_eq!(
        state.inventory.as_ref().unwrap().id,
        spec.place().instance()
    );
    assert!(state.exists() && state.ca_bundle_pem.is_some());
    let applied = up(&cluster, &named).await;
    applied.unwrap();
    let object = names::earlier_inventory(spec.place());
    assert!(
        cluster.get(&object).await.unwrap().is_none(),
        "{object} is there still"
    );
    let record = Inventory::read(&cluster, spec.place())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.id, spec.place().instance());
    let options = DownOptions {
        delete_data: true,
        keep_record: false,
        timeout: Duration::from_secs(90),
    };
    let removal = down::down(&cluster, spec.place(), options, &quiet)
        .await
        .unwrap();
    assert!(removal.keep.is_empty(), "{removal:?}");
    assert!(
        contents(&cluster, spec.place().namespace())
            .await
            .is_empty()
    );
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_record_of_that_name_in_another_namespace_is_left_alone() {
    let cluster = cluster().await;
    let (first, _) = up(&cluster, &spec("twice")).await.unwrap();
    let elsewhere = format!("{}-b", first.place().namespace());
    let place = first.place().clone().with_namespace(&elsewhere).unwrap();
    let second = first.clone().with_place(place).unwrap();
    let before = versions(&cluster, &first).await;
    assert!(
        Inventory::read(&cluster, second.place())
            .await
            .unwrap()
            .is_none()
    );
    let foundation = Manifests::foundation(&second);
    let error = apply::apply(
        &cluster,
        &foundation,
        ApplyOptions {
            adopt: true,
            force: true,
        },
        &quiet,
    )
    .await;
    assert!(matches!(error, Err(Error::Foreign { .. })), "{error:?}");
    assert_eq!(
        down_with_data(&cluster, &second).await,
        kreg_k8s::Removal::default()
    );
    assert_eq!(versions(&cluster, &first).await, before);
    down_with_data(&cluster, &first).await;
}

async fn versions(cluster: &LiveCluster, spec: &RegistrySpec) -> Vec<Option<String>> {
    let names = Names::of(spec.place());
    let mut seen = Vec::new();
    for reference in [&names.inventory, &names.service, &names.htpasswd] {
        let live: Option<Object> = cluster.get(reference).await.unwrap();
        seen.push(live.and_then(|live| live.version().map(str::to_owned)));
    }
    seen
}
