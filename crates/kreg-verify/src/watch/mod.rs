//! Pulls on every node again and again, at a set rate, and counts what becomes of them: the instrument
//! for rotations and faults.
//!
//! At each beat one fresh image of a few hundred bytes is pushed, and each node starts one Pod that
//! must pull the newest. A node has one Pod at a time: one that is slow misses beats (`late`) instead
//! of piling Pods up. While nothing can be pushed the last image is pulled again, for which a runtime
//! must still ask the registry (`imagePullPolicy: Always`).
//!
//! What it costs: a beat is about 5 + 4 x nodes requests with a password, each of which costs the
//! registry one bcrypt, and one Pod's start and end on each node. Two seconds, the default, suits
//! clusters of up to some ten nodes; half a second is the least that is taken.

mod images;
mod metrics;
mod metrics_file;
mod report;
#[cfg(feature = "reports")]
mod text;
mod words;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kreg_stream::PodStreams;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub use metrics_file::MetricsFile;
pub use report::{NodeTally, Pull, PushTally, WatchReport};
pub use words::counted;

use crate::check::{Target, reference};
use crate::image::Nonce;
use crate::pod_dial::PodDial;
use crate::pods::{NodeFacts, NodePulls, architectures, nodes_of, remove_pods, try_pull};
use crate::verify_error::VerifyError;
use images::Images;
use kreg_registry::dial::Dial;
use kreg_registry::{Digest, RegistryClient, Transport, TrustError};

/// The least time between two beats.
pub const SHORTEST: Duration = Duration::from_millis(500);
/// The time between two beats, unless set otherwise.
const EVERY: Duration = Duration::from_secs(2);
/// The longest that one pull is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the CA bundle that is trusted now, PEM.
type ReadBundle = Arc<dyn Fn() -> BoxFuture<'static, Option<String>> + Send + Sync>;
type Observer = Box<dyn Fn(&Event<'_>, &WatchReport) + Send + Sync>;

/// Something that an observer hears of, with the report as it stands then.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A node's pull came to its end.
    Pull(&'a str, &'a Pull),
    /// An image could not be pushed: cause and words.
    NotPushed(&'a str, &'a str),
    /// An image was pushed.
    Pushed,
}

/// Pulls without end, to be stopped.
pub struct Watch {
    target: Target,
    dial: Arc<dyn Dial>,
    pulls: NodePulls,
    every: Duration,
    bundle: ReadBundle,
    observer: Observer,
}

impl Watch {
    /// Watches the registry behind the Service `namespace`/`service`, every two seconds, by Pods as
    /// `pulls` says.
    #[must_use]
    pub fn of_cluster(
        target: Target,
        streams: PodStreams,
        pulls: NodePulls,
        namespace: &str,
        service: &str,
    ) -> Watch {
        let port = target.host.port();
        let dial = PodDial::new(streams, namespace, service, port);
        Watch {
            target,
            dial: Arc::new(dial),
            pulls,
            every: EVERY,
            bundle: Arc::new(|| Box::pin(async { None })),
            observer: Box::new(|_, _| {}),
        }
    }

    /// The time between two beats, not less than [`SHORTEST`].
    #[must_use]
    pub fn every(mut self, every: Duration) -> Watch {
        self.every = every.max(SHORTEST);
        self
    }

    /// How the CA bundle is read again once the one that this began with no longer vouches for the
    /// registry; without it, fresh images end with a rotation of the CA.
    #[must_use]
    pub fn bundle(
        mut self,
        read: impl Fn() -> BoxFuture<'static, Option<String>> + Send + Sync + 'static,
    ) -> Watch {
        self.bundle = Arc::new(read);
        self
    }

    /// Calls `observer` with everything that happens.
    #[must_use]
    pub fn observe(
        mut self,
        observer: impl Fn(&Event<'_>, &WatchReport) + Send + Sync + 'static,
    ) -> Watch {
        self.observer = Box::new(observer);
        self
    }

    /// Watches until `stop` is done, then clears up.
    ///
    /// # Errors
    /// [`VerifyError`] if it cannot begin: none of the named nodes, no CA, no random bytes.
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()>,
    ) -> Result<WatchReport, VerifyError> {
        let mut pulls = self.pulls.clone();
        pulls.timeout = pulls.timeout.min(PATIENCE);
        let mut nodes: Vec<NodeFacts> = nodes_of(&pulls).await?;
        nodes.retain(|node| node.os == "linux");
        let run = Nonce::random().map_err(VerifyError::Image)?.short();
        let began = Instant::now();
        let started = OffsetDateTime::now_utc().format(&Rfc3339);
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        let shared = Shared {
            began,
            report: Mutex::new(WatchReport::new(
                self.target.host.to_string(),
                started.unwrap_or_default(),
                self.every,
                &names,
            )),
            observer: &self.observer,
        };
        let (newest, seen) = watch::channel(None);
        let images = Images::new(
            self.client()?,
            self.renewal(),
            architectures(&nodes),
            pulls.timeout,
        )?;
        let pushing = self.push(&images, &newest, &shared);
        let pulling: FuturesUnordered<_> = nodes
            .iter()
            .enumerate()
            .map(|(number, node)| {
                let seat = Seat {
                    pulls: &pulls,
                    run: &run,
                    number,
                    node,
                    host: &self.target,
                    images: &images,
                    seen: seen.clone(),
                };
                self.node(seat, &shared)
            })
            .collect();
        tokio::select! {
            () = pushing => {}
            () = pulling.for_each(|()| async {}), if !nodes.is_empty() => {}
            () = stop => {}
        }
        let left = match remove_pods(&pulls, &run, true).await {
            Ok((_, stuck)) => stuck,
            Err(error) => vec![crate::causes::with_causes(&error)],
        };
        images.remove_all().await;
        let mut report = shared
            .report
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        report.conclude(began.elapsed(), left);
        Ok(report)
    }

    /// A fresh image at every beat.
    async fn push(
        &self,
        images: &Images,
        newest: &watch::Sender<Option<Digest>>,
        shared: &Shared<'_>,
    ) {
        let mut beat = interval(self.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            beat.tick().await;
            match images.push().await {
                Ok(digest) => {
                    newest.send_replace(Some(digest));
                    shared.tell(&Event::Pushed, |report| report.pushes.pushed += 1);
                }
                Err(failed) => shared
                    .tell(&Event::NotPushed(&failed.cause, &failed.words), |report| {
                        report.pushes.fail(&failed.cause, &failed.words)
                    }),
            }
        }
    }

    /// One node, one Pod after the other.
    async fn node(&self, mut seat: Seat<'_>, shared: &Shared<'_>) {
        // Nothing can be pulled before something was pushed once.
        if seat.seen.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let mut beat = interval(self.every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut due = beat.tick().await;
        for attempt in 0_u64.. {
            let pull = seat.pull(attempt).await;
            shared.tell(&Event::Pull(&seat.node.name, &pull), |report| {
                report.count(&seat.node.name, &pull);
            });
            let next = beat.tick().await;
            let missed = next.duration_since(due).as_secs_f64() / self.every.as_secs_f64();
            due = next;
            // Whole beats beside the one that was kept.
            let missed = (missed.round() as u64).saturating_sub(1);
            shared.note(|report| report.late(&seat.node.name, missed));
        }
    }

    fn client(&self) -> Result<RegistryClient, VerifyError> {
        let target = self.target.clone();
        client(target, Arc::clone(&self.dial)).map_err(|source| VerifyError::Trust {
            registry: self.target.host.to_string(),
            source,
        })
    }

    /// Makes a client with the bundle as it is then.
    fn renewal(&self) -> impl Fn() -> BoxFuture<'static, Option<RegistryClient>> + use<> {
        let (target, dial) = (self.target.clone(), Arc::clone(&self.dial));
        let bundle = Arc::clone(&self.bundle);
        move || {
            let (mut target, dial, read) = (target.clone(), Arc::clone(&dial), bundle());
            Box::pin(async move {
                target.ca_pem = read.await?;
                client(target, dial).ok()
            })
        }
    }
}

fn client(target: Target, dial: Arc<dyn Dial>) -> Result<RegistryClient, TrustError> {
    let transport = Transport::trusting(&target.ca_pem)?;
    Ok(RegistryClient::new(target.host, dial, transport)
        .with_credentials(&target.credentials)
        .with_timeout(Duration::from_secs(10)))
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("target", &self.target)
            .field("pulls", &self.pulls)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// What pushing and pulling write to.
struct Shared<'a> {
    began: Instant,
    report: Mutex<WatchReport>,
    observer: &'a Observer,
}

impl Shared<'_> {
    fn note(&self, change: impl FnOnce(&mut WatchReport)) -> WatchReport {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut report);
        report.at(self.began.elapsed());
        report.clone()
    }

    fn tell(&self, event: &Event<'_>, change: impl FnOnce(&mut WatchReport)) {
        let report = self.note(change);
        (self.observer)(event, &report);
    }
}

/// One node's place.
struct Seat<'a> {
    pulls: &'a NodePulls,
    run: &'a str,
    number: usize,
    node: &'a NodeFacts,
    host: &'a Target,
    images: &'a Images,
    seen: watch::Receiver<Option<Digest>>,
}

impl Seat<'_> {
    async fn pull(&mut self, attempt: u64) -> Pull {
        if let Err(why) = &self.node.architecture {
            return Pull::undecided("architecture", why.to_string());
        }
        let Some(digest) = self.seen.borrow_and_update().clone() else {
            return Pull::undecided("image", "nothing was pushed yet");
        };
        let image = reference(&self.host.host, self.images.repository(), &digest);
        let name = format!("kreg-watch-{}-{}-{attempt}", self.run, self.number);
        let begun = Instant::now();
        let end = try_pull(self.pulls, self.run, &name, &self.node.name, &image).await;
        Pull::of(end, begun.elapsed())
    }
}
