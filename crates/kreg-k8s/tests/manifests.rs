//! Every profile's objects: snapshots, and a check that no field is misspelt.

// Helpers of tests are not recognised as tests by clippy.toml.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking};
use kreg_k8s::taint::StartupTaint;
use kreg_k8s::{
    ApplyMode, Cluster, Kind, Manifests, Material, Names, Object, Place, Profile, RegistrySpec,
    Resources, S3Bucket, S3Keys, Stage, Storage,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn material() -> Material {
    Material {
        tls_chain_pem: "-----BEGIN CERTIFICATE-----\nleaf\n".into(),
        tls_key_pem: "tls-key-in-clear".into(),
        ca_bundle_pem: "-----BEGIN CERTIFICATE-----\nca\n".into(),
        ca_key_pem: Some("ca-key-in-clear".into()),
        htpasswd: "myuser:$2y$10$hash\n".into(),
        http_secret: "http-secret-in-clear".into(),
        docker_config_json: r#"{"auths":{}}"#.into(),
        s3: Some(S3Keys {
            access_key: "AK".into(),
            secret_key: "s3-key-in-clear".into(),
        }),
    }
}

fn default_spec() -> RegistrySpec {
    RegistrySpec::new(Place::new(Profile::Default))
}

fn host_path() -> Storage {
    Storage::HostPath {
        path: "/srv/images".into(),
        node: Some("worker-1".into()),
        size: "5Gi".into(),
    }
}

fn s3() -> Storage {
    Storage::S3(S3Bucket {
        bucket: "images".into(),
        region: "us-east-1".into(),
        endpoint: Some("https://s3.example.com:9000".into()),
        prefix: Some("/kreg".into()),
        ca_pem: Some("-----BEGIN CERTIFICATE-----\ns3\n".into()),
    })
}

fn three_on_s3() -> RegistrySpec {
    default_spec()
        .with_storage(s3())
        .and_then(|spec| spec.with_replicas(3))
        .unwrap()
        .with_network_policy(true)
        .with_startup_taint(Some(StartupTaint::default()))
}

/// Secrets in clear, so that the snapshot shows what the API server gets.
fn yaml(manifests: &Manifests) -> Vec<Value> {
    manifests
        .objects()
        .iter()
        .map(|object| object.value().clone())
        .collect()
}

#[test]
fn default_profile() {
    let spec = default_spec().with_cluster_ip(Some(IpAddr::from([10, 96, 0, 50])));
    insta::assert_yaml_snapshot!(yaml(&Manifests::full(&spec, &material())));
}

#[test]
fn tutorial_profile() {
    let spec = RegistrySpec::new(Place::new(Profile::Tutorial));
    insta::assert_yaml_snapshot!(yaml(&Manifests::full(&spec, &material())));
}

#[test]
fn default_profile_foundation_without_an_address_on_a_host_directory() {
    let spec = default_spec().with_storage(host_path()).unwrap();
    insta::assert_yaml_snapshot!(yaml(&Manifests::foundation(&spec)));
}

#[test]
fn default_profile_of_three_pods_on_s3() {
    let spec = three_on_s3();
    let of_s3 = yaml(&Manifests::full(&spec, &material()))
        .into_iter()
        .filter(|object| {
            ["ConfigMap", "Deployment", "NetworkPolicy"].contains(&object["kind"].as_str().unwrap())
                || object["metadata"]["name"] == "docker-registry-s3"
        });
    insta::assert_yaml_snapshot!(of_s3.collect::<Vec<_>>());
}

/// What each kind of storage gives the Pod, and which objects it needs.
#[test]
fn storage_kinds() {
    let kinds = [
        Storage::StorageClass {
            name: Some("fast".into()),
            size: "20Gi".into(),
        },
        host_path(),
        Storage::ExistingClaim {
            name: "mine".into(),
        },
        Storage::EmptyDir,
        s3(),
    ];
    let seen: Vec<(String, Vec<String>, Value)> = kinds
        .into_iter()
        .map(|storage| {
            let label = storage.label().to_owned();
            let manifests =
                Manifests::full(&default_spec().with_storage(storage).unwrap(), &material());
            let objects = manifests
                .objects()
                .iter()
                .filter(|object| object.reference().kind().holds_data())
                .map(|object| object.reference().to_string())
                .collect();
            let volume =
                deployment(&manifests).value()["spec"]["template"]["spec"]["volumes"][3].clone();
            (label, objects, volume)
        })
        .collect();
    insta::assert_yaml_snapshot!(seen);
}

/// Those of the snapshots, and the rest of what a registry may have.
fn specs() -> [RegistrySpec; 8] {
    let on = |storage: Storage| default_spec().with_storage(storage).unwrap();
    let claim = Storage::ExistingClaim {
        name: "mine".into(),
    };
    let class = Storage::StorageClass {
        name: Some("fast".into()),
        size: "20Gi".into(),
    };
    [
        default_spec().with_cluster_ip(Some(IpAddr::from([10, 96, 0, 50]))),
        RegistrySpec::new(Place::new(Profile::Tutorial)),
        on(host_path()),
        three_on_s3(),
        on(class),
        on(claim),
        on(Storage::EmptyDir),
        default_spec()
            .with_local_hosting(true)
            .with_network_policy(true),
    ]
}

/// Asked only, never written; in a namespace of the test's own, or what is there would be asked about instead.
#[tokio::test]
#[ignore = "needs a cluster: run by cargo xtask test"]
async fn a_real_api_server_takes_every_one_of_them() {
    let cluster = common::cluster().await;
    let namespace = format!("t-manifests-{}", std::process::id());
    let empty = serde_json::json!({});
    common::write_as(
        &cluster,
        "test",
        Kind::Namespace,
        "",
        &namespace,
        empty,
        true,
    )
    .await;
    let dry = ApplyMode {
        dry_run: true,
        force: true,
    };
    let mut taken = 0;
    for spec in specs() {
        let place = spec.place().clone().with_namespace(&namespace).unwrap();
        let spec = spec.with_place(place).unwrap();
        for object in Manifests::full(&spec, &material()).objects() {
            let outcome = cluster.apply(object, dry).await;
            let live = outcome.unwrap_or_else(|error| panic!("{:?}: {error}", spec.storage()));
            assert_eq!(live.reference(), object.reference());
            taken += 1;
        }
    }
    assert!(taken > 60, "{taken}");
    common::delete_namespace(&cluster, &namespace).await;
}

/// KEP-1755: what Tilt, skaffold and ctlptl read.
#[test]
fn the_announcement_is_what_the_kep_says() {
    let spec = default_spec().with_local_hosting(true);
    let manifests = Manifests::full(&spec, &material());
    let hosting = Names::of(spec.place()).local_hosting;
    let objects = manifests.objects().iter();
    let mut announced = objects.filter(|object| object.reference() == &hosting);
    let object = announced.next().unwrap();
    assert_eq!(
        hosting.to_string(),
        "ConfigMap kube-public/local-registry-hosting"
    );
    let text = object.text("/data/localRegistryHosting.v1").unwrap();
    let read: BTreeMap<String, String> = serde_saphyr::from_str(text).unwrap();
    let url: http::Uri = read["help"].parse().unwrap();
    assert_eq!(url.scheme_str(), Some("https"));
    let expected = [
        ("help", read["help"].as_str()),
        ("host", "docker-registry:5000"),
        (
            "hostFromClusterNetwork",
            "docker-registry.kreg-system.svc.cluster.local:5000",
        ),
        ("hostFromContainerRuntime", "docker-registry:5000"),
    ];
    let read: Vec<_> = read
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn no_field_is_misspelt() {
    for spec in specs() {
        let spec = spec.with_cluster_ip(Some(IpAddr::from([10, 96, 0, 50])));
        for object in Manifests::full(&spec, &material()).objects() {
            let value = object.value().clone();
            match object.reference().kind() {
                Kind::Namespace => round_trip::<core::Namespace>(value),
                Kind::Service => round_trip::<core::Service>(value),
                Kind::Secret => round_trip::<core::Secret>(value),
                Kind::ConfigMap => round_trip::<core::ConfigMap>(value),
                Kind::PersistentVolume => round_trip::<core::PersistentVolume>(value),
                Kind::PersistentVolumeClaim => round_trip::<core::PersistentVolumeClaim>(value),
                Kind::Pod => round_trip::<core::Pod>(value),
                Kind::NetworkPolicy => round_trip::<networking::NetworkPolicy>(value),
                Kind::Deployment => round_trip::<apps::Deployment>(value),
                other => panic!("{other} is not checked"),
            }
        }
    }
}

/// Typed structs drop what they do not know, so a misspelt field does not come back.
fn round_trip<T: DeserializeOwned + Serialize>(value: Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), value);
}

#[test]
fn no_pod_mounts_the_ca_key() {
    let manifests = Manifests::full(&default_spec(), &material());
    let names = Names::of(default_spec().place());
    let ca = names.ca.unwrap();
    let pod = deployment(&manifests).value().to_string();
    assert!(!pod.contains(ca.name()), "{pod}");
    assert!(pod.contains(names.tls.name()), "{pod}");
    let without_key = Material {
        ca_key_pem: None,
        ..material()
    };
    let kept_outside = Manifests::full(&default_spec(), &without_key);
    let secret = kept_outside
        .objects()
        .iter()
        .find(|object| object.reference() == &ca)
        .unwrap();
    assert_eq!(
        secret.value()["data"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["ca.crt"]
    );
}

#[test]
fn a_new_certificate_restarts_the_registry_and_a_new_password_does_not() {
    let base = deployment(&Manifests::full(&default_spec(), &material()));
    let new_password = Material {
        htpasswd: "other:$2y$10$hash\n".into(),
        ..material()
    };
    assert_eq!(
        deployment(&Manifests::full(&default_spec(), &new_password)),
        base
    );
    let new_certificate = Material {
        tls_chain_pem: "other".into(),
        ..material()
    };
    assert_ne!(
        deployment(&Manifests::full(&default_spec(), &new_certificate)),
        base
    );
}

#[test]
fn new_s3_keys_restart_a_registry_on_s3_and_no_other() {
    let of = |spec: &RegistrySpec, secret: &str| {
        let s3 = Some(S3Keys {
            access_key: "AK".into(),
            secret_key: secret.into(),
        });
        deployment(&Manifests::full(spec, &Material { s3, ..material() }))
    };
    assert_ne!(of(&three_on_s3(), "one"), of(&three_on_s3(), "two"));
    assert_eq!(of(&default_spec(), "one"), of(&default_spec(), "two"));
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!(
        "{:?}{:?}",
        Manifests::full(&default_spec(), &material()),
        material()
    );
    for secret in ["in-clear", "aW4tY2xlYXI", "$2y$10$hash", "auths"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn the_service_port_is_free_to_choose_and_the_process_stays_unprivileged() {
    let place = Place::new(Profile::Default)
        .with_service("images")
        .and_then(|place| place.with_port(443))
        .unwrap();
    let spec = RegistrySpec::new(place);
    assert_eq!(spec.place().registry_name(), "images:443");
    let manifests = Manifests::foundation(&spec);
    assert_eq!(manifests.stage(), Stage::Foundation);
    let service = manifests.objects().last().unwrap();
    assert_eq!(service.number("/spec/ports/0/port"), Some(443));
    assert_eq!(service.number("/spec/ports/0/targetPort"), Some(5000));
}

#[test]
fn a_spec_refuses_what_the_api_server_would_and_names_the_field() {
    let spec = default_spec;
    let place = || Place::new(Profile::Default);
    let too_big = Resources {
        memory_limit: "lots".into(),
        ..Resources::default()
    };
    let errors = [
        place().with_instance("Not-A-Label").unwrap_err(),
        place().with_namespace("a.b").unwrap_err(),
        place().with_service("5000").unwrap_err(),
        place().with_port(0).unwrap_err(),
        spec()
            .with_image("docker-registry:5000/registry:2")
            .unwrap_err(),
        place().with_cluster_domain("cluster..local").unwrap_err(),
        spec().with_resources(too_big).unwrap_err(),
        spec()
            .with_storage(Storage::StorageClass {
                name: None,
                size: "big".into(),
            })
            .unwrap_err(),
        spec()
            .with_storage(Storage::HostPath {
                path: "/srv".into(),
                node: None,
                size: "1Gi".into(),
            })
            .unwrap_err(),
        RegistrySpec::new(Place::new(Profile::Tutorial))
            .with_storage(Storage::EmptyDir)
            .unwrap_err(),
        spec().with_replicas(0).unwrap_err(),
        spec().with_replicas(2).unwrap_err(),
        three_on_s3().with_storage(Storage::EmptyDir).unwrap_err(),
        RegistrySpec::new(Place::new(Profile::Tutorial))
            .with_replicas(2)
            .unwrap_err(),
    ];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"));
}

#[test]
fn only_a_tied_host_directory_must_be_made_beforehand() {
    let directory =
        Manifests::host_directory(&default_spec().with_storage(host_path()).unwrap()).unwrap();
    assert_eq!(
        (
            directory.node.as_str(),
            directory.path.as_str(),
            directory.mode
        ),
        ("worker-1", "/srv/images", 0o770)
    );
    assert_eq!(
        Manifests::host_directory(&RegistrySpec::new(Place::new(Profile::Tutorial))),
        None
    );
}

fn deployment(manifests: &Manifests) -> Object {
    let is_deployment = |object: &&Object| object.reference().kind() == Kind::Deployment;
    manifests
        .objects()
        .iter()
        .find(is_deployment)
        .unwrap()
        .clone()
}
