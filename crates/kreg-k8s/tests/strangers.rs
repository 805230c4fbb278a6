//! Objects of kinds that kreg does not know, in the registry's namespace, on a real API server: it stays for them.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{Mortal, cluster, down_with_data, remove_namespaces, spec, up};
use http::Request;
use kreg_k8s::{Cluster, DownOptions, Kind, LiveCluster, Names, Progress, Removal, down};
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn each_of_them_keeps_the_namespace_until_it_is_gone() {
    let cluster = cluster().await;
    let spec = spec("strangers");
    up(&cluster, &spec).await.unwrap();
    let namespace = spec.place().namespace();
    assert_eq!(strangers(&cluster, namespace).await, [""; 0]);

    let crd = Resource::define(&cluster).await;
    let within = |path: &str| format!("{path}/namespaces/{namespace}");
    let limits = format!("{}/limitranges", within("/api/v1"));
    let things = format!("{}/{}", within("/apis/t.kreg.test/v1"), crd.plural);
    // batch/v1 has it since Kubernetes 1.21.
    let (batch, crons) = {
        let beta = exists(&cluster, &format!("{}/cronjobs", within("/apis/batch/v1"))).await;
        let version = if beta { "batch/v1" } else { "batch/v1beta1" };
        let path = within(&format!("/apis/{version}"));
        (version, format!("{path}/cronjobs"))
    };
    create(&cluster, &limits, limit_range()).await;
    let thing = json!({"apiVersion": "t.kreg.test/v1", "kind": "Thing", "metadata": {"name": "x"}});
    let made = create(&cluster, &things, thing).await;
    create(&cluster, &crons, cron_job(batch)).await;
    // What has an owner goes with it.
    let owner = json!([{"apiVersion": "t.kreg.test/v1", "kind": "Thing", "name": "x", "uid": made["metadata"]["uid"]}]);
    let mut owned = limit_range();
    owned["metadata"] = json!({"name": "owned", "ownerReferences": owner});
    create(&cluster, &limits, owned).await;

    let mut all = vec![
        "cronjobs.batch/nightly".to_owned(),
        "limitranges/theirs".to_owned(),
        format!("{}.t.kreg.test/x", crd.plural),
    ];
    all.sort();
    assert_eq!(strangers(&cluster, namespace).await, all);
    let removal = down_with_data(&cluster, &spec).await;
    stays(&removal, &spec, &all);
    let still = strangers(&cluster, namespace).await;
    assert_eq!(still, all, "they are left alone");

    for path in [
        format!("{crons}/nightly"),
        format!("{limits}/theirs"),
        format!("{things}/x"),
    ] {
        let removal = down_with_data(&cluster, &spec).await;
        assert_eq!(removal.keep.len(), 2, "{path} is there still: {removal:?}");
        delete(&cluster, &path).await;
    }
    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
    let names = Names::of(spec.place());
    assert!(cluster.get(&names.namespace).await.unwrap().is_none());
    crd.remove(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn one_that_comes_while_the_registry_goes_keeps_it_too() {
    let cluster = cluster().await;
    let spec = spec("latecomer");
    up(&cluster, &spec).await.unwrap();
    let service = Names::of(spec.place()).service;
    let limits = format!(
        "/api/v1/namespaces/{}/limitranges",
        spec.place().namespace()
    );
    let come = |event: Progress| {
        if matches!(&event, Progress::Deleted(object) if *object == service) {
            tokio::task::block_in_place(|| {
                let made = create(&cluster, &limits, limit_range());
                tokio::runtime::Handle::current().block_on(made)
            });
        }
    };
    let options = DownOptions {
        delete_data: true,
        keep_record: false,
        timeout: Duration::from_secs(90),
    };
    let planned = down::plan_down(&cluster, spec.place(), options)
        .await
        .unwrap();
    assert!(planned.keep.is_empty(), "{:?}", planned.keep);
    let removal = down::down(&cluster, spec.place(), options, &come)
        .await
        .unwrap();
    stays(&removal, &spec, &["limitranges/theirs".to_owned()]);
    remove_namespaces(&cluster, &[spec.place().namespace().to_owned()]).await;
    while cluster
        .get(&Names::of(spec.place()).namespace)
        .await
        .unwrap()
        .is_some()
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let removal = down_with_data(&cluster, &spec).await;
    assert_eq!(removal.delete, [Names::of(spec.place()).inventory]);
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn whoever_may_not_look_keeps_the_namespace_and_is_told() {
    let cluster = cluster().await;
    let spec = spec("blind");
    up(&cluster, &spec).await.unwrap();
    let removal = down_with_data(&Mortal::new(&cluster, 100).blind(), &spec).await;
    let [kept, _] = removal.keep.as_slice() else {
        panic!("{:?}", removal.keep)
    };
    assert_eq!(kept.object, Names::of(spec.place()).namespace);
    assert!(
        kept.reason
            .starts_with("not all that is in it may be seen: not allowed to list widgets"),
        "{}",
        kept.reason
    );
    let removal = down_with_data(&cluster, &spec).await;
    let names = Names::of(spec.place());
    assert_eq!(removal.delete, [names.namespace, names.inventory]);
}

fn stays(removal: &Removal, spec: &kreg_k8s::RegistrySpec, named: &[String]) {
    let [kept, record] = removal.keep.as_slice() else {
        panic!("{:?}", removal.keep)
    };
    assert_eq!(kept.object, Names::of(spec.place()).namespace);
    assert_eq!(record.object, Names::of(spec.place()).inventory);
    for name in named {
        assert!(kept.reason.contains(name), "{name}: {}", kept.reason);
    }
    let kinds = removal.delete.iter().map(kreg_k8s::ObjectRef::kind);
    assert!(kinds.clone().any(|kind| kind == Kind::Secret) || removal.delete.is_empty());
    assert!(kinds.into_iter().all(|kind| kind != Kind::Namespace));
}

async fn strangers(cluster: &LiveCluster, namespace: &str) -> Vec<String> {
    cluster.strangers(namespace).await.unwrap()
}

fn limit_range() -> Value {
    json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "theirs"},
        "spec": {"limits": [{"type": "Pod", "max": {"cpu": "64"}}]}})
}

fn cron_job(version: &str) -> Value {
    let pod =
        json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "none.invalid/x"}]});
    json!({"apiVersion": version, "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 3 * * *", "suspend": true, "jobTemplate": {"spec": {"template": {"spec": pod}}}}})
}

/// A kind of this test's own.
struct Resource {
    plural: String,
}

impl Resource {
    async fn define(cluster: &LiveCluster) -> Self {
        let plural = format!("things{}", std::process::id());
        let names =
            json!({"plural": plural, "singular": plural, "kind": "Thing", "listKind": "ThingList"});
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.t.kreg.test")},
            "spec": {"group": "t.kreg.test", "scope": "Namespaced", "names": names, "versions": [version]}});
        create(cluster, CRDS, definition).await;
        while !exists(cluster, &format!("/apis/t.kreg.test/v1/{plural}")).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Resource { plural }
    }

    async fn remove(self, cluster: &LiveCluster) {
        delete(cluster, &format!("{CRDS}/{}.t.kreg.test", self.plural)).await;
    }
}

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

async fn create(cluster: &LiveCluster, path: &str, body: Value) -> Value {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes())
        .unwrap();
    cluster.client().request(request).await.unwrap()
}

async fn delete(cluster: &LiveCluster, path: &str) {
    let request = Request::delete(path).body(Vec::new()).unwrap();
    let _: Value = cluster.client().request(request).await.unwrap();
}

async fn exists(cluster: &LiveCluster, path: &str) -> bool {
    let request = Request::get(path).body(Vec::new()).unwrap();
    cluster.client().request::<Value>(request).await.is_ok()
}
