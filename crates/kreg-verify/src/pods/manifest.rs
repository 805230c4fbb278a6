//! The Pod that proves a node, as a value.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, KeyToPath, LocalObjectReference, Pod, PodSecurityContext, PodSpec,
    ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext, Toleration, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pulls::NodePulls;

/// The user that the program runs as: `nobody` of distroless images. Any but root would do.
const UID: i64 = 65532;

/// The Pod `name` that pulls `image` on `node` and runs it once.
///
/// - `nodeName` instead of a selector: the kubelet is to be tested, not the scheduler, so the Pod
///   also reaches cordoned and full nodes. It tolerates every taint, because `NoExecute` taints
///   would evict it, scheduled or not.
/// - `imagePullPolicy: Always` and a digest: neither a cached image nor a moved tag can pass.
/// - It mounts its pull secret, of which it sees nothing: a kubelet that may not yet read a new
///   Pod's Secrets (the node authorizer is a moment behind) pulls without them and is answered
///   401, but holds a Pod back until its volumes are there.
/// - It meets the Pod Security level `restricted`, and has no token of any service account.
/// - `activeDeadlineSeconds`: it ends by itself if whoever started it is gone.
#[must_use]
pub fn pod(pulls: &NodePulls, run: &str, name: &str, node: &str, image: &str) -> Pod {
    // One minute more than is waited for, so that a kubelet's own reason is seen first.
    let deadline = i64::try_from(pulls.timeout.as_secs()).unwrap_or(i64::MAX - 60) + 60;
    let pull_secrets = pulls
        .pull_secret
        .iter()
        .map(|name| LocalObjectReference { name: name.clone() });
    Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(pulls.namespace.clone()),
            labels: Some(pulls.labels(run)),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            node_name: Some(node.to_owned()),
            tolerations: Some(vec![Toleration {
                operator: Some("Exists".to_owned()),
                ..Toleration::default()
            }]),
            restart_policy: Some("Never".to_owned()),
            active_deadline_seconds: Some(deadline),
            termination_grace_period_seconds: Some(1),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            image_pull_secrets: Some(pull_secrets.collect()),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(UID),
                run_as_group: Some(UID),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            volumes: pulls
                .pull_secret
                .as_deref()
                .map(|secret| vec![awaited(secret)]),
            containers: vec![container(image, pulls.pull_secret.is_some())],
            ..PodSpec::default()
        }),
        status: None,
    }
}

const AWAITED: &str = "pull-secret-read";

/// An empty directory, there once the kubelet could read the Secret. Optional, as a key that is not
/// there gives the empty directory only so; a Secret that is not there is the pull's to tell.
/// Source: Kubernetes `pkg/volume/secret`, `MakePayload`.
fn awaited(secret: &str) -> Volume {
    Volume {
        name: AWAITED.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            optional: Some(true),
            items: Some(vec![KeyToPath {
                key: "none".to_owned(),
                path: "none".to_owned(),
                mode: None,
            }]),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn container(image: &str, awaits_secret: bool) -> Container {
    Container {
        name: "probe".to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("Always".to_owned()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        // The kubelet leaves out volumes that no container mounts.
        volume_mounts: awaits_secret.then(|| {
            vec![VolumeMount {
                name: AWAITED.to_owned(),
                mount_path: "/run/kreg".to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }]
        }),
        // Both, so that namespaces with quotas take it; little, so that full nodes do.
        resources: Some(ResourceRequirements {
            requests: Some(quantities("1m", "4Mi")),
            limits: Some(quantities("100m", "64Mi")),
            ..ResourceRequirements::default()
        }),
        ..Container::default()
    }
}

fn quantities(cpu: &str, memory: &str) -> BTreeMap<String, Quantity> {
    [("cpu", cpu), ("memory", memory)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Quantity(value.to_owned())))
        .collect()
}
