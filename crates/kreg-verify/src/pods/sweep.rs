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
    let count = pods.list(&of_this_run).await?.items.len();
    if count == 0 {
        return Ok((0, Vec::new()));
    }
    pods.delete_collection(&DeleteParams::default(), &of_this_run)
        .await?;
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
