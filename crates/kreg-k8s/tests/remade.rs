//! Namespaces that a tenant makes again after they were deleted, on a real API server: nothing in them is believed, and
//! nothing is written to them. And a copy of the pull secret that a tenant made unwritable.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    cluster, contents, delete_namespace, down_with_data, remove_namespaces, spec, teams, up,
    write_as,
};
use kreg_k8s::{Cluster, Error, Kind, LiveCluster, Names, ObjectRef, RegistryState, names, pull};
use serde_json::{Value, json};

/// A labelled Secret of that name, as a tenant makes it.
async fn forge(cluster: &LiveCluster, namespace: &str, name: &str, labels: Value) {
    let body = json!({
        "metadata": { "labels": labels }, "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": r#"{"auths":{}}"# },
    });
    write_as(cluster, "tenant", Kind::Secret, namespace, name, body, true).await;
}

/// Waits until it is gone, then makes one of the same name.
async fn again(cluster: &LiveCluster, namespace: &str) {
    let reference = ObjectRef::new(Kind::Namespace, "", namespace);
    if cluster.get(&reference).await.unwrap().is_some() {
        remove_namespaces(cluster, &[namespace.to_owned()]).await;
    }
    while cluster.get(&reference).await.unwrap().is_some() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let body = json!({});
    write_as(
        cluster,
        "tenant",
        Kind::Namespace,
        "",
        namespace,
        body,
        true,
    )
    .await;
    let account = ObjectRef::new(Kind::ServiceAccount, namespace, "default");
    while cluster.get(&account).await.unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_registrys_namespace_that_was_made_again_is_believed_only_if_it_is_named() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("remade")).await.unwrap();
    again(&cluster, spec.place().namespace()).await;
    let secret = Names::of(spec.place()).pull_secret;
    let labels = names::labels(spec.place().instance());
    forge(&cluster, spec.place().namespace(), secret.name(), labels).await;
    let before = contents(&cluster, spec.place().namespace()).await;

    let error = RegistryState::read(&cluster, spec.place())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    let error = up(&cluster, &spec).await.unwrap_err();
    assert!(matches!(error, Error::Replaced { .. }), "{error}");
    assert_eq!(contents(&cluster, spec.place().namespace()).await, before);

    // The operator says that it is the right one, such as in a cluster that was restored.
    let place = spec.place().clone().with_earlier(true);
    let named = spec.clone().with_place(place).unwrap();
    up(&cluster, &named).await.unwrap();
    RegistryState::read(&cluster, spec.place()).await.unwrap();
    down_with_data(&cluster, &spec).await;
    delete_namespace(&cluster, spec.place().namespace()).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_shared_namespace_that_was_made_again_gets_no_password() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("reshared")).await.unwrap();
    let teams = teams(&cluster, "reshared", &["a"]).await;
    let accounts = ["default".to_owned()];
    pull::attach(&cluster, spec.place(), &teams, &accounts)
        .await
        .unwrap();
    again(&cluster, &teams[0]).await;
    let mut labels = names::labels(spec.place().instance());
    labels[names::LABEL_COMPONENT] = pull::COMPONENT.into();
    let own = Names::of(spec.place()).pull_secret;
    forge(&cluster, &teams[0], own.name(), labels).await;
    let before = contents(&cluster, &teams[0]).await;
    let (done, failed) = pull::refresh(&cluster, spec.place()).await.unwrap();
    assert!(done.is_empty() && failed.is_empty(), "{done:?} {failed:?}");
    down_with_data(&cluster, &spec).await;
    assert_eq!(contents(&cluster, &teams[0]).await, before);
    delete_namespace(&cluster, spec.place().namespace()).await;
    remove_namespaces(&cluster, &teams).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_copy_that_cannot_be_written_keeps_no_other_from_its_renewal() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("stubborn")).await.unwrap();
    let teams = teams(&cluster, "stubborn", &["a", "b"]).await;
    let accounts = ["default".to_owned()];
    pull::attach(&cluster, spec.place(), &teams, &accounts)
        .await
        .unwrap();
    let own = Names::of(spec.place()).pull_secret;
    let changed = json!({ "stringData": { ".dockerconfigjson": r#"{"auths":{"other:1":{}}}"# }, "immutable": true });
    let (kind, team) = (Kind::Secret, &teams[0]);
    write_as(&cluster, "tenant", kind, team, own.name(), changed, false).await;
    let changed = json!({ "stringData": { ".dockerconfigjson": r#"{"auths":{"other:1":{}}}"# } });
    let team = &teams[1];
    write_as(&cluster, "tenant", kind, team, own.name(), changed, false).await;

    let (done, failed) = pull::refresh(&cluster, spec.place()).await.unwrap();
    let object = |namespace: &String| ObjectRef::new(Kind::Secret, namespace, own.name());
    let renewed: Vec<_> = done.iter().map(|one| one.object.clone()).collect();
    assert_eq!(renewed, [object(&teams[1])]);
    let stuck: Vec<_> = failed.iter().map(|(copy, _)| copy.clone()).collect();
    assert_eq!(stuck, [object(&teams[0])]);
    down_with_data(&cluster, &spec).await;
    delete_namespace(&cluster, spec.place().namespace()).await;
    remove_namespaces(&cluster, &teams).await;
}
