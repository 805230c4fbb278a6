//! The default profile: a Deployment that passes Pod Security `restricted`, configured by a file.

use serde_json::{Value, json};

use super::{
    registry_config::{self, FILE, FOLDER, LINGER_SECONDS, READ_ONLY_FILE, STORAGE_CA},
    serving::Serving,
    volumes,
};
use crate::{
    digest::sha256_hex,
    material::Material,
    names::{
        ANNOTATION_CONFIG, ANNOTATION_S3, ANNOTATION_TLS, LABEL_COMPONENT, LABEL_INSTANCE, Names,
        REGISTRY_UID, labels,
    },
    object::Object,
    object_ref::ObjectRef,
    spec::RegistrySpec,
    storage::Storage,
};

pub(super) fn service(spec: &RegistrySpec, names: &Names) -> Object {
    let mut service = json!({
        "type": "ClusterIP",
        "selector": selector(spec),
        "ports": [{
            "name": "https",
            "port": spec.place().port(),
            "targetPort": RegistrySpec::CONTAINER_PORT,
            // Part of the list's merge key; older servers do not default it before they merge.
            "protocol": "TCP",
        }],
    });
    if let Some(address) = spec.cluster_ip() {
        service["clusterIP"] = address.to_string().into();
    }
    Object::build(
        names.service.clone(),
        &labels(spec.place().instance()),
        Value::Null,
        json!({ "spec": service }),
    )
}

pub(super) fn config_map(spec: &RegistrySpec, names: &Names) -> Option<Object> {
    let name = names.config.clone()?;
    Some(Object::build(
        name,
        &labels(spec.place().instance()),
        Value::Null,
        json!({ "data": config(spec) }),
    ))
}

/// The files of the ConfigMap.
fn config(spec: &RegistrySpec) -> Value {
    let mut files = json!({
        FILE: registry_config::render(spec),
        READ_ONLY_FILE: registry_config::read_only(spec),
    });
    if let Some(pem) = storage_ca(spec) {
        files[STORAGE_CA] = pem.into();
    }
    files
}

fn storage_ca(spec: &RegistrySpec) -> Option<&str> {
    spec.storage().bucket()?.ca_pem.as_deref()
}

pub(super) fn deployment(spec: &RegistrySpec, names: &Names, material: &Material) -> Object {
    Object::build(
        names.workload.clone(),
        &labels(spec.place().instance()),
        Value::Null,
        json!({ "spec": {
            "replicas": spec.replicas(),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            "strategy": strategy(spec),
            "selector": { "matchLabels": selector(spec) },
            "template": {
                "metadata": {
                    "labels": pod_labels(spec),
                    "annotations": checksums(spec, material),
                },
                "spec": pod_spec(spec, names),
            },
        } }),
    )
}

/// Two registries must never write to one directory, and a ReadWriteOnce volume would keep the second from starting.
/// Where storage takes both, pulls go on while a new one starts.
fn strategy(spec: &RegistrySpec) -> Value {
    match spec.rolls() {
        true => {
            json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } })
        }
        false => json!({ "type": "Recreate" }),
    }
}

/// Of everything that a registry reads at its start only.
fn checksums(spec: &RegistrySpec, material: &Material) -> Value {
    let mut config = registry_config::render(spec);
    config.push_str(storage_ca(spec).unwrap_or(""));
    let mut annotations = json!({
        ANNOTATION_TLS: sha256_hex(material.tls_chain_pem.as_bytes()),
        ANNOTATION_CONFIG: sha256_hex(config.as_bytes()),
    });
    if let (Some(keys), true) = (&material.s3, spec.storage().bucket().is_some()) {
        annotations[ANNOTATION_S3] = keys.checksum().into();
    }
    annotations
}

/// Labels that the Service and the Deployment find the registry's Pods by, and no other Pod of the instance.
pub(super) fn selector(spec: &RegistrySpec) -> Value {
    json!({ LABEL_INSTANCE: spec.place().instance(), LABEL_COMPONENT: "registry" })
}

fn pod_labels(spec: &RegistrySpec) -> Value {
    let mut labels = labels(spec.place().instance());
    labels[LABEL_COMPONENT] = "registry".into();
    labels
}

fn pod_spec(spec: &RegistrySpec, names: &Names) -> Value {
    let secret = |volume: &str, name: &str| json!({ "name": volume, "secret": { "secretName": name, "defaultMode": 0o440 } });
    let config = names.config.as_ref().map_or("", |name| name.name());
    let mut volumes = vec![
        json!({ "name": "config", "configMap": { "name": config, "defaultMode": 0o444 } }),
        secret("tls", names.tls.name()),
        secret("htpasswd", names.htpasswd.name()),
    ];
    volumes.extend(volumes::pod_volume(spec, names, "data"));
    let mut pod = json!({
        "automountServiceAccountToken": false,
        // A Service called `registry` would otherwise inject REGISTRY_PORT, which distribution reads as configuration.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": registry_config::DRAIN_SECONDS + LINGER_SECONDS + 10,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": REGISTRY_UID,
            "runAsGroup": REGISTRY_UID,
            "fsGroup": REGISTRY_UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container(spec, names)],
        "volumes": volumes,
    });
    if let Some(taint) = spec.startup_taint() {
        pod["tolerations"] = json!([{ "key": taint.key(), "operator": "Exists" }]);
    }
    if spec.replicas() > 1 {
        // Spread if it can be; on a cluster of one node all the same.
        pod["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector(spec) },
        }]);
    }
    pod
}

fn container(spec: &RegistrySpec, names: &Names) -> Value {
    let resources = spec.resources();
    let mut mounts = vec![
        json!({ "name": "config", "mountPath": FOLDER, "readOnly": true }),
        json!({ "name": "tls", "mountPath": "/certs", "readOnly": true }),
        json!({ "name": "htpasswd", "mountPath": "/auth", "readOnly": true }),
    ];
    if volumes::pod_volume(spec, names, "data").is_some() {
        mounts.push(json!({ "name": "data", "mountPath": "/var/lib/registry" }));
    }
    let mut container = json!({
        "name": "registry",
        "image": spec.image(),
        "imagePullPolicy": "IfNotPresent",
        // The default path differs between 2.8 and 3.x; with this both read the same file.
        "args": Serving::Usual.arguments(),
        "env": environment(spec, names),
        "ports": [{ "name": "https", "containerPort": RegistrySpec::CONTAINER_PORT, "protocol": "TCP" }],
        "resources": {
            "requests": { "cpu": resources.cpu_request, "memory": resources.memory_request },
            "limits": limits(spec),
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "startupProbe": probe(1, 60),
        "readinessProbe": probe(5, 3),
        // Patient: `/` is 503 while storage is away, and a restart fixes that only sometimes.
        "livenessProbe": probe(10, 12),
        "volumeMounts": mounts,
    });
    if spec.rolls() {
        // Every upstream image has it; an image without is stopped at once.
        let sleep = ["sleep", &LINGER_SECONDS.to_string()];
        container["lifecycle"] = json!({ "preStop": { "exec": { "command": sleep } } });
    }
    container
}

/// A processor has no limit: one that is throttled answers late, and its share is fair anyway. What the registry writes
/// beside its volume are its log and nothing else; images in an `emptyDir` count as well, and may be as large as they are.
fn limits(spec: &RegistrySpec) -> Value {
    let mut limits = json!({ "memory": spec.resources().memory_limit });
    if *spec.storage() != Storage::EmptyDir {
        limits["ephemeral-storage"] = "1Gi".into();
    }
    limits
}

fn environment(spec: &RegistrySpec, names: &Names) -> Vec<Value> {
    let of_secret = |variable: &str, secret: Option<&ObjectRef>, key: &str| {
        let secret = secret.map_or("", ObjectRef::name);
        json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": secret, "key": key } } })
    };
    let mut environment = vec![
        json!({ "name": "OTEL_TRACES_EXPORTER", "value": "none" }),
        of_secret(
            "REGISTRY_HTTP_SECRET",
            names.http_secret.as_ref(),
            "http-secret",
        ),
    ];
    if spec.storage().bucket().is_some() {
        let s3 = names.s3.as_ref();
        environment.push(of_secret("REGISTRY_STORAGE_S3_ACCESSKEY", s3, "access-key"));
        environment.push(of_secret("REGISTRY_STORAGE_S3_SECRETKEY", s3, "secret-key"));
    }
    if storage_ca(spec).is_some() {
        // Go's variable, in place of the image's own roots: the registry asks no other server.
        let file = format!("{FOLDER}/{STORAGE_CA}");
        environment.push(json!({ "name": "SSL_CERT_FILE", "value": file }));
    }
    environment
}

/// `/` answers 200 without a password and reflects the health of storage; `/v2/` would answer 401.
fn probe(period_seconds: u32, failures: u32) -> Value {
    json!({
        "httpGet": { "scheme": "HTTPS", "path": "/", "port": RegistrySpec::CONTAINER_PORT },
        "periodSeconds": period_seconds,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    })
}
