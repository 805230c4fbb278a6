//! What was changed by hand is told by field, hand and time, on a real API server.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "what others than kreg write")]

mod common;

use common::{cluster, down_with_data, dummy_material, quiet, spec, up, write_as};
use kreg_k8s::{
    Action, ApplyOptions, Cluster, Drift, Kind, LiveCluster, Manifests, Names, ObjectRef, Place,
    RegistrySpec, RegistryState, apply, drift, plan,
};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_object_that_is_another_s_now_hides_no_other_drift() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("driftforeign")).await.unwrap();
    let names = Names::of(spec.place());
    let taken = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "helm"}}});
    let scaled = json!({"spec": {"replicas": 2}});
    for (object, patch) in [(&names.htpasswd, taken), (&names.workload, scaled)] {
        let (kind, name) = (object.kind(), object.name());
        write_as(
            &cluster,
            "somebody",
            kind,
            spec.place().namespace(),
            name,
            patch,
            false,
        )
        .await;
    }
    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let found = drift(&cluster, &spec, &state).await.unwrap();
    let [Drift::Foreign { object }, Drift::Field { field, .. }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(object.object, names.htpasswd);
    assert_eq!(field.path, ".spec.replicas");
    let removal = down_with_data(&cluster, &spec).await;
    let kept: Vec<_> = removal.keep.iter().map(|kept| &kept.object).collect();
    assert_eq!(kept, [&names.htpasswd, &names.namespace, &names.inventory]);
    common::delete_namespace(&cluster, spec.place().namespace()).await;
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_edit_by_hand_is_told_with_field_hand_and_time_and_up_mends_it() {
    let cluster = cluster().await;
    let asked = spec("drift").with_network_policy(true);
    let (spec, _) = up(&cluster, &asked).await.unwrap();
    let names = Names::of(spec.place());
    assert_eq!(look(&cluster, &spec).await, []);

    // A note that somebody leaves is theirs.
    let annotation = json!({"metadata": {"annotations": {"team": "storage"}}});
    write_as(
        &cluster,
        "kubectl-annotate",
        Kind::Service,
        spec.place().namespace(),
        spec.place().service(),
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
        spec.place().namespace(),
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
        spec.place().namespace(),
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
        spec.place().namespace(),
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

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_is_added_by_hand_is_told_and_taken_out_and_what_others_may_write_stays() {
    let cluster = cluster().await;
    let asked = spec("added");
    let (spec, _) = up(&cluster, &asked).await.unwrap();
    let names = Names::of(spec.place());
    let (deployment, config) = (&names.workload, names.config.as_ref().unwrap());

    // As `kubectl rollout restart` and `kubectl label` write.
    let restarted = json!({"spec": {"template": {"metadata": {"annotations":
        {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}}}}});
    merge(&cluster, "kubectl-rollout", deployment, &restarted).await;
    let note = json!({"metadata": {"labels": {"team": "storage"}}});
    merge(&cluster, "kubectl-label", config, &note).await;
    // Another tool that declares a field of its own has its reasons.
    let declared = json!({"spec": {"minReadySeconds": 1}});
    let (namespace, name) = (spec.place().namespace(), deployment.name());
    write_as(
        &cluster,
        "argocd",
        Kind::Deployment,
        namespace,
        name,
        declared,
        true,
    )
    .await;
    assert_eq!(look(&cluster, &spec).await, []);

    // As `kubectl set env`, and `kubectl patch` of whatever sort.
    let set = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "registry", "env": [{"name": "REGISTRY_LOG_LEVEL", "value": "debug"}]}]}}}});
    patch(&cluster, "kubectl-set", deployment, &set, true).await;
    let selector = json!({"spec": {"paused": true, "template": {"spec": {"nodeSelector": {"disk": "ssd"},
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]}}}}});
    patch(&cluster, "kubectl-patch", deployment, &selector, true).await;
    let port = json!({"spec": {"ports": [{"name": "debug", "port": 5001}]}});
    patch(&cluster, "kubectl-edit", &names.service, &port, true).await;
    let more = json!({"data": {"more": "x"}});
    merge(&cluster, "kubectl-patch", config, &more).await;
    let more = json!({"stringData": {"more": "told-to-nobody"}});
    merge(&cluster, "kubectl-patch", &names.htpasswd, &more).await;
    // What the server sets by itself, made a wish, is none.
    let same = json!({"spec": {"progressDeadlineSeconds": 600}});
    patch(&cluster, "kubectl-edit", deployment, &same, true).await;

    let found = look(&cluster, &spec).await;
    let text = serde_json::to_string(&found).unwrap();
    let mut told: Vec<String> = found
        .iter()
        .map(|one| match one {
            Drift::Field { field, by, .. } => {
                assert!(field.after.is_none() && field.before.is_some(), "{text}");
                let by = by.as_ref().unwrap_or_else(|| panic!("{text}"));
                assert!(by.time.is_some(), "{text}");
                format!("{} by {}", field.path, by.manager)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    let pod = ".spec.template.spec";
    assert_eq!(
        told,
        [
            ".data.more by kubectl-patch".to_owned(),
            ".data.more by kubectl-patch".to_owned(),
            ".spec.paused by kubectl-patch".to_owned(),
            ".spec.ports[debug] by kubectl-edit".to_owned(),
            format!("{pod}.containers[registry].env[REGISTRY_LOG_LEVEL] by kubectl-set"),
            format!("{pod}.nodeSelector by kubectl-patch"),
            format!("{pod}.securityContext.sysctls by kubectl-patch"),
        ]
    );
    let encoded = "dG9sZC10by1ub2JvZHk";
    assert!(
        !text.contains("told-to-nobody") && !text.contains(encoded),
        "{text}"
    );

    // `plan` shows the same as removals, and whose they were.
    let full = Manifests::full(&spec, &dummy_material());
    let planned = plan(&cluster, &full, ApplyOptions::default())
        .await
        .unwrap();
    let of_service = |change: &&kreg_k8s::Change| change.object == names.service;
    let change = planned.changes().find(of_service).unwrap();
    let Action::Update { fields } = &change.action else {
        panic!("{change:?}")
    };
    assert_eq!(
        (fields[0].path.as_str(), &fields[0].after),
        (".spec.ports[debug]", &None)
    );
    assert_eq!(change.taken_from[0].manager, "kubectl-edit");

    let (_, changes) = up(&cluster, &spec).await.unwrap();
    let written = changes.iter().filter(|change| change.is_change()).count();
    // The Service is mended before, with the foundation.
    assert_eq!(written, 3, "{changes:?}");
    assert_eq!(look(&cluster, &spec).await, []);
    let (_, again) = up(&cluster, &spec).await.unwrap();
    assert!(again.iter().all(|change| !change.is_change()), "{again:?}");
    let live = cluster.get(deployment).await.unwrap().unwrap();
    assert_eq!(live.number("/spec/minReadySeconds"), Some(1));
    let restarted =
        live.text("/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt");
    // To take it back would be another restart.
    assert_eq!(restarted, Some("2026-01-01T00:00:00Z"));
    let live = cluster.get(config).await.unwrap().unwrap();
    assert_eq!(live.label("team"), Some("storage"));
    down_with_data(&cluster, &spec).await;
}

/// Whoever puts an object back by hand owns every field of it, what the server sets by itself included.
#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_object_that_was_made_again_by_hand_is_taken_as_it_is() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("again")).await.unwrap();
    let names = Names::of(spec.place());
    for reference in [&names.workload, &names.service] {
        let live = cluster.get(reference).await.unwrap().unwrap();
        let mut value = live.value().clone();
        let metadata = value["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| ["name", "namespace", "labels"].contains(&key.as_str()));
        value.as_object_mut().unwrap().remove("status");
        let uid = live.uid().unwrap();
        cluster.delete(reference, uid).await.unwrap();
        let parameters = PostParams {
            field_manager: Some("kubectl-create".to_owned()),
            ..PostParams::default()
        };
        let object = serde_json::from_value(value).unwrap();
        let api = api(&cluster, reference);
        api.create(&parameters, &object).await.unwrap();
    }
    assert_eq!(look(&cluster, &spec).await, []);
    let (_, changes) = up(&cluster, &spec).await.unwrap();
    let changed: Vec<_> = changes.iter().filter(|change| change.is_change()).collect();
    assert!(changed.is_empty(), "{changed:?}");
    down_with_data(&cluster, &spec).await;
}

fn api(cluster: &LiveCluster, object: &ObjectRef) -> Api<DynamicObject> {
    let kind = object.kind();
    let resource = ApiResource {
        group: kind.group().into(),
        version: kind.version().into(),
        api_version: kind.api_version(),
        kind: kind.name().into(),
        plural: kind.plural().into(),
    };
    let namespace = object.namespace().unwrap();
    Api::namespaced_with(cluster.client().clone(), namespace, &resource)
}

async fn merge(cluster: &LiveCluster, manager: &str, object: &ObjectRef, body: &Value) {
    patch(cluster, manager, object, body, false).await;
}

/// By a strategic merge, as kubectl does, or a plain one.
async fn patch(
    cluster: &LiveCluster,
    manager: &str,
    object: &ObjectRef,
    body: &Value,
    strategic: bool,
) {
    let parameters = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let patch = match strategic {
        true => Patch::Strategic(body),
        false => Patch::Merge(body),
    };
    let api = api(cluster, object);
    api.patch(object.name(), &parameters, &patch).await.unwrap();
}

/// As a command does that knows nothing but where the registry is.
async fn look(cluster: &LiveCluster, spec: &RegistrySpec) -> Vec<Drift> {
    let place = Place::new(spec.place().profile())
        .with_instance(spec.place().instance())
        .and_then(|place| place.with_namespace(spec.place().namespace()))
        .unwrap();
    let state = RegistryState::read(cluster, &place).await.unwrap();
    let recalled = RegistrySpec::recalled(&place, state.inventory.as_ref().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(recalled.image(), spec.image());
    drift(cluster, &recalled, &state).await.unwrap()
}
