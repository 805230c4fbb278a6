//! From pulls and pushes to pulls only, and back, with the word of every Pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_k8s::{Progress, Serving, Turn, Watcher, settle, wait};
use kreg_registry::{RegistryClient, Repository, Transport};

use super::pods::pods;
use crate::error::{CollectionError, Error, Tried as _};
use crate::event::Stage;
use crate::registry::{Registry, Standing};

const PAUSE: Duration = Duration::from_millis(500);

/// An upload is begun in it and cancelled; nothing of it stays.
const REPOSITORY: &str = "kreg-gc";

pub(super) struct Switch<'a> {
    registry: &'a Registry,
    standing: Standing,
    timeout: Duration,
    turn: Option<Turn>,
    /// Whether a collector may run in a Pod of the registry: this run's, or an earlier one's.
    collecting: bool,
    since: Option<Instant>,
}

/// Who gave the registry back to pushes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Back {
    Here,
    /// Another run of kreg has begun a turn of its own, or has ended this one. It ended the collector of this run.
    Elsewhere,
}

impl<'a> Switch<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        standing: Standing,
        timeout: Duration,
        was: Serving,
    ) -> Self {
        Switch {
            registry,
            standing,
            timeout,
            turn: None,
            collecting: was == Serving::ReadOnly,
            since: None,
        }
    }

    /// From now on pushes are refused.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        let turn = Turn::begin(self.registry.cluster().as_ref(), self.registry.place()).await;
        self.turn = Some(turn.map_err(CollectionError::Begin)?);
        self.since = Some(Instant::now());
        Ok(())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits until no process is left that can write or collect, and every Pod says that it takes no pushes.
    pub(super) async fn read_only(&mut self, stage: &Stage<'_>) -> Result<(), Error> {
        let watcher = watcher(stage);
        let wait = wait::Wait::new(self.timeout, &watcher);
        let not_read_only = |error: Error| CollectionError::NotReadOnly {
            tried: "cannot prove that nothing writes to the registry's storage".to_owned(),
            source: Some(Box::new(error)),
        };
        if let Some(turn) = &mut self.turn {
            let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
            let alone = turn.alone(cluster, place, &wait).await;
            alone.map_err(|error| not_read_only(error.into()))?;
        }
        self.collecting = false;
        let everywhere = self.everywhere(Serving::ReadOnly, &watcher).await;
        everywhere.map_err(|(tried, source)| CollectionError::NotReadOnly { tried, source }.into())
    }

    pub(super) fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// Says so before a collector begins, and when it was seen to end.
    pub(super) fn collecting(&mut self, may_run: bool) {
        self.collecting = may_run;
    }

    pub(super) fn may_be_collecting(&self) -> bool {
        self.collecting
    }

    /// Whether the registry still is in the turn of this run.
    pub(super) async fn is_on(&self) -> Result<bool, Error> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        match &self.turn {
            Some(turn) => turn
                .is_on(cluster, place)
                .await
                .tried("cannot read how the registry serves"),
            None => Ok(false),
        }
    }

    /// Has the registry take pushes again, once no collector can run any more, and waits until it does.
    pub(super) async fn back(&self, stage: &Stage<'_>) -> Result<Back, Error> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        let watcher = watcher(stage);
        let wait = wait::Wait::new(self.timeout, &watcher);
        let what = "cannot prove that the collector has ended, so the registry stays read-only";
        let (what, here) = match &self.turn {
            Some(turn) if !self.collecting => {
                ("cannot allow pushes again", turn.end(cluster, place).await)
            }
            Some(turn) => match turn.is_on(cluster, place).await {
                Ok(true) => (what, settle(cluster, place, &wait).await),
                other => (what, other),
            },
            None => (what, Ok(false)),
        };
        let here = here.map_err(|source| CollectionError::StaysReadOnly {
            tried: what.to_owned(),
            source: Some(Box::new(source.into())),
        })?;
        if !here {
            return Ok(Back::Elsewhere);
        }
        let everywhere = self.everywhere(Serving::Usual, &watcher).await;
        everywhere
            .map(|()| Back::Here)
            .map_err(|(tried, source)| CollectionError::MayRefuse { tried, source }.into())
    }

    /// How long pushes have been refused by now.
    pub(super) fn refused_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits until every Pod says that it serves so, and no other is left. Else what was tried last, and why it failed if
    /// an error says so.
    async fn everywhere(
        &self,
        serving: Serving,
        watcher: Watcher<'_>,
    ) -> Result<(), (String, Option<Box<Error>>)> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        let waiting = wait::Wait::new(self.timeout, watcher);
        let ready = wait::registry_ready(cluster, place, &waiting).await;
        ready.map_err(|error| {
            let what = "the registry is not ready".to_owned();
            (what, Some(Box::new(error.into())))
        })?;
        let begun = Instant::now();
        loop {
            match self.not_yet(serving).await {
                Ok(None) => return Ok(()),
                Ok(Some(why)) if begun.elapsed() >= self.timeout => return Err((why, None)),
                Err(error) if begun.elapsed() >= self.timeout => {
                    return Err(("cannot ask the registry".to_owned(), Some(Box::new(error))));
                }
                // A Pod that starts or terminates.
                Ok(Some(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Why not yet; `None` once it is so.
    async fn not_yet(&self, serving: Serving) -> Result<Option<String>, Error> {
        for pod in pods(self.registry).await? {
            if pod.is_terminating() {
                return Ok(Some(format!("{} has not ended yet", pod.reference())));
            }
            if Serving::of(&pod) != Some(serving) {
                return Ok(Some(format!("{} serves otherwise", pod.reference())));
            }
        }
        let ways = self
            .registry
            .dial()?
            .each()
            .await
            .tried("cannot find the registry's Pods")?;
        let repository: Repository = REPOSITORY.parse().tried("cannot name a repository")?;
        for way in ways {
            let transport = Transport::trusting(&self.standing.bundle_pem)
                .tried("cannot use the CA that the cluster holds")?;
            let takes = RegistryClient::new(self.registry.host()?, Arc::new(way), transport)
                .with_credentials(&self.standing.credentials)
                .takes_pushes(&repository)
                .await
                .tried("cannot ask the registry whether it takes pushes")?;
            match (serving, takes) {
                (Serving::ReadOnly, true) => {
                    return Ok(Some("the registry still takes pushes".to_owned()));
                }
                (Serving::Usual, false) => {
                    return Ok(Some("the registry still refuses pushes".to_owned()));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

fn watcher<'a>(stage: &'a Stage<'a>) -> impl Fn(Progress) + Send + Sync + use<'a> {
    move |event| {
        if let Progress::Waiting(object, state) = event {
            stage.at(format!("{object}: {state}"));
        }
    }
}
