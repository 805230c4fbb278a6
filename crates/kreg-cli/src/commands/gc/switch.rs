//! From pulls and pushes to pulls alone, and back, with the word of every Pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_auth::Credentials;
use kreg_k8s::{
    Cluster as _, Names, Progress as Event, RegistryState, Serving, Turn, Watcher, settle, wait,
};
use kreg_registry::{RegistryClient, Repository, Transport};
use kreg_verify::PodDial;

use super::collect::pods;
use crate::error::{Error, Tried as _};
use crate::progress::Step;
use crate::proof;
use crate::session::Session;
use crate::spec;

const PAUSE: Duration = Duration::from_millis(500);

/// An upload is begun in it and cancelled; nothing of it stays.
const REPOSITORY: &str = "kreg-gc";

pub(super) struct Switch<'a> {
    session: &'a Session,
    bundle_pem: String,
    credentials: Credentials,
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
        session: &'a Session,
        state: &RegistryState,
        was: Serving,
    ) -> Result<Self, Error> {
        let Some(bundle_pem) = state.ca_bundle_pem.clone() else {
            return Err(Error::failed("the registry has no certificate").help("run `kreg up`"));
        };
        Ok(Self {
            session,
            bundle_pem,
            credentials: proof::held_credentials(session, state)?,
            turn: None,
            collecting: was == Serving::ReadOnly,
            since: None,
        })
    }

    /// From now on pushes are refused.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        let Session { cluster, place, .. } = self.session;
        let turn = Turn::begin(cluster, place).await.map_err(|cause| {
            Error::failed("cannot make the registry read-only")
                .because(&cause)
                .help("if `kreg status` says that it is read-only, run `kreg gc` again: it puts it back")
        })?;
        self.turn = Some(turn);
        self.since = Some(Instant::now());
        Ok(())
    }

    /// Waits until no process is left that can write or collect, and every Pod says that it takes no pushes.
    pub(super) async fn read_only(&mut self, step: &Step<'_>) -> Result<(), Error> {
        let Session { cluster, place, .. } = self.session;
        let watcher = watcher(step);
        let wait = wait::Wait::new(self.session.settings.timeout, &watcher);
        let help = "nothing was removed; look at the registry's Pods, then run `kreg gc` again";
        if let Some(turn) = &mut self.turn {
            turn.alone(cluster, place, &wait)
                .await
                .tried("cannot prove that nothing writes to the registry's storage")
                .map_err(|error| error.help(help))?;
        }
        self.collecting = false;
        self.everywhere(Serving::ReadOnly, &watcher, help).await
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
        let Session { cluster, place, .. } = self.session;
        match &self.turn {
            Some(turn) => turn
                .is_on(cluster, place)
                .await
                .tried("cannot read how the registry serves"),
            None => Ok(false),
        }
    }

    /// Has the registry take pushes again, once no collector can run any more, and waits until it does.
    pub(super) async fn back(&self, step: &Step<'_>) -> Result<Back, Error> {
        let Session { cluster, place, .. } = self.session;
        let watcher = watcher(step);
        let wait = wait::Wait::new(self.session.settings.timeout, &watcher);
        let what = "cannot prove that the collector has ended, so the registry stays read-only";
        let help = "run `kreg gc` or `kreg up`: both allow pushes again when it is safe";
        let here = match &self.turn {
            Some(turn) if !self.collecting => turn
                .end(cluster, place)
                .await
                .tried("cannot allow pushes again"),
            Some(turn) => match turn.is_on(cluster, place).await {
                Ok(true) => settle(cluster, place, &wait).await.tried(what),
                other => other.tried(what),
            },
            None => Ok(false),
        };
        if !here.map_err(|error| error.help(help))? {
            return Ok(Back::Elsewhere);
        }
        let help = "it may still refuse pushes: run `kreg gc` or `kreg up` again";
        self.everywhere(Serving::Usual, &watcher, help).await?;
        Ok(Back::Here)
    }

    /// How long pushes have been refused by now.
    pub(super) fn refused_for(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Waits until every Pod says that it serves so, and no other is left.
    async fn everywhere(
        &self,
        serving: Serving,
        watcher: Watcher<'_>,
        help: &str,
    ) -> Result<(), Error> {
        let timeout = self.session.settings.timeout;
        let waiting = wait::Wait::new(timeout, watcher);
        wait::registry_ready(&self.session.cluster, &self.session.place, &waiting)
            .await
            .tried("the registry is not ready")
            .map_err(|error| error.help(help))?;
        let begun = Instant::now();
        loop {
            match self.not_yet(serving).await {
                Ok(None) => return Ok(()),
                Ok(Some(why)) if begun.elapsed() >= timeout => {
                    return Err(Error::failed(why).help(help));
                }
                Err(error) if begun.elapsed() >= timeout => return Err(error.help(help)),
                // A Pod on its way in or out.
                Ok(Some(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Why not yet; `None` once it is so.
    async fn not_yet(&self, serving: Serving) -> Result<Option<String>, Error> {
        for pod in pods(self.session).await? {
            if pod.is_terminating() {
                return Ok(Some(format!("{} has not ended yet", pod.reference())));
            }
            if Serving::of(&pod) != Some(serving) {
                return Ok(Some(format!("{} serves otherwise", pod.reference())));
            }
        }
        let place = &self.session.place;
        let streams = self.session.cluster.streams().clone();
        let ways = PodDial::new(streams, place.namespace(), place.service(), place.port())
            .each()
            .await
            .tried("cannot ask the registry")?;
        let repository: Repository = REPOSITORY.parse().tried("cannot ask the registry")?;
        for way in ways {
            let transport = Transport::trusting(&self.bundle_pem)
                .tried("cannot use the CA that the cluster holds")?;
            let takes =
                RegistryClient::new(spec::host(&self.session.place)?, Arc::new(way), transport)
                    .with_credentials(&self.credentials)
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

/// How the Deployment has it now.
pub(super) async fn serving(session: &Session) -> Result<Option<Serving>, Error> {
    let workload = Names::of(&session.place).workload;
    let live = session.cluster.get(&workload).await;
    let live = live.tried(format!("cannot read {workload}"))?;
    Ok(live.as_ref().and_then(Serving::of))
}

fn watcher<'a>(step: &'a Step<'a>) -> impl Fn(Event) + Send + Sync + use<'a> {
    move |event| {
        if let Event::Waiting(object, state) = event {
            step.at(&format!("{object}: {state}"));
        }
    }
}
