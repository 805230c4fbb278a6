//! What every object of a registry is called, and the labels that tie them together.

use serde_json::{Value, json};

use crate::{kind::Kind, object::Object, object_ref::ObjectRef, place::Place, profile::Profile};

/// Label that names the instance an object belongs to.
pub const LABEL_INSTANCE: &str = "kreg.dev/instance";
/// Label whose value `kreg` marks everything kreg manages.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label whose value `registry` marks the registry's own Pods.
pub const LABEL_COMPONENT: &str = "app.kubernetes.io/component";
/// Annotation on the record of a registry, with its inventory as JSON.
pub const ANNOTATION_INVENTORY: &str = "kreg.dev/inventory";
/// Annotation on objects that were there before kreg and were taken over (`ApplyOptions::adopt`); a removal leaves them.
pub const ANNOTATION_ADOPTED: &str = "kreg.dev/adopted";
/// Annotation on the registry's claim: the Service's address, which outlives the rest of the registry with the images.
pub const ANNOTATION_ADDRESS: &str = "kreg.dev/cluster-ip";
/// Annotation on the Pod template: hex SHA-256 of the certificate chain, because distribution loads it only at start.
pub const ANNOTATION_TLS: &str = "kreg.dev/tls-checksum";
/// Annotation on the Pod template: hex SHA-256 of `config.yml` and of what lies beside it.
pub const ANNOTATION_CONFIG: &str = "kreg.dev/config-checksum";
/// Annotation on the Pod template: hex SHA-256 of the S3 keys.
pub const ANNOTATION_S3: &str = "kreg.dev/s3-keys-checksum";
/// Annotation on the Pod template while the registry serves read-only: the [`Turn`](crate::Turn) that its Pods are
/// started for.
pub const ANNOTATION_TURN: &str = "kreg.dev/read-only-turn";

/// User and group id the default profile's registry runs under; the "nonroot" of common base images.
pub const REGISTRY_UID: u32 = 65532;

/// References to every object a registry may consist of.
///
/// Those that a profile does not have are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The namespace all others live in.
    pub namespace: ObjectRef,
    /// Service.
    pub service: ObjectRef,
    /// Deployment, or the tutorial's Pod.
    pub workload: ObjectRef,
    /// Secret with `tls.crt` and `tls.key`.
    pub tls: ObjectRef,
    /// Secret with `htpasswd`.
    pub htpasswd: ObjectRef,
    /// Secret with `.dockerconfigjson`.
    pub pull_secret: ObjectRef,
    /// Secret with the registry's `http.secret`.
    pub http_secret: Option<ObjectRef>,
    /// Secret with `access-key` and `secret-key` of an S3 server, where images lie in one.
    pub s3: Option<ObjectRef>,
    /// Secret with `ca.crt` and, unless it is kept elsewhere, `ca.key`. No Pod mounts it.
    pub ca: Option<ObjectRef>,
    /// ConfigMap with `config.yml`.
    pub config: Option<ObjectRef>,
    /// The claim kreg makes for storage that needs one.
    pub claim: ObjectRef,
    /// The volume kreg makes for host directories.
    pub volume: ObjectRef,
    /// ClusterRole without rules that holds the [`Inventory`](crate::Inventory): tenants cannot make one.
    pub inventory: ObjectRef,
    /// NetworkPolicy, where one is asked for.
    pub network_policy: Option<ObjectRef>,
    /// KEP-1755's ConfigMap, the one of its name in the cluster, where the registry is to be announced by it.
    pub local_hosting: ObjectRef,
}

impl Names {
    /// The names for a registry.
    #[must_use]
    pub fn of(place: &Place) -> Self {
        let (namespace, instance) = (place.namespace(), place.instance());
        let named = |kind, name: &str| ObjectRef::new(kind, namespace, name);
        let suffixed = |kind, suffix: &str| named(kind, &format!("{instance}-{suffix}"));
        let shared = (
            ObjectRef::new(Kind::Namespace, "", namespace),
            named(Kind::Service, place.service()),
            ObjectRef::new(Kind::ClusterRole, "", &format!("kreg:{instance}")),
            ObjectRef::new(Kind::ConfigMap, "kube-public", "local-registry-hosting"),
        );
        match place.profile() {
            Profile::Default => Names {
                namespace: shared.0,
                service: shared.1,
                inventory: shared.2,
                local_hosting: shared.3,
                network_policy: Some(named(Kind::NetworkPolicy, instance)),
                workload: named(Kind::Deployment, instance),
                tls: suffixed(Kind::Secret, "tls"),
                htpasswd: suffixed(Kind::Secret, "htpasswd"),
                pull_secret: suffixed(Kind::Secret, "pull"),
                http_secret: Some(suffixed(Kind::Secret, "http")),
                s3: Some(suffixed(Kind::Secret, "s3")),
                ca: Some(suffixed(Kind::Secret, "ca")),
                config: Some(suffixed(Kind::ConfigMap, "config")),
                claim: suffixed(Kind::PersistentVolumeClaim, "data"),
                // Volumes are cluster-scoped, so the namespace has to be in the name.
                volume: ObjectRef::new(
                    Kind::PersistentVolume,
                    "",
                    &format!("{namespace}-{instance}-data"),
                ),
            },
            Profile::Tutorial => Names {
                namespace: shared.0,
                service: shared.1,
                inventory: shared.2,
                local_hosting: shared.3,
                network_policy: None,
                workload: named(Kind::Pod, "docker-registry-pod"),
                tls: named(Kind::Secret, "certs-secret"),
                htpasswd: named(Kind::Secret, "auth-secret"),
                pull_secret: named(Kind::Secret, "reg-cred-secret"),
                http_secret: None,
                s3: None,
                ca: None,
                config: None,
                claim: named(Kind::PersistentVolumeClaim, "docker-repo-pvc"),
                volume: ObjectRef::new(Kind::PersistentVolume, "", "docker-repo-pv"),
            },
        }
    }
}

/// The namespace of node agents, as kreg-nodes names it.
pub const NODE_AGENTS: &str = "kreg-nodes";

/// The labels on every object of an instance.
#[must_use]
pub fn labels(instance: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "docker-registry",
        "app.kubernetes.io/instance": instance,
        LABEL_MANAGED_BY: "kreg",
        "app.kubernetes.io/part-of": "kreg",
        LABEL_INSTANCE: instance,
    })
}

/// Label selector that finds every object of an instance.
#[must_use]
pub fn selector(instance: &str) -> String {
    format!("{LABEL_MANAGED_BY}=kreg,{LABEL_INSTANCE}={instance}")
}

/// The label that marks service accounts kreg added its entry to: `pull.kreg.dev/<instance>`.
#[must_use]
pub fn pull_label(instance: &str) -> String {
    format!("pull.kreg.dev/{instance}")
}

/// Label selector that finds a registry's own Pods, and the ReplicaSets that make them.
#[must_use]
pub fn pod_selector(instance: &str) -> String {
    format!("{LABEL_INSTANCE}={instance},{LABEL_COMPONENT}=registry")
}

/// The ConfigMap in which a kreg before 0.2 kept the inventory.
#[must_use]
pub fn earlier_inventory(place: &Place) -> ObjectRef {
    let name = format!("{}-inventory", place.instance());
    ObjectRef::new(Kind::ConfigMap, place.namespace(), &name)
}

/// Whether a live object carries the labels of this instance. Anyone who can write to its namespace can set them: they
/// only confirm what the record says.
#[must_use]
pub fn is_labelled(object: &Object, instance: &str) -> bool {
    object.label(LABEL_MANAGED_BY) == Some("kreg") && object.label(LABEL_INSTANCE) == Some(instance)
}
