//! How far a Pod has come, read from its status alone.

use k8s_openapi::api::core::v1::Pod;

use crate::pull_failure::PullFailure;

/// Where a probe Pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Not decided; the words say what it waits for.
    Waiting(String),
    /// The image could not be pulled; the kubelet will try again.
    PullFailed {
        /// What kind of failure.
        kind: PullFailure,
        /// The kubelet's message, verbatim.
        message: String,
    },
    /// It will not run, whatever the time.
    Stuck(String),
    /// The program ended with this code.
    Exited(i32),
}

impl Progress {
    /// Judges a Pod with one container.
    #[must_use]
    pub fn of(pod: &Pod) -> Progress {
        let status = pod.status.clone().unwrap_or_default();
        let container = status
            .container_statuses
            .unwrap_or_default()
            .into_iter()
            .next();
        let state = container
            .and_then(|container| container.state)
            .unwrap_or_default();
        if let Some(terminated) = state.terminated {
            // 128 and more without a start: the runtime could not even start the program.
            return match terminated.reason.as_deref() {
                Some(reason @ ("StartError" | "ContainerCannotRun")) => {
                    Progress::Stuck(words(reason, terminated.message.as_deref()))
                }
                _ => Progress::Exited(terminated.exit_code),
            };
        }
        if let Some(waiting) = state.waiting {
            let reason = waiting.reason.unwrap_or_default();
            let message = waiting.message.unwrap_or_default();
            return match reason.as_str() {
                "ErrImagePull"
                | "ImagePullBackOff"
                | "RegistryUnavailable"
                | "SignatureValidationFailed" => Progress::PullFailed {
                    kind: PullFailure::by_reason(&reason, &message),
                    message,
                },
                // The kubelet has not seen an object yet, and asks again by itself.
                "CreateContainerConfigError" if message.contains("failed to sync") => {
                    Progress::Waiting(words(&reason, Some(&message)))
                }
                "CreateContainerConfigError"
                | "CreateContainerError"
                | "ErrImageNeverPull"
                | "ImageInspectError"
                | "InvalidImageName"
                | "RunContainerError" => Progress::Stuck(words(&reason, Some(&message))),
                _ => Progress::Waiting(words(&reason, Some(&message))),
            };
        }
        if status.phase.as_deref() == Some("Failed") {
            let reason = status.reason.unwrap_or_else(|| "Failed".to_owned());
            return Progress::Stuck(words(&reason, status.message.as_deref()));
        }
        if state.running.is_some() {
            return Progress::Waiting("the program runs".to_owned());
        }
        Progress::Waiting("the kubelet has not begun".to_owned())
    }
}

fn words(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(status: Value) -> Progress {
        Progress::of(&serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap())
    }

    fn with_state(state: Value) -> Value {
        json!({
            "phase": "Pending",
            "containerStatuses": [{
                "name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
            }],
        })
    }

    #[test]
    fn a_pod_without_news_waits() {
        assert!(matches!(of(json!({})), Progress::Waiting(_)));
        let creating = with_state(json!({ "waiting": { "reason": "ContainerCreating" } }));
        assert_eq!(of(creating), Progress::Waiting("ContainerCreating".into()));
        assert!(matches!(
            of(with_state(json!({ "running": {} }))),
            Progress::Waiting(_)
        ));
    }

    #[test]
    fn a_failed_pull_keeps_the_kubelets_words() {
        let message = "failed to pull: x509: certificate signed by unknown authority";
        let state = json!({ "waiting": { "reason": "ErrImagePull", "message": message } });
        let expected = Progress::PullFailed {
            kind: PullFailure::Certificate,
            message: message.into(),
        };
        assert_eq!(of(with_state(state)), expected);
    }

    #[test]
    fn the_reasons_of_cri_o_are_failed_pulls() {
        for (reason, kind) in [
            ("RegistryUnavailable", PullFailure::Unreachable),
            ("SignatureValidationFailed", PullFailure::Policy),
        ] {
            let state = json!({ "waiting": { "reason": reason, "message": "" } });
            let message = String::new();
            assert_eq!(
                of(with_state(state)),
                Progress::PullFailed { kind, message }
            );
        }
    }

    #[test]
    fn what_cannot_run_is_stuck() {
        let state = json!({ "waiting": { "reason": "CreateContainerError", "message": "no" } });
        assert_eq!(
            of(with_state(state)),
            Progress::Stuck("CreateContainerError: no".into())
        );
        let state = json!({ "terminated": { "reason": "StartError", "exitCode": 128, "message": "exec format error" } });
        assert_eq!(
            of(with_state(state)),
            Progress::Stuck("StartError: exec format error".into())
        );
        let refused = json!({ "phase": "Failed", "reason": "OutOfpods", "message": "too many" });
        assert_eq!(of(refused), Progress::Stuck("OutOfpods: too many".into()));
    }

    #[test]
    fn the_exit_code_counts() {
        for code in [0, 1, 139] {
            let state = json!({ "terminated": { "reason": "Completed", "exitCode": code } });
            assert_eq!(of(with_state(state)), Progress::Exited(code));
        }
    }
}
