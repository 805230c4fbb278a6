//! The agents' Pods, watched: one list and one watch for all nodes and all programs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::NAMESPACE;
use super::agent::{LABEL_REVISION, NodeAgent};
use crate::{InstanceId, TransportErrorKind};

/// The fewest milliseconds between two looks at the same table: on a roll-out every Pod has several events.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a node's Pod may be missing from the table before it is said to be missing. The first list comes from the
/// API server's cache, which may be a moment old.
const GRACE: Duration = Duration::from_secs(2);

/// The Pods of one registry's agents, as the API server reports them.
///
/// The first list is served from the API server's cache (`resourceVersion=0`), and a watch keeps it current, so that the
/// load does not grow with the number of programs. Needs the rights to `list` and `watch` Pods in [`NAMESPACE`]. Nothing is
/// asked before the first look. Cheap to clone; the watch ends with the last clone.
#[derive(Clone)]
pub struct AgentWatch {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    handle: Handle,
    instance: InstanceId,
    started: Mutex<Option<Started>>,
}

struct Started {
    table: watch::Receiver<Table>,
    task: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let started = self.started.get_mut();
        if let Some(started) = started.unwrap_or_else(PoisonError::into_inner) {
            started.task.abort();
        }
    }
}

/// The Pods by node and name.
#[derive(Default)]
struct Table {
    pods: BTreeMap<(String, String), AgentPod>,
    /// Pods of a list that is under way.
    listing: Option<BTreeMap<(String, String), AgentPod>>,
    /// Whether the first list was complete.
    ready: bool,
    /// Why the API server does not say more at the moment.
    failed: Option<Failure>,
}

struct Failure {
    detail: String,
    /// Whether it is a "no" that does not pass by itself.
    denied: bool,
}

/// What matters of an agent's Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentPod {
    /// The Pod's name.
    pub name: String,
    /// The node that it is on.
    pub node: String,
    /// Which agent it runs ([`NodeAgent::revision`]).
    pub revision: String,
    /// Whether its deletion was asked for.
    pub terminates: bool,
    /// Whether its container runs.
    pub runs: bool,
    /// Whether its container's startup probe has passed: an agent that keeps its node has looked once.
    pub started: bool,
    /// Whether its container's readiness probe passes: an agent that keeps its node goes on, and its last round went well.
    pub ready: bool,
    /// Why its container waits, in the kubelet's word, such as `ImagePullBackOff`.
    pub waits: Option<String>,
    /// The same with the kubelet's explanation, or the Pod's phase.
    pub state: String,
}

impl AgentWatch {
    /// A watch of the agents of `instance`. `handle` is of the runtime that drives `client`.
    #[must_use]
    pub fn new(client: Client, handle: Handle, instance: InstanceId) -> AgentWatch {
        AgentWatch {
            inner: Arc::new(Inner {
                client,
                handle,
                instance,
                started: Mutex::default(),
            }),
        }
    }

    fn table(&self) -> watch::Receiver<Table> {
        let inner = &self.inner;
        let mut started = inner.started.lock().unwrap_or_else(PoisonError::into_inner);
        let started = started.get_or_insert_with(|| {
            let (sender, table) = watch::channel(Table::default());
            let pods: Api<Pod> = Api::namespaced(inner.client.clone(), NAMESPACE);
            let selector = NodeAgent::selector(&inner.instance);
            let task = inner.handle.spawn(follow(pods, selector, sender));
            Started {
                table,
                task: task.abort_handle(),
            }
        });
        started.table.clone()
    }

    /// Waits until `enough` says so of the Pods there are; `false` if it does not within `limit`.
    ///
    /// # Errors
    /// What the API server says, if it does not show the Pods when the time is over.
    pub async fn until(
        &self,
        limit: Duration,
        mut enough: impl FnMut(&[&AgentPod]) -> bool,
    ) -> Result<bool, TransportErrorKind> {
        let (deadline, mut table) = (Instant::now() + limit, self.table());
        loop {
            {
                let now = table.borrow_and_update();
                let pods: Vec<&AgentPod> = now.pods.values().collect();
                if now.ready && enough(&pods) {
                    return Ok(true);
                }
                if let Some(failed) = &now.failed
                    && (failed.denied || Instant::now() >= deadline)
                {
                    return Err(unseen(failed));
                }
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            // Time passes for the condition as well, so that it is asked again without an event.
            let next = Instant::now() + 5 * PAUSE;
            let _ = tokio::time::timeout_at(next.min(deadline), table.changed()).await;
            tokio::time::sleep_until(deadline.min(Instant::now() + PAUSE)).await;
        }
    }

    /// The Pod that runs on `node` and does not terminate, `gone` aside; one that does not run, if there is no other.
    pub(super) async fn on(
        &self,
        node: &str,
        gone: Option<&str>,
    ) -> Result<Option<AgentPod>, TransportErrorKind> {
        let mut table = self.table();
        let deadline = Instant::now() + GRACE;
        loop {
            let mut waiting = None;
            {
                let now = table.borrow_and_update();
                let here = now.pods.range((node.to_owned(), String::new())..);
                let here = here.map(|(_, pod)| pod).take_while(|pod| pod.node == node);
                let here = here.filter(|pod| !pod.terminates && gone != Some(&pod.name));
                for pod in here {
                    if pod.runs {
                        return Ok(Some(pod.clone()));
                    }
                    waiting = Some(pod.clone());
                }
                if let Some(failed) = now.failed.as_ref().filter(|failed| failed.denied) {
                    return Err(unseen(failed));
                }
                // Until the first list is there, the caller's limit counts.
                if now.ready && (waiting.is_some() || Instant::now() >= deadline) {
                    return Ok(waiting);
                }
            }
            let next = Instant::now() + PAUSE;
            let _ = tokio::time::timeout_at(next, table.changed()).await;
        }
    }
}

fn unseen(failed: &Failure) -> TransportErrorKind {
    TransportErrorKind::Cluster {
        tried: "list and watch the agents' Pods",
        detail: failed.detail.clone(),
    }
}

fn is_denied(error: &watcher::Error) -> bool {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::WatchError(status) => status.code,
        _ => return false,
    };
    [401, 403].contains(&code)
}

async fn follow(pods: Api<Pod>, selector: String, table: watch::Sender<Table>) {
    let config = watcher::Config {
        // With a limit, kube leaves `resourceVersion=0` out (kube-core 5.0, params.rs).
        page_size: None,
        ..watcher::Config::default().labels(&selector).any_semantic()
    };
    let mut events = std::pin::pin!(watcher(pods, config).default_backoff());
    while let Some(event) = events.next().await {
        table.send_modify(|table| match event {
            Ok(event) => table.take(event),
            Err(error) => {
                tracing::debug!(%error, "the watch of the agents' Pods stumbled");
                table.failed = Some(Failure {
                    detail: error.to_string(),
                    denied: is_denied(&error),
                });
            }
        });
    }
}

impl Table {
    fn take(&mut self, event: watcher::Event<Pod>) {
        self.failed = None;
        match event {
            watcher::Event::Init => self.listing = Some(BTreeMap::new()),
            watcher::Event::InitApply(pod) => {
                let pod = AgentPod::of(&pod);
                self.listing.get_or_insert_default().insert(pod.key(), pod);
            }
            watcher::Event::InitDone => {
                self.pods = self.listing.take().unwrap_or_default();
                self.ready = true;
            }
            watcher::Event::Apply(pod) => {
                let pod = AgentPod::of(&pod);
                // Before it was scheduled it had no node.
                self.pods.remove(&(String::new(), pod.name.clone()));
                self.pods.insert(pod.key(), pod);
            }
            watcher::Event::Delete(pod) => drop(self.pods.remove(&AgentPod::of(&pod).key())),
        }
    }
}

impl AgentPod {
    fn key(&self) -> (String, String) {
        (self.node.clone(), self.name.clone())
    }

    fn of(pod: &Pod) -> AgentPod {
        let statuses = || {
            let status = pod.status.iter();
            status.flat_map(|status| status.container_statuses.iter().flatten())
        };
        let waiting = statuses().find_map(|one| one.state.as_ref()?.waiting.as_ref());
        let words = match (waiting, &pod.status) {
            (Some(waiting), _) => [waiting.reason.as_deref(), waiting.message.as_deref()],
            (None, Some(status)) => [status.phase.as_deref(), status.message.as_deref()],
            (None, None) => [None, None],
        };
        let words: Vec<&str> = words.into_iter().flatten().collect();
        AgentPod {
            name: pod.name_any(),
            node: pod
                .spec
                .as_ref()
                .and_then(|spec| spec.node_name.clone())
                .unwrap_or_default(),
            revision: pod
                .labels()
                .get(LABEL_REVISION)
                .cloned()
                .unwrap_or_default(),
            terminates: pod.metadata.deletion_timestamp.is_some(),
            runs: statuses().any(|one| {
                one.state
                    .as_ref()
                    .is_some_and(|state| state.running.is_some())
            }),
            started: statuses().any(|one| one.started == Some(true)),
            ready: statuses().any(|one| one.ready),
            waits: waiting.and_then(|waiting| waiting.reason.clone()),
            state: match words.is_empty() {
                true => "it has no state yet".to_owned(),
                false => format!("{} is {}", pod.name_any(), words.join(": ")),
            },
        }
    }
}

#[cfg(test)]
mod tests;
