//! The registry's Pod on real kubelets: it gets ready, and when it cannot, the real cause is told early.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::{cluster, down_with_data, quiet, real_material, spec, write_as};
use kreg_k8s::{
    ApplyMode, ApplyOptions, Cause, Cluster, ClusterFacts, Error, Kind, LiveCluster, Manifests,
    Material, Names, Object, ObjectRef, Query, RegistrySpec, RegistryState, Remedy, Resources,
    Storage, WorkloadState, apply, wait,
};

use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn the_hardened_registry_gets_ready_on_the_default_storage_class() {
    let cluster = cluster().await;
    let facts = ClusterFacts::read(&cluster).await.unwrap();
    let storage = Storage::StorageClass {
        name: None,
        size: "1Gi".into(),
    };
    let spec = spec("ready").with_storage(storage).unwrap();
    facts.check(&spec).unwrap();
    let spec = deploy(&cluster, &spec, |material| material).await.unwrap();

    let state = RegistryState::read(&cluster, spec.place()).await.unwrap();
    let WorkloadState::Ready {
        node: Some(node),
        image,
        ready: 1,
        wanted: 1,
    } = &state.workload
    else {
        panic!("{}", state.workload)
    };
    assert!(facts.nodes.iter().any(|fact| &fact.name == node));
    assert_eq!(image, "kreg.test/registry:2.8.2");
    let claim = cluster
        .get(&Names::of(spec.place()).claim)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(claim.text("/status/phase"), Some("Bound"));
    takes_restricted_pods_only(&cluster, &facts, spec.place().namespace()).await;

    // A second run writes nothing, not even to what controllers also write to.
    let material = Material {
        tls_chain_pem: state.tls_chain_pem.unwrap(),
        tls_key_pem: state.tls_key_pem.unwrap(),
        ca_bundle_pem: state.ca_bundle_pem.unwrap(),
        ca_key_pem: state.ca_key_pem,
        htpasswd: state.htpasswd.unwrap(),
        http_secret: state.http_secret.unwrap(),
        docker_config_json: state.docker_config_json.unwrap(),
        s3: None,
    };
    let pinned = spec.clone().with_cluster_ip(state.cluster_ip);
    let full = Manifests::full(&pinned, &material);
    let before = generation(&cluster, &spec).await;
    let again = apply::apply(&cluster, &full, ApplyOptions::default(), &quiet)
        .await
        .unwrap();
    assert!(!again.has_changes(), "{:?}", again.changes);
    assert_eq!(generation(&cluster, &spec).await, before);

    // A new certificate rolls the Pod, and the wait is not fooled by the old one's readiness.
    let renewed = real_material(&pinned, pinned.cluster_ip().unwrap());
    let old_pod = pod(&cluster, &spec).await;
    apply::apply(
        &cluster,
        &Manifests::full(&pinned, &renewed),
        ApplyOptions::default(),
        &quiet,
    )
    .await
    .unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(120), &quiet);
    wait::registry_ready(&cluster, spec.place(), &waiting)
        .await
        .unwrap();
    assert_ne!(pod(&cluster, &spec).await, old_pod);

    let removal = down_with_data(&cluster, &spec).await;
    assert!(removal.keep.is_empty(), "{:?}", removal.keep);
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn an_image_that_cannot_be_pulled_is_told_early_with_the_runtimes_words() {
    let image = "registry.invalid/nobody/registry:9";
    let spec = spec("nopull").with_image(image).unwrap();
    let cause = stuck(&spec, Duration::from_secs(120), |material| material).await;
    assert_eq!(cause.object.kind(), Kind::Pod);
    assert_eq!(cause.reason, "ImagePullBackOff");
    let text = cause.to_string();
    assert_eq!(cause.remedy, Remedy::Image(image.to_owned()));
    assert!(
        cause
            .evidence
            .iter()
            .any(|line| line.contains("registry.invalid")),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_registry_that_crashes_is_told_with_its_last_words() {
    let spec = spec("crash");
    let cause = stuck(&spec, Duration::from_secs(120), |material| Material {
        tls_key_pem: "not a key".into(),
        ..material
    })
    .await;
    assert_eq!(cause.reason, "CrashLoopBackOff");
    let text = cause.to_string();
    assert!(cause.message.contains("exit code"), "{text}");
    assert!(
        cause.evidence.iter().any(|line| line.contains("tls")),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_pod_that_waits_out_what_is_mended_by_now_begins_anew() {
    let cluster = cluster().await;
    let spec = spec("mended");
    let foundation = Manifests::foundation(&spec);
    let options = ApplyOptions::default();
    apply::apply(&cluster, &foundation, options, &quiet)
        .await
        .unwrap();
    let address = apply::cluster_ip(&cluster, &foundation).await.unwrap();
    let spec = spec.with_cluster_ip(Some(address));
    let good = real_material(&spec, address);
    // The Pod template knows the certificate, not its key: with another key it is the same Pod.
    let bad = Material {
        tls_key_pem: "not a key".into(),
        ..good.clone()
    };
    let waiting = wait::Wait::new(Duration::from_secs(120), &quiet);
    let full = Manifests::full(&spec, &bad);
    apply::apply(&cluster, &full, options, &quiet)
        .await
        .unwrap();
    let error = wait::registry_ready(&cluster, spec.place(), &waiting)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("CrashLoopBackOff"), "{error}");
    let stuck = pod(&cluster, &spec).await;
    // Still not mended: one more Pod is tried, and no third.
    let error = wait::registry_ready(&cluster, spec.place(), &waiting)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("CrashLoopBackOff"), "{error}");
    assert_ne!(pod(&cluster, &spec).await, stuck);

    let full = Manifests::full(&spec, &good);
    let applied = apply::apply(&cluster, &full, options, &quiet)
        .await
        .unwrap();
    let workload = Names::of(spec.place()).workload;
    let same = |change: &kreg_k8s::Change| change.object == workload && !change.is_change();
    assert!(applied.changes.iter().any(same), "{:?}", applied.changes);
    wait::registry_ready(&cluster, spec.place(), &waiting)
        .await
        .unwrap();
    down_with_data(&cluster, &spec).await;
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_pod_that_fits_on_no_node_is_told_before_time_is_up() {
    let resources = Resources {
        cpu_request: "1000".into(),
        ..Resources::default()
    };
    let spec = spec("nofit").with_resources(resources).unwrap();
    let cause = stuck(&spec, Duration::from_secs(300), |material| material).await;
    assert_eq!(cause.reason, "Unschedulable");
    assert!(cause.message.contains("nsufficient cpu"), "{cause}");
    assert_eq!(cause.remedy, Remedy::Room);
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_claim_that_nobody_fills_is_told_by_name_and_class() {
    let cluster = cluster().await;
    let class = format!("t-nobody-{}", std::process::id());
    let body = json!({"provisioner": "kreg.test/nobody", "volumeBindingMode": "Immediate"});
    write_as(
        &cluster,
        "kubectl-create",
        Kind::StorageClass,
        "",
        &class,
        body,
        true,
    )
    .await;
    let storage = Storage::StorageClass {
        name: Some(class.clone()),
        size: "1Gi".into(),
    };
    let spec = spec("pending").with_storage(storage).unwrap();
    apply::apply(
        &cluster,
        &Manifests::foundation(&spec),
        ApplyOptions::default(),
        &quiet,
    )
    .await
    .unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(5), &quiet);
    let outcome = wait::storage_ready(&cluster, &spec, &waiting).await;
    let reference = ObjectRef::new(Kind::StorageClass, "", &class);
    let live = cluster.get(&reference).await.unwrap().unwrap();
    cluster
        .delete(&reference, live.uid().unwrap())
        .await
        .unwrap();
    down_with_data(&cluster, &spec).await;
    let error = outcome.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(&error, Error::Stuck(cause) if cause.remedy == Remedy::Provisioner),
        "{text}"
    );
    for part in [
        &format!("PersistentVolumeClaim {}/", spec.place().namespace()),
        "Pending",
        &class,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn somebody_elses_claim_that_is_not_there_is_told_by_name() {
    let cluster = cluster().await;
    let spec = spec("noclaim")
        .with_storage(Storage::ExistingClaim {
            name: "theirs".into(),
        })
        .unwrap();
    apply::apply(
        &cluster,
        &Manifests::foundation(&spec),
        ApplyOptions::default(),
        &quiet,
    )
    .await
    .unwrap();
    let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
    let error = wait::storage_ready(&cluster, &spec, &waiting)
        .await
        .unwrap_err()
        .to_string();
    down_with_data(&cluster, &spec).await;
    assert!(
        error.contains(&format!(
            "PersistentVolumeClaim {}/theirs",
            spec.place().namespace()
        )),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn facts_of_a_real_cluster() {
    let cluster = cluster().await;
    let facts = ClusterFacts::read(&cluster).await.unwrap();
    assert!(
        facts
            .version
            .as_ref()
            .is_some_and(|version| version.starts_with("v1.")),
        "{facts:?}"
    );
    assert!(!facts.nodes.is_empty());
    for node in &facts.nodes {
        assert!(
            node.ready && !node.addresses.is_empty() && node.runtime.contains("://"),
            "{node:?}"
        );
        assert!(["amd64", "arm64"].contains(&node.arch.as_str()), "{node:?}");
    }
    assert_eq!(
        facts.nodes.iter().filter(|node| node.control_plane).count(),
        1
    );
    assert_eq!(facts.cluster_domain.as_deref(), Some("cluster.local"));
    // The range holds the address of the API server's own Service.
    let kubernetes = cluster
        .get(&ObjectRef::new(Kind::Service, "default", "kubernetes"))
        .await
        .unwrap()
        .unwrap();
    let first = kubernetes.text("/spec/clusterIP").unwrap();
    let prefix: String = first.split('.').take(2).collect::<Vec<_>>().join(".");
    assert!(
        facts
            .service_cidrs
            .iter()
            .any(|range| range.starts_with(&prefix)),
        "{first} {:?}",
        facts.service_cidrs
    );
}

/// Up with certificates the registry can start with, unless `spoil` spoils them.
async fn deploy(
    cluster: &LiveCluster,
    spec: &RegistrySpec,
    spoil: impl Fn(Material) -> Material,
) -> Result<RegistrySpec, Error> {
    let options = ApplyOptions::default();
    let foundation = Manifests::foundation(spec);
    apply::apply(cluster, &foundation, options, &quiet).await?;
    let address = apply::cluster_ip(cluster, &foundation).await?;
    let spec = spec.clone().with_cluster_ip(Some(address));
    let waiting = wait::Wait::new(Duration::from_secs(180), &quiet);
    wait::storage_ready(cluster, &spec, &waiting).await?;
    let material = spoil(real_material(&spec, address));
    apply::apply(cluster, &Manifests::full(&spec, &material), options, &quiet).await?;
    wait::registry_ready(cluster, spec.place(), &waiting).await?;
    Ok(spec)
}

async fn stuck(
    spec: &RegistrySpec,
    within: Duration,
    spoil: impl Fn(Material) -> Material,
) -> Cause {
    let cluster = cluster().await;
    let begun = Instant::now();
    let outcome = deploy(&cluster, spec, spoil).await;
    let took = begun.elapsed();
    down_with_data(&cluster, spec).await;
    let error = outcome.expect_err("this registry must not get ready");
    assert!(took < within, "{took:?}: {error}");
    let Error::Stuck(cause) = error else {
        panic!("{error}")
    };
    *cause
}

/// The registry runs where a Pod that asks for more is refused.
async fn takes_restricted_pods_only(cluster: &LiveCluster, facts: &ClusterFacts, namespace: &str) {
    let minor = facts.version.as_deref().and_then(|version| {
        let minor = version.split('.').nth(1)?;
        minor.parse::<u32>().ok()
    });
    // Pod Security admission is on since 1.23.
    if minor.unwrap() < 23 {
        return;
    }
    let pod = Object::from_value(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "privileged", "namespace": namespace},
        "spec": {"containers": [{"name": "c", "image": "c", "securityContext": {"privileged": true}}]}}))
    .unwrap();
    let dry = ApplyMode {
        dry_run: true,
        force: false,
    };
    let refused = cluster.apply(&pod, dry).await.unwrap_err().to_string();
    assert!(
        refused.contains("violates PodSecurity \"restricted"),
        "{refused}"
    );
}

async fn generation(cluster: &LiveCluster, spec: &RegistrySpec) -> Vec<Option<String>> {
    let names = Names::of(spec.place());
    let mut seen = Vec::new();
    for reference in [
        &names.workload,
        &names.service,
        &names.claim,
        &names.tls,
        &names.inventory,
    ] {
        let live = cluster.get(reference).await.unwrap().unwrap();
        seen.push(live.text("/metadata/resourceVersion").map(str::to_owned));
    }
    seen
}

async fn pod(cluster: &LiveCluster, spec: &RegistrySpec) -> Option<String> {
    let query = Query::all(Kind::Pod).within(spec.place().namespace());
    let pods = cluster.list(&query).await.unwrap();
    pods.iter()
        .find(|pod| !pod.is_terminating())
        .and_then(|pod| pod.uid().map(str::to_owned))
}
