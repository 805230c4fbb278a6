//! Changes by hand that a server-side apply alone cannot take back, because the server refuses the mixture of what kreg
//! declares and what somebody left below it: reported field by field, and reverted, on a real API server.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods, reason = "what others than kreg write")]

mod common;

use common::{cluster, down_with_data, dummy_material, spec, up};
use kreg_k8s::{
    ApplyMode, Cluster as _, Drift, Error, LiveCluster, Manifests, Names, Object, ObjectRef,
    RegistrySpec, RegistryState, drift,
};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Each with a field that is reported, and a patch (RFC 6902) as `kubectl patch --type json` sends it.
fn changes() -> Vec<(&'static str, Value)> {
    let set = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    vec![
        (
            ".spec.strategy.rollingUpdate",
            set(
                "/spec/strategy",
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
            ),
        ),
        (
            ".spec.template.spec.containers[registry].readinessProbe.exec",
            set(
                &format!("{CONTAINER}/readinessProbe"),
                json!({"exec": {"command": ["true"]}}),
            ),
        ),
        (
            ".spec.template.spec.volumes[data].hostPath",
            json!([{"op": "replace", "path": "/spec/template/spec/volumes/DATA",
                "value": {"name": "data", "hostPath": {"path": "/tmp/kreg-k8s-tests"}}}]),
        ),
    ]
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn what_an_apply_cannot_take_back_is_reported_and_reverted() {
    let cluster = cluster().await;
    let (spec, _) = up(&cluster, &spec("takenback")).await.unwrap();
    let workload = Names::of(spec.place()).workload;
    let noted = json!([{"op": "add", "path": "/spec/template/metadata/annotations/team", "value": "storage"}]);
    patch(&cluster, &workload, &noted).await;
    for (field, change) in changes() {
        let before = read(&cluster, &workload).await;
        patch(&cluster, &workload, &at_data(change, &before)).await;
        // Without that this test would show nothing.
        refused(&cluster, &spec, &workload).await;
        let found = look(&cluster, &spec).await;
        let text = serde_json::to_string(&found).unwrap();
        let by_hand = |one: &Drift| {
            matches!(one, Drift::Field { field: at, by: Some(by), .. }
            if at.path.starts_with(field) && by.manager == "kubectl-patch")
        };
        assert!(found.iter().any(by_hand), "{field}: {text}");

        up(&cluster, &spec).await.unwrap();
        let after = read(&cluster, &workload).await;
        assert_eq!(after.value()["spec"], before.value()["spec"], "{field}");
        assert_eq!(after.uid(), before.uid(), "{field}: it is not made again");
        assert_eq!(look(&cluster, &spec).await, [], "{field}");
        let (_, again) = up(&cluster, &spec).await.unwrap();
        assert!(again.iter().all(|change| !change.is_change()), "{again:?}");
    }
    let note = read(&cluster, &workload).await;
    let note = note.text("/spec/template/metadata/annotations/team");
    assert_eq!(note, Some("storage"), "notes of others stay");
    down_with_data(&cluster, &spec).await;
}

/// The place of the volume `data` in the list.
fn at_data(mut change: Value, live: &Object) -> Value {
    let volumes = live.items("/spec/template/spec/volumes");
    let place = volumes.iter().position(|volume| volume["name"] == "data");
    for step in change.as_array_mut().unwrap() {
        let path = step["path"].as_str().unwrap();
        step["path"] = path
            .replace("DATA", &place.unwrap_or_default().to_string())
            .into();
    }
    change
}

/// The API server refuses a plain apply, even one that takes every field.
async fn refused(cluster: &LiveCluster, spec: &RegistrySpec, workload: &ObjectRef) {
    let manifests = Manifests::full(spec, &dummy_material());
    let mut all = manifests.objects().iter();
    let desired = all.find(|one| one.reference() == workload).unwrap();
    let mode = ApplyMode {
        dry_run: true,
        force: true,
    };
    let outcome = cluster.apply(desired, mode).await;
    assert!(
        matches!(outcome, Err(Error::Refused { code: 422, .. })),
        "{outcome:?}"
    );
}

async fn read(cluster: &LiveCluster, object: &ObjectRef) -> Object {
    cluster.get(object).await.unwrap().unwrap()
}

async fn patch(cluster: &LiveCluster, object: &ObjectRef, change: &Value) {
    let resource = kube::core::ApiResource {
        group: object.kind().group().into(),
        version: object.kind().version().into(),
        api_version: object.kind().api_version(),
        kind: object.kind().name().into(),
        plural: object.kind().plural().into(),
    };
    let namespace = object.namespace().unwrap();
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client().clone(), namespace, &resource);
    let parameters = PatchParams {
        field_manager: Some("kubectl-patch".to_owned()),
        ..PatchParams::default()
    };
    let change = Patch::Json::<()>(serde_json::from_value(change.clone()).unwrap());
    api.patch(object.name(), &parameters, &change)
        .await
        .unwrap();
}

async fn look(cluster: &LiveCluster, spec: &RegistrySpec) -> Vec<Drift> {
    let state = RegistryState::read(cluster, spec.place()).await.unwrap();
    let known = state.inventory.as_ref().unwrap();
    let recalled = RegistrySpec::recalled(spec.place(), known)
        .unwrap()
        .unwrap();
    drift(cluster, &recalled, &state).await.unwrap()
}
