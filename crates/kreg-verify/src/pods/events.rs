//! What the kubelet reported about a Pod.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

/// The events about a Pod, oldest first, as `reason: message`, each once.
///
/// # Errors
/// Whatever the API server says.
pub(super) async fn events_of(
    client: Client,
    namespace: &str,
    pod: &Pod,
) -> Result<Vec<String>, kube::Error> {
    let selector = format!(
        "involvedObject.kind=Pod,involvedObject.uid={}",
        pod.metadata.uid.as_deref().unwrap_or_default()
    );
    let listed = Api::<Event>::namespaced(client, namespace)
        .list(&ListParams::default().fields(&selector))
        .await?;
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
}
