//! What the kubelet reported about a Pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kreg_stream::again;
use kube::api::{Api, ListParams, LogParams};
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use super::end::End;
use super::pulls::NodePulls;

/// How long log and events may be behind what the Pod's status says; a busy node takes its time.
const LAG: Duration = Duration::from_secs(15);
/// Between two looks at them.
const PAUSE: Duration = Duration::from_millis(300);
/// How long events are waited for that may never come.
const MOMENT: Duration = Duration::from_secs(2);

/// The program's output; the kubelet may be a moment behind the exit.
pub(super) async fn read_log(pods: &Api<Pod>, name: &str, expected: &str) -> String {
    let end = Instant::now() + LAG;
    loop {
        let log = match pods.logs(name, &LogParams::default()).await {
            Ok(log) if log == expected => return log,
            Ok(log) => log,
            Err(error) if is_forbidden(&error) => return format!("(no log: {error})"),
            Err(error) => format!("(no log: {error})"),
        };
        if Instant::now() >= end {
            return log;
        }
        sleep(PAUSE).await;
    }
}

/// The kubelet's events; they are written late, so those that must come are waited for.
pub(super) async fn events(pulls: &NodePulls, pod: &Pod, end: &End) -> Vec<String> {
    let patience = match end {
        End::Exited(0) | End::PullFailed(..) => LAG,
        _ => MOMENT,
    };
    let deadline = Instant::now() + patience;
    loop {
        let (lines, complete) = match events_of(pulls.client.clone(), &pulls.namespace, pod).await {
            Ok(lines) => {
                let complete = match end {
                    End::Exited(0) => lines.iter().any(|line| line.starts_with("Pulled: ")),
                    _ => telling(&lines).is_some(),
                };
                (lines, complete)
            }
            Err(error) => {
                let lines = vec![format!("(no events: {error})")];
                (lines, is_forbidden(&error))
            }
        };
        if complete || Instant::now() >= deadline {
            return lines;
        }
        sleep(PAUSE).await;
    }
}

/// Whether asking again is of no use.
fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The events about a Pod, oldest first, as `reason: message`, each once.
///
/// # Errors
/// Whatever the API server says.
async fn events_of(client: Client, namespace: &str, pod: &Pod) -> Result<Vec<String>, kube::Error> {
    let selector = format!(
        "involvedObject.kind=Pod,involvedObject.uid={}",
        pod.metadata.uid.as_deref().unwrap_or_default()
    );
    let events = Api::<Event>::namespaced(client, namespace);
    let of_pod = ListParams::default().fields(&selector);
    let listed = again(|| events.list(&of_pod)).await?;
    let mut events = listed.items;
    events.sort_by_key(|event| (event.metadata.creation_timestamp.clone(), event.name_any()));
    let mut lines = Vec::new();
    for event in events {
        let line = format!(
            "{}: {}",
            event.reason.unwrap_or_default(),
            event.message.unwrap_or_default()
        );
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Ok(lines)
}

/// The event that says most about a failed pull: the runtime's own words, else a mount's or sandbox's.
pub(super) fn telling(events: &[String]) -> Option<&str> {
    let find = |sign: &str| events.iter().rev().find(|line| line.contains(sign));
    find("Failed to pull image")
        .or_else(|| find("FailedCreatePodSandBox"))
        .or_else(|| find("FailedMount"))
        .or_else(|| find("Failed: "))
        .map(String::as_str)
}

/// The innermost part of a runtime's message; it wraps errors in the image's name, in quotes, each
/// time. The whole stands in the evidence.
pub(super) fn root_cause(words: &str) -> &str {
    let wrapped = words.rmatch_indices("\": ").find(|(at, _)| {
        words[..*at]
            .rsplit('"')
            .next()
            .is_some_and(|name| name.contains("@sha256:"))
    });
    wrapped.map_or(words, |(at, wrap)| &words[at + wrap.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_words_tell_most() {
        let events: Vec<String> = [
            "Pulling: Pulling image \"r:5000/a\"",
            "Failed: Failed to pull image \"r:5000/a\": x509: certificate signed by unknown authority",
            "Failed: Error: ErrImagePull",
            "BackOff: Back-off pulling image \"r:5000/a\"",
        ]
        .map(str::to_owned)
        .to_vec();
        assert!(telling(&events).unwrap().contains("x509"));
        assert_eq!(telling(&events[..1]), None);
    }

    #[test]
    fn the_root_cause_is_what_is_left_when_the_wrapping_is_off() {
        let image = "r:5000/kreg/verify@sha256:00";
        let cause = "failed to do request: Head \"https://10.0.0.1:5000/v2/\": x509: certificate signed by unknown authority";
        let words = format!(
            "Failed: Failed to pull image \"{image}\": failed to pull and unpack image \"{image}\": \
             failed to resolve reference \"{image}\": {cause}"
        );
        assert_eq!(root_cause(&words), cause);
        assert_eq!(
            root_cause("no basic auth credentials"),
            "no basic auth credentials"
        );
    }
}
