//! What stands around the registry, if asked for: a NetworkPolicy, and the announcement to development tools.

use serde_json::{Value, json};

use super::hardened::selector;
use crate::{
    names::{Names, labels},
    object::Object,
    profile::Profile,
    spec::RegistrySpec,
};

/// In: the registry's port, from anywhere, because pulls come from the nodes. Out: nothing, because it needs
/// nothing; with images in S3 to the port of that server, and to DNS.
pub(super) fn network_policy(spec: &RegistrySpec, names: &Names) -> Option<Object> {
    let name = names.network_policy.clone()?;
    spec.network_policy().then(|| {
        Object::build(
            name,
            &labels(spec.place().instance()),
            Value::Null,
            policy(spec),
        )
    })
}

fn policy(spec: &RegistrySpec) -> Value {
    let mut policy = json!({ "spec": {
                "podSelector": { "matchLabels": selector(spec) },
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{ "ports": [{ "port": RegistrySpec::CONTAINER_PORT, "protocol": "TCP" }] }],
            } });
    if let Some(bucket) = spec.storage().bucket() {
        policy["spec"]["egress"] = json!([
            { "ports": [{ "port": bucket.port(), "protocol": "TCP" }] },
            { "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] },
        ]);
    }
    policy
}

/// By the KEP the address of a page that tells how such a registry is set up and used.
const HELP: &str = env!("CARGO_PKG_REPOSITORY");

/// Source: KEP-1755, "Communicating a local registry", `LocalRegistryHostingV1`.
pub(super) fn local_hosting(spec: &RegistrySpec, names: &Names) -> Option<Object> {
    let wanted = spec.local_hosting() && spec.place().profile() == Profile::Default;
    let registry = spec.place().registry_name();
    let inside = format!(
        "{}.{}.svc.{}:{}",
        spec.place().service(),
        spec.place().namespace(),
        spec.place().cluster_domain(),
        spec.place().port()
    );
    // Every value is made of DNS labels and digits, so plain quotes are enough.
    let text = format!(
        "host: \"{registry}\"\nhostFromContainerRuntime: \"{registry}\"\nhostFromClusterNetwork: \"{inside}\"\n\
         help: \"{HELP}\"\n"
    );
    wanted.then(|| {
        Object::build(
            names.local_hosting.clone(),
            &labels(spec.place().instance()),
            Value::Null,
            json!({ "data": { "localRegistryHosting.v1": text } }),
        )
    })
}
