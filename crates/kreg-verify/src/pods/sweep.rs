//! Takes a run's Pods away again.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use tokio::time::{Instant, sleep};

use super::{NodePulls, RUN_LABEL};

/// How long Pods may take to go; the kubelet has nothing to stop that lasts.
const PATIENCE: Duration = Duration::from_secs(30);

/// Deletes every Pod of the run and waits until none is left; returns how many there were, and the
/// names of those that would not go.
///
/// # Errors
/// Whatever the API server says.
pub(crate) async fn remove_pods(
    pulls: &NodePulls,
    run: &str,
) -> Result<(usize, Vec<String>), kube::Error> {
    let pods: Api<Pod> = pulls.api();
    let of_this_run = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    let found = pods.list(&of_this_run).await?.items;
    let deleting = found.iter().map(|pod| delete(&pods, pod));
    futures::future::try_join_all(deleting).await?;
    let count = found.len();
    if count == 0 {
        return Ok((0, Vec::new()));
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let left: Vec<_> = pods
            .list(&of_this_run)
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        if left.is_empty() || Instant::now() > end {
            return Ok((count, left));
        }
        sleep(Duration::from_millis(300)).await;
    }
}

/// A Pod that has ended needs no kubelet to stop it; any other gets its grace.
async fn delete(pods: &Api<Pod>, pod: &Pod) -> Result<(), kube::Error> {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    let how = match phase {
        Some("Succeeded" | "Failed") => DeleteParams::default().grace_period(0),
        _ => DeleteParams::default(),
    };
    match pods.delete(&pod.name_any(), &how).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
