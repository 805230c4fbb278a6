//! The proof for one node: pulled there by its kubelet, run there, and the right line printed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kreg_stream::again;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::watcher;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};

use super::events::{events, read_log, telling};
use super::progress::Progress;
use super::{NodeFacts, NodePulls, NodeRoute, PullFailure, pod};
use crate::check::{Check, Context, Outcome};

/// One node pulls the fresh image by its digest and runs it.
#[derive(Clone, Debug)]
pub struct NodePull {
    attempt: Arc<Attempt>,
}

/// One Pod on one node, started once, whoever asks for it first.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) node: NodeFacts,
    number: usize,
    seen: OnceCell<Result<Seen, Outcome>>,
}

/// What became of the Pod.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) end: End,
    pub(super) events: Vec<String>,
    log: String,
    image_id: Option<String>,
    pod: String,
}

#[cfg(test)]
impl Seen {
    pub(super) fn new(end: End, events: Vec<String>) -> Seen {
        Seen {
            end,
            events,
            log: String::new(),
            image_id: None,
            pod: "kreg-verify-0".to_owned(),
        }
    }
}

/// How a Pod ended, for the judgement.
#[derive(Clone, Debug)]
pub(super) enum End {
    Exited(i32),
    Stuck(String),
    PullFailed(PullFailure, String),
    TimedOut(String),
    Lost(String),
}

impl NodePull {
    /// The name of this kind of check.
    pub const NAME: &'static str = "node-pull";

    /// The check for this node; `number` tells a run's Pods apart.
    #[must_use]
    pub fn new(node: NodeFacts, number: usize) -> NodePull {
        NodePull {
            attempt: Arc::new(Attempt {
                node,
                number,
                seen: OnceCell::new(),
            }),
        }
    }

    /// The check of the way that the pull takes, by the same Pod.
    #[must_use]
    pub fn route(&self) -> NodeRoute {
        NodeRoute::new(Arc::clone(&self.attempt))
    }

    fn judge(&self, context: &Context, pulls: &NodePulls, seen: &Seen) -> Outcome {
        let line = context.image.line();
        let mut outcome = judge(&seen.end, &seen.log, &line, &seen.events, pulls.timeout);
        for event in &seen.events {
            outcome = outcome.with("kubelet event", event.as_str());
        }
        if let Some(id) = &seen.image_id {
            outcome = outcome.with("image on the node", id.as_str());
        }
        let node = &self.attempt.node;
        outcome
            .with(
                "node",
                format!("{}, kubelet {}", node.runtime, node.kubelet),
            )
            .with("pod", format!("{}/{}", pulls.namespace, seen.pod))
    }
}

impl Attempt {
    /// What the Pod showed; `Err` if none could be tried.
    pub(super) async fn seen(
        &self,
        context: &Context,
        pulls: &NodePulls,
    ) -> Result<&Seen, Outcome> {
        if let Some(obstacle) = self.obstacle() {
            return Err(obstacle);
        }
        let seen = self.seen.get_or_init(|| self.make(context, pulls)).await;
        seen.as_ref().map_err(Outcome::clone)
    }

    /// Why no Pod can be tried on this node, if so.
    fn obstacle(&self) -> Option<Outcome> {
        let node = &self.node;
        if node.os != "linux" {
            return Some(Outcome::skipped(format!(
                "the node runs {}; the probe is a Linux program",
                node.os
            )));
        }
        if let Err(why) = &node.ready {
            return Some(Outcome::fail(format!(
                "node NotReady ({why}): nothing can be started there; bring it back, or remove it"
            )));
        }
        node.architecture
            .as_ref()
            .err()
            .map(|error| Outcome::failed_by(error))
    }

    async fn make(&self, context: &Context, pulls: &NodePulls) -> Result<Seen, Outcome> {
        let run = context.image.nonce().short();
        let name = format!("kreg-verify-{run}-{}", self.number);
        let wanted = pod(pulls, &run, &name, &self.node.name, &context.reference());
        let pods = pulls.api();
        let started = Instant::now();
        let created = create(&pods, &wanted).await.map_err(|error| {
            Outcome::fail(format!(
                "cannot create pod {}/{name}: {}",
                pulls.namespace,
                crate::registry::with_causes(&error)
            ))
        })?;
        let patience = match pulls.by_name || self.node.by_name() {
            true => Patience::OfLookups(LOOKUPS),
            false => Patience::OfKubelet,
        };
        let news = watcher::watch_object(pods.clone(), &name);
        let (end, last) = follow(news, started + pulls.timeout, patience).await;
        let log = match end {
            End::Exited(0) => read_log(&pods, &name, &context.image.line()).await,
            _ => String::new(),
        };
        let pod = last.unwrap_or(created);
        Ok(Seen {
            events: events(pulls, &pod, &end).await,
            image_id: image_id(&pod),
            pod: name,
            log,
            end,
        })
    }
}

impl Check for NodePull {
    fn name(&self) -> &str {
        NodePull::NAME
    }

    fn title(&self) -> String {
        format!("{} pulls the image and runs it", self.attempt.node.name)
    }

    fn node(&self) -> Option<&str> {
        Some(&self.attempt.node.name)
    }

    fn after(&self) -> &[&str] {
        &["push"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Some(pulls) = &context.pods else {
                return Outcome::skipped("no cluster was given to start pods in");
            };
            match self.attempt.seen(context, pulls).await {
                Ok(seen) => self.judge(context, pulls, seen),
                Err(outcome) => outcome,
            }
        })
    }
}

/// How one Pod of a watch ended.
#[derive(Clone, Debug)]
pub(crate) enum PullEnd {
    /// Its image was pulled and ran.
    Ran,
    /// The pull failed, if only once.
    Failed(PullFailure, String),
    /// The pull began and did not end in time.
    Hung(String),
    /// It did not come to a pull in time.
    TimedOut(String),
    /// It could not be started, or went before its end.
    NoPod(String),
}

/// Starts one Pod, sees it to its end or to the first failure of its pull, and takes it away.
pub(crate) async fn try_pull(
    pulls: &NodePulls,
    run: &str,
    name: &str,
    node: &str,
    image: &str,
) -> PullEnd {
    let pods = pulls.api();
    let deadline = Instant::now() + pulls.timeout;
    if let Err(error) = create(&pods, &pod(pulls, run, name, node, image)).await {
        return PullEnd::NoPod(crate::registry::with_causes(&error));
    }
    let news = watcher::watch_object(pods.clone(), name);
    let (end, last) = follow(news, deadline, Patience::None).await;
    let hung = match (&end, &last) {
        (End::TimedOut(_), Some(pod)) => {
            let events = events(pulls, pod, &end).await;
            hung(&events).map(str::to_owned)
        }
        _ => None,
    };
    // Whatever it says: the end of the watch sweeps what is left.
    let how = DeleteParams::default().grace_period(0);
    let _ = again(|| pods.delete(name, &how)).await;
    match end {
        End::Exited(0) => PullEnd::Ran,
        // It was pulled, and the registry is not to blame for the rest.
        End::Exited(code) => PullEnd::NoPod(format!("the program ended with code {code}")),
        End::PullFailed(kind, words) => PullEnd::Failed(kind, root_cause(&words).to_owned()),
        End::TimedOut(words) => match hung {
            Some(event) => PullEnd::Hung(format!(
                "no end after {} s: {event}",
                pulls.timeout.as_secs()
            )),
            None => PullEnd::TimedOut(words),
        },
        End::Stuck(words) | End::Lost(words) => PullEnd::NoPod(words),
    }
}

/// The event of a pull that began, where none tells of its end.
fn hung(events: &[String]) -> Option<&str> {
    let find = |reason: &str| events.iter().find(|line| line.starts_with(reason));
    match find("Pulled: ") {
        Some(_) => None,
        None => find("Pulling: ").map(String::as_str),
    }
}

/// Creates the Pod; a namespace's service account may come a moment after the namespace.
async fn create(pods: &Api<Pod>, wanted: &Pod) -> Result<Pod, kube::Error> {
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
enum Patience {
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
const LOOKUPS: Duration = Duration::from_secs(20);

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
async fn follow(
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

fn judge(end: &End, log: &str, line: &str, events: &[String], limit: Duration) -> Outcome {
    match end {
        End::Exited(0) if log == line => {
            let pulled = events.iter().find(|event| event.starts_with("Pulled: "));
            let took = pulled
                .and_then(|event| event.split(" in ").nth(1))
                .and_then(|rest| rest.split(' ').next());
            Outcome::pass(match took {
                Some(took) => format!(
                    "pulled in {}, ran, printed its nonce",
                    took.trim_end_matches('.')
                ),
                None => "pulled, ran, printed its nonce".to_owned(),
            })
        }
        End::Exited(0) => Outcome::fail(format!(
            "the container ended well, but its log is {:?} instead of {:?}",
            log.trim_end(),
            line.trim_end()
        )),
        End::Exited(code) => Outcome::fail(format!(
            "the image was pulled, but the container ended with code {code}; can this node run containers?"
        )),
        End::Stuck(words) => Outcome::fail(format!("the pod cannot run: {words}")),
        End::PullFailed(kind, message) => {
            let words = telling(events).unwrap_or(message);
            let kind = match PullFailure::of(words) {
                PullFailure::Other => *kind,
                told => told,
            };
            Outcome::fail(format!(
                "the pull failed: {}; {}",
                root_cause(words),
                kind.advice()
            ))
        }
        End::TimedOut(words) => {
            let words = telling(events).unwrap_or(words);
            Outcome::fail(format!(
                "not done after {} s: {}",
                limit.as_secs(),
                root_cause(words)
            ))
        }
        End::Lost(words) => Outcome::fail(words.clone()),
    }
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

fn image_id(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses
        .first()
        .map(|status| status.image_id.clone())
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
