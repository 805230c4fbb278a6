//! Pulls on every node again and again, until it is told to end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kreg_k8s::RegistryState;
use kreg_verify::watch::{Event, MetricsFile, Pull, Watch, WatchReport};

use crate::error::{Error, Tried as _};
use crate::prove::Scope;
use crate::registry::{Registry, Standing};

/// What trouble with pushing is about.
const NO_IMAGE: &str = "no fresh image";

/// How a watch pulls, and for how long; by default on every node, every two seconds, without end.
#[derive(Debug, Default)]
pub struct Watching {
    /// These nodes; empty means all.
    pub nodes: Vec<String>,
    /// The time between two pulls on a node, at least [`kreg_verify::watch::SHORTEST`].
    pub every: Option<Duration>,
    /// The time after which it ends by itself.
    pub length: Option<Duration>,
    /// The longest that one pull is waited for.
    pub timeout: Option<Duration>,
    /// A file that always has the counts so far, as Prometheus reads them.
    pub metrics: Option<PathBuf>,
}

/// A pull or a push that did not go well. `Display` does not explain a cause again that repeats itself: a person who looks
/// on sees what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble<'a> {
    /// The node; `no fresh image` where none could be pushed.
    pub subject: &'a str,
    /// One word, such as `unreachable`.
    pub cause: &'a str,
    /// What was seen.
    pub words: &'a str,
    /// Whether it counts as a failed pull.
    pub failed: bool,
    /// Whether the one before it had the same cause.
    pub again: bool,
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.cause)?;
        if self.again {
            f.write_str(" again")
        } else {
            write!(f, ": {}", self.words)
        }
    }
}

impl Registry {
    /// Keeps pulling a fresh image on every node until `stop` is done, then clears up. `on` hears of all that happens, with
    /// the counts so far.
    ///
    /// # Errors
    /// [`Error::Proof`] if it cannot begin, [`Error::NoCluster`], and [`Error::Failed`] if the counts cannot be written. Pulls
    /// that fail are none.
    pub async fn watch(
        &self,
        standing: &Standing,
        how: Watching,
        stop: impl Future<Output = ()>,
        on: impl Fn(Option<Trouble<'_>>, &WatchReport) + Send + Sync + 'static,
    ) -> Result<WatchReport, Error> {
        let (metrics, cannot) = match how.metrics {
            Some(file) => {
                let cannot = format!("cannot write {}", file.display());
                let metrics = MetricsFile::new(file).tried(&cannot)?;
                (Some(Arc::new(metrics)), cannot)
            }
            None => (None, String::new()),
        };
        let pulls = self.pulls(&Scope {
            nodes: how.nodes,
            timeout: how.timeout,
            ..Scope::default()
        })?;
        let (target, streams) = (self.target(standing)?, self.streams()?.clone());
        let place = self.place();
        let (kept, known) = (metrics.clone(), Known::default());
        let mut watch =
            Watch::of_cluster(target, streams, pulls, place.namespace(), place.service())
                .bundle(self.bundle())
                .observe(move |event, report| {
                    on(known.trouble(event), report);
                    if let Some(metrics) = &kept {
                        metrics.keep(report);
                    }
                });
        if let Some(every) = how.every {
            watch = watch.every(every);
        }
        let ended = async {
            match how.length {
                Some(length) => drop(tokio::time::timeout(length, stop).await),
                None => stop.await,
            }
        };
        let report = watch.run_until(ended).await?;
        if let Some(metrics) = &metrics {
            metrics.end(&report).tried(cannot)?;
        }
        Ok(report)
    }

    /// Reads the CA bundle as the cluster holds it then: a rotation goes on while a watch runs.
    fn bundle(&self) -> impl Fn() -> ReadBundle + use<> {
        let (cluster, place) = (self.cluster().clone(), self.place().clone());
        move || {
            let (cluster, place) = (cluster.clone(), place.clone());
            Box::pin(async move {
                let state = RegistryState::read(cluster.as_ref(), &place).await.ok()?;
                state.ca_bundle_pem
            })
        }
    }
}

/// Reads a bundle, PEM; nothing if that fails.
type ReadBundle = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// The cause of each trouble that goes on, by its subject.
#[derive(Debug, Default)]
struct Known(Mutex<BTreeMap<String, String>>);

impl Known {
    /// The trouble in an event, if there is any.
    fn trouble<'a>(&self, event: &Event<'a>) -> Option<Trouble<'a>> {
        let (subject, found): (_, Option<(&str, &str, bool)>) = match *event {
            Event::Pull(node, Pull::Failed(cause, words)) => (node, Some((cause, words, true))),
            Event::Pull(node, Pull::Undecided(cause, words)) => (node, Some((cause, words, false))),
            Event::Pull(node, _) => (node, None),
            Event::NotPushed(cause, words) => (NO_IMAGE, Some((cause, words, false))),
            Event::Pushed => (NO_IMAGE, None),
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((cause, words, failed)) = found else {
            known.remove(subject);
            return None;
        };
        let before = known.insert(subject.to_owned(), cause.to_owned());
        Some(Trouble {
            subject,
            cause,
            words,
            failed,
            again: before.is_some_and(|before| before == cause),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_repeats_itself_is_explained_once_until_it_is_over() {
        let known = Known::default();
        let said = |event: &Event<'_>| known.trouble(event).map(|one| one.to_string());
        let refused = Pull::Failed("unreachable".to_owned(), "refused".to_owned());
        let passed = Pull::Passed(Duration::from_secs(1));
        let failed = Event::Pull("a", &refused);
        assert_eq!(said(&failed).unwrap(), "a: unreachable: refused");
        assert_eq!(said(&failed).unwrap(), "a: unreachable again");
        assert_eq!(said(&Event::Pull("a", &passed)), None);
        assert_eq!(said(&failed).unwrap(), "a: unreachable: refused");
        let busy = Event::NotPushed("http-503", "busy");
        assert_eq!(said(&busy).unwrap(), "no fresh image: http-503: busy");
        let trouble = known.trouble(&busy).unwrap();
        assert!(trouble.again && !trouble.failed, "{trouble:?}");
        assert_eq!(said(&Event::Pushed), None);
    }
}
