//! The default profile: a Deployment that passes Pod Security `restricted`, configured by a file.

use serde_json::{Value, json};

use super::{REGISTRY_UID, registry_config, sha256_hex, volumes};
use crate::{
    material::Material,
    names::{ANNOTATION_CONFIG, ANNOTATION_TLS, LABEL_COMPONENT, LABEL_INSTANCE, Names, labels},
    object::Object,
    spec::RegistrySpec,
};

pub(super) fn namespace(spec: &RegistrySpec, names: &Names) -> Object {
    let mut labels = labels(spec.instance());
    if spec.profile() == crate::Profile::Default {
        labels["pod-security.kubernetes.io/enforce"] = "restricted".into();
        labels["pod-security.kubernetes.io/warn"] = "restricted".into();
    }
    Object::build(names.namespace.clone(), &labels, Value::Null, json!({}))
}

pub(super) fn service(spec: &RegistrySpec, names: &Names) -> Object {
    let mut service = json!({
        "type": "ClusterIP",
        "selector": selector(spec),
        "ports": [{
            "name": "https",
            "port": spec.port(),
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
        &labels(spec.instance()),
        Value::Null,
        json!({ "spec": service }),
    )
}

pub(super) fn config_map(spec: &RegistrySpec, names: &Names) -> Option<Object> {
    let name = names.config.clone()?;
    Some(Object::build(
        name,
        &labels(spec.instance()),
        Value::Null,
        json!({ "data": { "config.yml": registry_config::render() } }),
    ))
}

pub(super) fn deployment(spec: &RegistrySpec, names: &Names, material: &Material) -> Object {
    Object::build(
        names.workload.clone(),
        &labels(spec.instance()),
        Value::Null,
        json!({ "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            // Two registries must never write to one directory.
            "strategy": { "type": "Recreate" },
            "selector": { "matchLabels": selector(spec) },
            "template": {
                "metadata": {
                    "labels": pod_labels(spec),
                    "annotations": {
                        ANNOTATION_TLS: sha256_hex(material.tls_chain_pem.as_bytes()),
                        ANNOTATION_CONFIG: sha256_hex(registry_config::render().as_bytes()),
                    },
                },
                "spec": pod_spec(spec, names),
            },
        } }),
    )
}

/// Labels that the Service and the Deployment find the registry's Pods by, and no other Pod of the instance.
pub(super) fn selector(spec: &RegistrySpec) -> Value {
    json!({ LABEL_INSTANCE: spec.instance(), LABEL_COMPONENT: "registry" })
}

fn pod_labels(spec: &RegistrySpec) -> Value {
    let mut labels = labels(spec.instance());
    labels[LABEL_COMPONENT] = "registry".into();
    labels
}

fn pod_spec(spec: &RegistrySpec, names: &Names) -> Value {
    let secret = |volume: &str, name: &str| json!({ "name": volume, "secret": { "secretName": name, "defaultMode": 0o440 } });
    let config = names.config.as_ref().map_or("", |name| name.name());
    json!({
        "automountServiceAccountToken": false,
        // A Service called `registry` would otherwise inject REGISTRY_PORT, which distribution reads as configuration.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": registry_config::DRAIN_SECONDS + 15,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": REGISTRY_UID,
            "runAsGroup": REGISTRY_UID,
            "fsGroup": REGISTRY_UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "containers": [container(spec, names)],
        "volumes": [
            { "name": "config", "configMap": { "name": config, "defaultMode": 0o444 } },
            secret("tls", names.tls.name()),
            secret("htpasswd", names.htpasswd.name()),
            volumes::pod_volume(spec, names, "data"),
        ],
    })
}

fn container(spec: &RegistrySpec, names: &Names) -> Value {
    let resources = spec.resources();
    let http_secret = names.http_secret.as_ref().map_or("", |name| name.name());
    json!({
        "name": "registry",
        "image": spec.image(),
        "imagePullPolicy": "IfNotPresent",
        // The default path differs between 2.8 and 3.x; with this both read the same file.
        "args": ["serve", "/etc/kreg/config.yml"],
        "env": [
            { "name": "OTEL_TRACES_EXPORTER", "value": "none" },
            { "name": "REGISTRY_HTTP_SECRET", "valueFrom": { "secretKeyRef": { "name": http_secret, "key": "http-secret" } } },
        ],
        "ports": [{ "name": "https", "containerPort": RegistrySpec::CONTAINER_PORT, "protocol": "TCP" }],
        "resources": {
            "requests": { "cpu": resources.cpu_request, "memory": resources.memory_request },
            "limits": { "memory": resources.memory_limit },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "startupProbe": probe(1, 60),
        "readinessProbe": probe(5, 3),
        // Patient: `/` is 503 while storage is away, and a restart mends that only sometimes.
        "livenessProbe": probe(10, 12),
        "volumeMounts": [
            { "name": "config", "mountPath": "/etc/kreg", "readOnly": true },
            { "name": "tls", "mountPath": "/certs", "readOnly": true },
            { "name": "htpasswd", "mountPath": "/auth", "readOnly": true },
            { "name": "data", "mountPath": "/var/lib/registry" },
        ],
    })
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
