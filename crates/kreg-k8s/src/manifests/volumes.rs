//! PersistentVolume and PersistentVolumeClaim for each kind of storage, and the Pod's volume that uses them.

use serde_json::{Value, json};

use crate::{
    names::{ANNOTATION_ADDRESS, Names, labels},
    object::Object,
    profile::Profile,
    spec::RegistrySpec,
    storage::Storage,
};

/// The volume and claim kreg itself makes; none for a claim of somebody else, and none for scratch space.
pub(super) fn objects(spec: &RegistrySpec, names: &Names) -> Vec<Object> {
    match spec.storage() {
        Storage::StorageClass { name, size } => {
            let mut claim = claim_spec(size);
            // No field at all is what lets the server fill in its default class; "" would mean "no class".
            if let Some(name) = name {
                claim["storageClassName"] = name.as_str().into();
            }
            vec![claim_object(spec, names, claim)]
        }
        Storage::HostPath { path, node, size } => {
            let mut claim = claim_spec(size);
            // "" on both sides, else a default StorageClass claims the claim and it never binds to this volume.
            claim["storageClassName"] = "".into();
            claim["volumeName"] = names.volume.name().into();
            vec![
                volume_object(spec, names, path, node.as_deref(), size),
                claim_object(spec, names, claim),
            ]
        }
        Storage::ExistingClaim { .. } | Storage::EmptyDir | Storage::S3(_) => Vec::new(),
    }
}

/// The entry of the Pod's `volumes` that holds the images, if a volume holds them.
pub(super) fn pod_volume(spec: &RegistrySpec, names: &Names, volume_name: &str) -> Option<Value> {
    let claim = match spec.storage() {
        Storage::S3(_) => return None,
        Storage::EmptyDir => return Some(json!({ "name": volume_name, "emptyDir": {} })),
        Storage::ExistingClaim { name } => name.as_str(),
        Storage::StorageClass { .. } | Storage::HostPath { .. } => names.claim.name(),
    };
    Some(json!({ "name": volume_name, "persistentVolumeClaim": { "claimName": claim } }))
}

fn claim_spec(size: &str) -> Value {
    json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": size } },
    })
}

fn claim_object(spec: &RegistrySpec, names: &Names, claim: Value) -> Object {
    let address = spec.cluster_ip();
    Object::build(
        names.claim.clone(),
        &labels(spec.place().instance()),
        address.map_or(
            Value::Null,
            |address| json!({ ANNOTATION_ADDRESS: address }),
        ),
        json!({ "spec": claim }),
    )
}

fn volume_object(
    spec: &RegistrySpec,
    names: &Names,
    path: &str,
    node: Option<&str>,
    size: &str,
) -> Object {
    let mut volume = json!({
        "capacity": { "storage": size },
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        // Reserves the volume for our claim. No uid: the binder fills it in.
        "claimRef": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": spec.place().namespace(),
            "name": names.claim.name(),
        },
    });
    match spec.place().profile() {
        // fsGroup is honoured on `local` volumes and not on `hostPath`, and only the former moves the Pod to its node.
        Profile::Default => volume["local"] = json!({ "path": path }),
        Profile::Tutorial => volume["hostPath"] = json!({ "path": path }),
    }
    if let Some(node) = node {
        volume["nodeAffinity"] = json!({ "required": { "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "kubernetes.io/hostname", "operator": "In", "values": [node] },
        ] }] } });
    }
    Object::build(
        names.volume.clone(),
        &labels(spec.place().instance()),
        Value::Null,
        json!({ "spec": volume }),
    )
}
