//! The tutorial profile: its Pod and its Service, field for field, plus kreg's labels.

use serde_json::{Value, json};

use super::volumes;
use crate::{
    digest::sha256_hex,
    material::Material,
    names::{ANNOTATION_TLS, Names, labels},
    object::Object,
    spec::RegistrySpec,
};

pub(super) fn service(spec: &RegistrySpec, names: &Names) -> Object {
    let mut service = json!({
        "selector": { "app": "registry" },
        "ports": [{
            "port": spec.place().port(),
            "targetPort": RegistrySpec::CONTAINER_PORT,
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

pub(super) fn pod(spec: &RegistrySpec, names: &Names, material: &Material) -> Object {
    let mut labels = labels(spec.place().instance());
    labels["app"] = "registry".into();
    let secret =
        |volume: &str, name: &str| json!({ "name": volume, "secret": { "secretName": name } });
    Object::build(
        names.workload.clone(),
        &labels,
        // A bare Pod has no template: a new certificate means a new Pod, and this is how it is noticed.
        json!({ ANNOTATION_TLS: sha256_hex(material.tls_chain_pem.as_bytes()) }),
        json!({ "spec": {
            "containers": [{
                "name": "registry",
                "image": spec.image(),
                "env": [
                    { "name": "REGISTRY_AUTH", "value": "htpasswd" },
                    { "name": "REGISTRY_AUTH_HTPASSWD_REALM", "value": "Registry Realm" },
                    { "name": "REGISTRY_AUTH_HTPASSWD_PATH", "value": "/auth/htpasswd" },
                    { "name": "REGISTRY_HTTP_TLS_CERTIFICATE", "value": "/certs/tls.crt" },
                    { "name": "REGISTRY_HTTP_TLS_KEY", "value": "/certs/tls.key" },
                ],
                "volumeMounts": [
                    { "name": "repo-vol", "mountPath": "/var/lib/registry" },
                    { "name": "certs-vol", "mountPath": "/certs", "readOnly": true },
                    { "name": "auth-vol", "mountPath": "/auth", "readOnly": true },
                ],
                "readinessProbe": readiness(),
            }],
            "volumes": [
                volumes::pod_volume(spec, names, "repo-vol"),
                secret("certs-vol", names.tls.name()),
                secret("auth-vol", names.htpasswd.name()),
            ],
        } }),
    )
}

/// The one thing the tutorial's Pod does not have: without it "Ready" would mean no more than "process started", and a
/// pull could come before the registry listens.
fn readiness() -> Value {
    json!({
        "httpGet": { "scheme": "HTTPS", "path": "/", "port": RegistrySpec::CONTAINER_PORT },
        "periodSeconds": 1,
    })
}
