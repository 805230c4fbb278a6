//! Follows a Pod from its creation to its fate.

use std::time::Duration;

use futures::{Stream, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kreg_stream::again;
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use kube::runtime::watcher;
use tokio::time::{Instant, sleep, timeout_at};

use super::end::End;
use super::progress::Progress;
use crate::pull_failure::PullFailure;

/// Creates the Pod; a namespace's service account may come a moment after the namespace.
pub(super) async fn create(pods: &Api<Pod>, wanted: &Pod) -> Result<Pod, kube::Error> {
    let end = Instant::now() + Duration::from_secs(15);
    let how = PostParams::default();
    loop {
        match again(|| pods.create(&how, wanted)).await {
            // No two checks use a name: an earlier try made it, and its answer was lost.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let name = wanted.name_any();
                return again(|| pods.get(&name)).await;
            }
            Err(kube::Error::Api(status))
                if status.message.contains("serviceaccount") && Instant::now() < end =>
            {
                sleep(Duration::from_millis(500)).await;
            }
            other => return other,
        }
    }
}

/// What is made of a failed pull that the kubelet will try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It is waited for, where it may well succeed.
    OfKubelet,
    /// So is a name that was not found, for this long.
    OfLookups(Duration),
    /// It counts.
    None,
}

/// How long a name may not be found that is in the hosts file since a moment: Go reads that file at
/// most every 5 s (`net/hosts.go`, `cacheMaxAge`), and the kubelet's second attempt comes 10 to 15 s
/// after its first (`pkg/kubelet/pod_workers.go`, `backOffPeriod` and its jitter).
pub(super) const LOOKUPS: Duration = Duration::from_secs(20);

impl Patience {
    fn waits(self, kind: PullFailure) -> bool {
        match self {
            Patience::OfLookups(_) => kind.may_pass() || kind == PullFailure::NoSuchHost,
            Patience::OfKubelet => kind.may_pass(),
            Patience::None => false,
        }
    }
}

/// Follows the Pod until its fate is decided, and returns it as last seen.
pub(super) async fn follow(
    news: impl Stream<Item = watcher::Result<Option<Pod>>>,
    deadline: Instant,
    patience: Patience,
) -> (End, Option<Pod>) {
    pin_mut!(news);
    let mut last = None;
    let mut trouble = "the API server has not shown the pod yet".to_owned();
    let mut lookups: Option<Instant> = None;
    loop {
        let end = lookups.map_or(deadline, |end| end.min(deadline));
        let pod = match timeout_at(end, news.try_next()).await {
            Err(_) => return (timed_out(last.as_ref(), trouble), last),
            Ok(Ok(Some(Some(pod)))) => pod,
            Ok(Ok(Some(None))) if last.is_some() => {
                return (End::Lost("somebody deleted the pod".to_owned()), last);
            }
            Ok(Ok(Some(None))) => continue,
            Ok(Ok(None)) => return (End::Lost("the watch on the pod ended".to_owned()), last),
            // The watcher goes on by itself; a lost API server shows as a timeout with its words.
            Ok(Err(error)) => {
                trouble = error.to_string();
                sleep(Duration::from_millis(500)).await;
                continue;
            }
        };
        let progress = Progress::of(&pod);
        last = Some(pod);
        match progress {
            Progress::Exited(code) => return (End::Exited(code), last),
            Progress::Stuck(words) => return (End::Stuck(words), last),
            Progress::PullFailed { kind, message } if !patience.waits(kind) => {
                return (End::PullFailed(kind, message), last);
            }
            Progress::PullFailed { kind, message } => {
                lookups = match (kind, patience) {
                    (PullFailure::NoSuchHost, Patience::OfLookups(time)) => {
                        lookups.or_else(|| Some(Instant::now() + time))
                    }
                    // A message about the kubelet's waiting alone.
                    (PullFailure::Other, _) => lookups,
                    _ => None,
                };
                trouble = message;
            }
            Progress::Waiting(words) => {
                lookups = None;
                trouble = words;
            }
        }
    }
}

fn timed_out(last: Option<&Pod>, trouble: String) -> End {
    match last.map(Progress::of) {
        Some(Progress::PullFailed { kind, message }) => End::PullFailed(kind, message),
        _ => End::TimedOut(trouble),
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
