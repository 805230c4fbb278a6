//! From pulls and pushes to pulls alone, and back, with the word of every Pod.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kreg_auth::Credentials;
use kreg_k8s::{Cluster as _, Names, Patcher, RegistryState, Serving, wait};
use kreg_verify::dial::PodDial;
use kreg_verify::registry::{RegistryClient, Repository, Transport};

use super::collect::pods;
use crate::error::{Error, Tried as _};
use crate::proof;
use crate::session::Session;

const PAUSE: Duration = Duration::from_millis(500);

/// An upload is begun in it and cancelled; nothing of it stays.
const REPOSITORY: &str = "kreg-gc";

pub(super) struct Switch<'a> {
    session: &'a Session,
    bundle_pem: String,
    credentials: Credentials,
    /// When it became read-only, and for how long it was.
    since: Mutex<(Option<Instant>, Option<f64>)>,
}

impl<'a> Switch<'a> {
    pub(super) fn new(session: &'a Session, state: &RegistryState) -> Result<Self, Error> {
        let Some(bundle_pem) = state.ca_bundle_pem.clone() else {
            return Err(Error::failed("the registry has no certificate").help("run `kreg up`"));
        };
        Ok(Self {
            session,
            bundle_pem,
            credentials: proof::held_credentials(session, state)?,
            since: Mutex::default(),
        })
    }

    /// Has every Pod serve so, and waits until each says it does and no other is left. Safe to repeat.
    pub(super) async fn to(&self, serving: Serving) -> Result<(), Error> {
        if self.now().await? != Some(serving) {
            self.patch(serving).await?;
        }
        if serving == Serving::ReadOnly {
            self.note(|since| since.0 = Some(Instant::now()));
        }
        let spec = &self.session.spec;
        let waiting = wait::Wait::new(self.session.settings.timeout, &|_| {});
        let help = match serving {
            Serving::ReadOnly => "it is put back; look at its Pod",
            Serving::Usual => "it may still refuse pushes: run `kreg gc` or `kreg up` again",
        };
        wait::registry_ready(&self.session.cluster, spec, &waiting)
            .await
            .tried("the registry is not ready")
            .map_err(|error| error.help(help))?;
        let begun = Instant::now();
        loop {
            let seen = self.everywhere(serving).await;
            match seen {
                Ok(None) => break,
                Ok(Some(why)) if begun.elapsed() >= self.session.settings.timeout => {
                    return Err(Error::failed(why).help(help));
                }
                Err(error) if begun.elapsed() >= self.session.settings.timeout => {
                    return Err(error.help(help));
                }
                // A Pod on its way in or out.
                Ok(Some(_)) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        if serving == Serving::Usual {
            self.note(|since| since.1 = since.0.map(|since| since.elapsed().as_secs_f64()));
        }
        Ok(())
    }

    pub(super) fn read_only_seconds(&self) -> Option<f64> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// How the Deployment has it now.
    pub(super) async fn now(&self) -> Result<Option<Serving>, Error> {
        let workload = Names::of(&self.session.spec).workload;
        let live = self.session.cluster.get(&workload).await;
        Ok(live
            .tried(format!("cannot read {workload}"))?
            .as_ref()
            .and_then(Serving::of))
    }

    /// Why not yet; `None` once it is so. A Pod that drains may still take what was under way.
    async fn everywhere(&self, serving: Serving) -> Result<Option<String>, Error> {
        for pod in pods(self.session).await? {
            if pod.is_terminating() {
                return Ok(Some(format!("{} has not ended yet", pod.reference())));
            }
            if Serving::of(&pod) != Some(serving) {
                return Ok(Some(format!("{} serves otherwise", pod.reference())));
            }
        }
        let spec = &self.session.spec;
        let streams = self.session.cluster.streams().clone();
        let ways = PodDial::new(streams, spec.namespace(), spec.service(), spec.port())
            .each()
            .await
            .tried("cannot ask the registry")?;
        let repository: Repository = REPOSITORY.parse().tried("cannot ask the registry")?;
        for way in ways {
            let transport = Transport::trusting(&self.bundle_pem)
                .tried("cannot use the CA that the cluster holds")?;
            let takes =
                RegistryClient::new(self.session.settings.host()?, Arc::new(way), transport)
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

    async fn patch(&self, serving: Serving) -> Result<(), Error> {
        let workload = Names::of(&self.session.spec).workload;
        self.session
            .cluster
            .patch(&workload, &serving.patch(), Patcher::Collect)
            .await
            .map(drop)
            .tried(format!("cannot change how {workload} serves"))
    }

    fn note(&self, note: impl FnOnce(&mut (Option<Instant>, Option<f64>))) {
        note(&mut self.since.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
