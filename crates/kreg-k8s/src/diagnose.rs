//! Why a Pod does not get ready: judged from its status alone (pure), then enriched with events and log lines.

use serde_json::Value;

use crate::{
    cause::{Cause, Remedy},
    cluster::{Cluster, Query},
    error::Error,
    kind::Kind,
    object::Object,
    object_ref::ObjectRef,
};

/// What a Pod's status says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodState {
    /// Its `Ready` condition is true.
    Ready,
    /// On its way, in this state.
    Coming(String),
    /// Held up by something that often passes (a claim being bound, a node being added).
    Delayed {
        /// Kubernetes' word.
        reason: String,
        /// Its explanation.
        message: String,
    },
    /// Will not get there by waiting.
    Stuck {
        /// Kubernetes' word.
        reason: String,
        /// Its explanation.
        message: String,
        /// The container at fault.
        container: String,
        /// Whether it ran and ended, so that it left log lines.
        ran: bool,
    },
}

/// Judges one Pod by its status.
#[must_use]
pub fn pod_state(pod: &Object) -> PodState {
    let condition = |name: &str| {
        pod.items("/status/conditions")
            .iter()
            .find(|condition| field(condition, "type") == name)
    };
    if condition("Ready").is_some_and(|ready| field(ready, "status") == "True") {
        return PodState::Ready;
    }
    if let Some(stuck) = containers(pod).find_map(stuck_container) {
        return stuck;
    }
    match condition("PodScheduled") {
        Some(scheduled) if field(scheduled, "status") == "False" => {
            return PodState::Delayed {
                reason: field(scheduled, "reason").to_owned(),
                message: field(scheduled, "message").to_owned(),
            };
        }
        _ => {}
    }
    let waiting = containers(pod).find_map(|status| {
        let reason = field(status.get("state")?.get("waiting")?, "reason");
        (!reason.is_empty()).then(|| reason.to_owned())
    });
    PodState::Coming(waiting.unwrap_or_else(|| match pod.text("/status/phase") {
        Some("Running") => "running, not ready yet".to_owned(),
        Some(phase) => phase.to_lowercase(),
        None => "just made".to_owned(),
    }))
}

/// How many Pods a Deployment is to have.
pub(crate) fn wanted(deployment: &Object) -> i64 {
    deployment.number("/spec/replicas").unwrap_or(1)
}

/// Source: kubectl `pkg/polymorphichelpers/rollout_status.go`.
pub(crate) fn is_rolled_out(deployment: &Object) -> bool {
    let count = |pointer: &str| deployment.number(pointer).unwrap_or(0);
    let wanted = wanted(deployment);
    count("/status/observedGeneration") >= count("/metadata/generation")
        && count("/status/updatedReplicas") >= wanted
        && count("/status/replicas") <= count("/status/updatedReplicas")
        && count("/status/availableReplicas") >= wanted
}

/// Puts the evidence to what [`pod_state`] found.
///
/// # Errors
/// If the cluster cannot be asked.
pub async fn explain(
    cluster: &dyn Cluster,
    pod: &Object,
    state: &PodState,
) -> Result<Cause, Error> {
    let object = pod.reference().clone();
    let (reason, message, evidence) = match state {
        PodState::Stuck {
            reason,
            message,
            container,
            ran,
        } => {
            let evidence = if *ran {
                last_words(cluster, &object, container).await
            } else {
                warnings(cluster, pod).await?
            };
            (reason.clone(), message.clone(), evidence)
        }
        PodState::Delayed { reason, message } => (
            reason.clone(),
            message.clone(),
            warnings(cluster, pod).await?,
        ),
        PodState::Coming(text) => (text.clone(), String::new(), warnings(cluster, pod).await?),
        PodState::Ready => ("Ready".to_owned(), String::new(), Vec::new()),
    };
    let image = pod.text("/spec/containers/0/image").unwrap_or("");
    let remedy = remedy(&object, &reason, &message, image);
    Ok(Cause {
        object,
        reason,
        message,
        evidence,
        remedy,
    })
}

/// The messages of an object's warning events, newest last, at most five.
///
/// # Errors
/// If the cluster cannot be asked.
pub async fn warnings(cluster: &dyn Cluster, object: &Object) -> Result<Vec<String>, Error> {
    let Some(uid) = object.uid() else {
        return Ok(Vec::new());
    };
    let query = Query::all(Kind::Event)
        .within(object.reference().namespace().unwrap_or("default"))
        .with_fields(format!("involvedObject.uid={uid},type=Warning"));
    let mut events = cluster.list(&query).await?;
    events.sort_by_key(|event| last_seen(event).to_owned());
    let mut lines: Vec<String> = Vec::new();
    for event in &events {
        let line = format!(
            "{}: {}",
            event.text("/reason").unwrap_or("event"),
            event.text("/message").unwrap_or("").trim()
        );
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Ok(lines.split_off(lines.len().saturating_sub(5)))
}

fn last_seen(event: &Object) -> &str {
    [
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .iter()
    .find_map(|pointer| event.text(pointer))
    .unwrap_or("")
}

/// Never an error: the log may be gone with its node, and the cause is known without it.
async fn last_words(cluster: &dyn Cluster, pod: &ObjectRef, container: &str) -> Vec<String> {
    for previous in [false, true] {
        if let Ok(text) = cluster.pod_log(pod, container, previous, 8).await
            && !text.trim().is_empty()
        {
            return text.lines().map(str::to_owned).collect();
        }
    }
    Vec::new()
}

fn containers(pod: &Object) -> impl Iterator<Item = &Value> {
    pod.items("/status/initContainerStatuses")
        .iter()
        .chain(pod.items("/status/containerStatuses"))
}

/// Source of the reasons: Kubernetes `pkg/kubelet/images/types.go`, `pkg/kubelet/container/sync_result.go`.
fn stuck_container(status: &Value) -> Option<PodState> {
    let waiting = status.get("state")?.get("waiting")?;
    let reason = field(waiting, "reason");
    let ran = reason == "CrashLoopBackOff";
    // The kubelet's watch of a Secret or ConfigMap is late; it asks again by itself (Kubernetes,
    // pkg/kubelet/util/manager, `failed to sync %s cache`).
    if reason == "CreateContainerConfigError"
        && field(waiting, "message").contains("failed to sync")
    {
        return Some(PodState::Delayed {
            reason: reason.to_owned(),
            message: field(waiting, "message").to_owned(),
        });
    }
    let hopeless = matches!(
        reason,
        // ErrImagePull alone may be one lost packet; the kubelet backs off only after the second failure.
        "ImagePullBackOff"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
            | "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "CrashLoopBackOff"
    );
    hopeless.then(|| {
        let end = status.pointer("/lastState/terminated");
        let message = match end {
            Some(end) if ran => {
                let code = end
                    .get("exitCode")
                    .and_then(Value::as_i64)
                    .unwrap_or_default();
                let restarts = status
                    .get("restartCount")
                    .and_then(Value::as_i64)
                    .unwrap_or_default();
                format!(
                    "the registry ended with exit code {code} ({}), {restarts} restarts",
                    field(end, "reason")
                )
            }
            _ => field(waiting, "message").to_owned(),
        };
        PodState::Stuck {
            reason: reason.to_owned(),
            message,
            container: field(status, "name").to_owned(),
            ran,
        }
    })
}

fn remedy(pod: &ObjectRef, reason: &str, message: &str, image: &str) -> Remedy {
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "ErrImageNeverPull" | "InvalidImageName"
        | "ImageInspectError" => Remedy::Image(image.to_owned()),
        "CrashLoopBackOff" | "RunContainerError" => Remedy::Log(pod.clone()),
        "CreateContainerConfigError" | "CreateContainerError" => Remedy::Parts,
        "Unschedulable"
            if message.contains("PersistentVolumeClaim") || message.contains("volume") =>
        {
            Remedy::Storage
        }
        "Unschedulable" => Remedy::Room,
        _ => Remedy::Describe(pod.clone()),
    }
}

fn field<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: Value) -> Object {
        Object::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"},
            "spec": {"containers": [{"name": "registry", "image": "nowhere/registry:9"}]}, "status": status}))
        .unwrap()
    }

    #[test]
    fn a_pull_that_backs_off_is_stuck_and_a_first_failure_is_not() {
        let waiting = |reason: &str| {
            pod_state(&pod(
                json!({"phase": "Pending", "containerStatuses": [{"name": "registry",
                "state": {"waiting": {"reason": reason, "message": "no such image"}}}]}),
            ))
        };
        assert_eq!(
            waiting("ImagePullBackOff"),
            PodState::Stuck {
                reason: "ImagePullBackOff".into(),
                message: "no such image".into(),
                container: "registry".into(),
                ran: false,
            }
        );
        assert_eq!(
            waiting("ErrImagePull"),
            PodState::Coming("ErrImagePull".into())
        );
        assert_eq!(
            waiting("ContainerCreating"),
            PodState::Coming("ContainerCreating".into())
        );
    }

    #[test]
    fn a_secret_that_the_kubelet_has_not_seen_yet_is_a_delay_and_a_missing_one_is_not() {
        let waiting = |message: &str| {
            pod_state(&pod(
                json!({"phase": "Pending", "containerStatuses": [{"name": "registry",
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}]}),
            ))
        };
        let late = waiting("failed to sync secret cache: timed out waiting for the condition");
        assert!(matches!(late, PodState::Delayed { .. }), "{late:?}");
        let missing = waiting("secret \"docker-registry-http\" not found");
        assert!(matches!(missing, PodState::Stuck { .. }), "{missing:?}");
    }

    #[test]
    fn a_crash_loop_tells_the_exit_code() {
        let state = pod_state(&pod(
            json!({"phase": "Running", "containerStatuses": [{"name": "registry", "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}]}),
        ));
        let PodState::Stuck {
            message, ran: true, ..
        } = state
        else {
            panic!("{state:?}")
        };
        assert_eq!(
            message,
            "the registry ended with exit code 2 (Error), 3 restarts"
        );
    }

    #[test]
    fn unschedulable_is_a_delay_and_ready_wins_over_all() {
        let state = pod_state(&pod(
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available"}]}),
        ));
        assert!(
            matches!(state, PodState::Delayed { ref reason, .. } if reason == "Unschedulable"),
            "{state:?}"
        );
        let ready =
            pod(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        assert_eq!(pod_state(&ready), PodState::Ready);
    }

    #[test]
    fn a_cause_reads_as_one_sentence_and_carries_what_helps() {
        let cause = Cause {
            object: ObjectRef::new(Kind::Pod, "n", "p"),
            reason: "ImagePullBackOff".into(),
            message: "not found".into(),
            evidence: vec!["Failed: x".into()],
            remedy: remedy(
                &ObjectRef::new(Kind::Pod, "n", "p"),
                "ImagePullBackOff",
                "",
                "nowhere/registry:9",
            ),
        };
        let text = cause.to_string();
        assert!(
            text.starts_with("Pod n/p is stuck: ImagePullBackOff: not found\n"),
            "{text}"
        );
        assert_eq!(cause.remedy, Remedy::Image("nowhere/registry:9".to_owned()));
    }
}
