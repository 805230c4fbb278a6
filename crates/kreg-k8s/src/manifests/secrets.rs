//! The Secrets, in both profiles.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{
    material::Material,
    names::{Names, labels},
    object::Object,
    object_ref::ObjectRef,
    spec::RegistrySpec,
};

/// In the order in which they follow from each other, see [`super::Manifests::decided_on`].
pub(super) fn objects(spec: &RegistrySpec, names: &Names, material: &Material) -> Vec<Object> {
    let secret = |name: &ObjectRef, kind: &str, data: Value| {
        Object::build(
            name.clone(),
            &labels(spec.place().instance()),
            Value::Null,
            json!({ "type": kind, "data": data }),
        )
    };
    let mut secrets = Vec::new();
    if let Some(name) = &names.ca {
        let mut data = json!({ "ca.crt": encode(&material.ca_bundle_pem) });
        if let Some(key) = &material.ca_key_pem {
            data["ca.key"] = conceal(key);
        }
        secrets.push(secret(name, "Opaque", data));
    }
    secrets.extend([
        secret(
            &names.tls,
            "kubernetes.io/tls",
            json!({ "tls.crt": encode(&material.tls_chain_pem), "tls.key": conceal(&material.tls_key_pem) }),
        ),
        secret(
            &names.pull_secret,
            "kubernetes.io/dockerconfigjson",
            json!({ ".dockerconfigjson": conceal(&material.docker_config_json) }),
        ),
        secret(
            &names.htpasswd,
            "Opaque",
            json!({ "htpasswd": conceal(&material.htpasswd) }),
        ),
    ]);
    if let Some(name) = &names.http_secret {
        secrets.push(secret(
            name,
            "Opaque",
            json!({ "http-secret": conceal(&material.http_secret) }),
        ));
    }
    if let (Some(name), Some(keys), true) =
        (&names.s3, &material.s3, spec.storage().bucket().is_some())
    {
        let data = json!({ "access-key": encode(&keys.access_key), "secret-key": conceal(&keys.secret_key) });
        secrets.push(secret(name, "Opaque", data));
    }
    secrets
}

fn conceal(text: &SecretString) -> Value {
    encode(text.expose_secret())
}

fn encode(text: &str) -> Value {
    STANDARD.encode(text).into()
}
