//! What was changed by hand is told by field, hand and time, on a real API server.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{cluster, down_with_data, dummy_material, quiet, spec, up, write_as};
use kreg_k8s::{
    ApplyOptions, Cluster, Drift, Kind, LiveCluster, Manifests, Names, RegistrySpec, RegistryState,
    apply, drift,
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_edit_by_hand_is_told_with_field_hand_and_time_and_up_mends_it() {
    let cluster = cluster().await;
    let asked = spec("drift").with_network_policy(true);
    let (spec, _) = up(&cluster, &asked).await.unwrap();
    let names = Names::of(&spec);
    assert_eq!(look(&cluster, &spec).await, []);

    // What somebody adds beside kreg's own fields is theirs.
    let annotation = json!({"metadata": {"annotations": {"team": "storage"}}});
    write_as(
        &cluster,
        "kubectl-annotate",
        Kind::Service,
        spec.namespace(),
        spec.service(),
        annotation,
        false,
    )
    .await;
    assert_eq!(look(&cluster, &spec).await, []);

    let scaled = json!({"spec": {"replicas": 2}});
    write_as(
        &cluster,
        "kubectl-edit",
        Kind::Deployment,
        spec.namespace(),
        names.workload.name(),
        scaled,
        false,
    )
    .await;
    let secret = json!({"stringData": {"tls.key": "another"}});
    write_as(
        &cluster,
        "somebody",
        Kind::Secret,
        spec.namespace(),
        names.tls.name(),
        secret,
        false,
    )
    .await;
    let declared = json!({"spec": {"policyTypes": ["Ingress"]}});
    write_as(
        &cluster,
        "argocd",
        Kind::NetworkPolicy,
        spec.namespace(),
        names.workload.name(),
        declared,
        true,
    )
    .await;
    let config = cluster
        .get(names.config.as_ref().unwrap())
        .await
        .unwrap()
        .unwrap();
    cluster
        .delete(config.reference(), config.uid().unwrap())
        .await
        .unwrap();

    let found = look(&cluster, &spec).await;
    let text = serde_json::to_string(&found).unwrap();
    assert!(
        found.contains(&Drift::Missing {
            object: config.reference().clone()
        }),
        "{text}"
    );
    let by = |path: &str| {
        found.iter().find_map(|one| match one {
            Drift::Field {
                field,
                by: Some(edit),
                ..
            } if field.path == path => {
                assert!(
                    edit.time.as_ref().is_some_and(|time| time.contains('T')),
                    "{text}"
                );
                Some(format!(
                    "{} by {}: {:?} -> {:?}",
                    edit.operation, edit.manager, field.before, field.after
                ))
            }
            _ => None,
        })
    };
    assert_eq!(
        by(".spec.replicas").unwrap(),
        "Update by kubectl-edit: Some(Number(2)) -> Some(Number(1))"
    );
    assert!(
        by(".spec.policyTypes")
            .unwrap()
            .starts_with("Apply by argocd"),
        "{text}"
    );

    // The next `up` mends what was edited; what another tool declares is a conflict for people to settle.
    let options = ApplyOptions {
        force: true,
        ..ApplyOptions::default()
    };
    let material = dummy_material();
    apply::apply(
        &cluster,
        &Manifests::full(&spec, &material),
        options,
        &quiet,
    )
    .await
    .unwrap();
    assert_eq!(look(&cluster, &spec).await, []);
    down_with_data(&cluster, &spec).await;
}

/// As a command does that knows nothing but where the registry is.
async fn look(cluster: &LiveCluster, spec: &RegistrySpec) -> Vec<Drift> {
    let located = RegistrySpec::new(spec.profile())
        .with_instance(spec.instance())
        .and_then(|located| located.with_namespace(spec.namespace()))
        .unwrap();
    let state = RegistryState::read(cluster, &located).await.unwrap();
    let recalled = located
        .recalled(state.inventory.as_ref().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(recalled.image(), spec.image());
    drift(cluster, &recalled, &state).await.unwrap()
}
