//! Knocking at the registry as a user: through the API server, with full verification.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kreg_auth::Credentials;
use kreg_k8s::{Cluster as _, Kind, Patcher, Query, RegistryState, names};
use kreg_registry::dial::Dial;
use kreg_registry::{RegistryClient, Transport};
use kreg_verify::PodDial;

use crate::error::{Error, Tried as _};
use crate::session::Session;
use crate::spec;

const PAUSE: Duration = Duration::from_millis(250);

/// Between two requests to the kubelet: the first may come before it has heard of the new Secret.
const HASTE: Duration = Duration::from_secs(2);

/// What the registry says to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    In,
    Out,
}

/// The way in, by each of the registry's Pods: each reads the users by itself.
pub(crate) struct Door {
    pub(crate) state: RegistryState,
    bundle_pem: String,
}

impl Door {
    pub(crate) async fn of(session: &Session) -> Result<Self, Error> {
        let state = session.existing().await?;
        let Some(bundle_pem) = state.ca_bundle_pem.clone() else {
            return Err(Error::failed("the registry has no certificate yet").help("run `kreg up`"));
        };
        Ok(Self { state, bundle_pem })
    }

    /// What every one of the Pods says; `None` if they do not agree.
    pub(crate) async fn knock(
        &self,
        session: &Session,
        user: &Credentials,
    ) -> Result<Option<Answer>, Error> {
        let place = &session.place;
        let streams = session.cluster.streams().clone();
        let ways = PodDial::new(streams, place.namespace(), place.service(), place.port())
            .each()
            .await
            .tried("cannot ask the registry")?;
        let mut answers = Vec::new();
        for way in ways {
            let answer = self.ask(session, Arc::new(way), user).await?;
            if answers.last().is_some_and(|last| *last != answer) {
                return Ok(None);
            }
            answers.push(answer);
        }
        Ok(answers.pop())
    }

    async fn ask(
        &self,
        session: &Session,
        way: Arc<dyn Dial>,
        user: &Credentials,
    ) -> Result<Answer, Error> {
        let transport = Transport::trusting(&self.bundle_pem)
            .tried("cannot use the CA that the cluster holds")?;
        let answer = RegistryClient::new(spec::host(&session.place)?, way, transport)
            .with_credentials(user)
            .ping()
            .await
            .tried("cannot ask the registry")?;
        match answer.status.as_u16() {
            200 => Ok(Answer::In),
            401 => Ok(Answer::Out),
            _ => Err(Error::failed("the registry cannot tell").because(&answer.into_error())),
        }
    }

    /// Waits until the registry lets the user in, and hastens it.
    pub(crate) async fn until_in(
        &self,
        session: &Session,
        user: &Credentials,
    ) -> Result<(), Error> {
        self.until(session, user, Answer::In).await
    }

    /// Waits until the registry refuses the user, and hastens it.
    pub(crate) async fn until_out(
        &self,
        session: &Session,
        user: &Credentials,
    ) -> Result<(), Error> {
        self.until(session, user, Answer::Out).await
    }

    async fn until(
        &self,
        session: &Session,
        user: &Credentials,
        wanted: Answer,
    ) -> Result<(), Error> {
        let limit = session.settings.timeout;
        let begun = Instant::now();
        let mut hastened = None;
        loop {
            // A registry that rereads its file may answer 400 once; only the last word counts.
            let last = self.knock(session, user).await;
            if matches!(&last, Ok(Some(answer)) if *answer == wanted) {
                return Ok(());
            }
            if begun.elapsed() >= limit {
                let said = match last {
                    Ok(Some(Answer::In)) => "it still lets this user in".to_owned(),
                    Ok(Some(Answer::Out)) => "it still refuses this user".to_owned(),
                    Ok(None) => "some of its Pods let this user in, others do not".to_owned(),
                    Err(error) => error.to_string(),
                };
                return Err(Error::failed(format!(
                    "the change is stored, but the registry did not take it up within {} s: {said}",
                    limit.as_secs()
                ))
                .help("the kubelet refreshes a mounted Secret within about 90 s; look again with `kreg user check`"));
            }
            if hastened.is_none_or(|at: Instant| at.elapsed() >= HASTE) {
                self.refresh(session).await;
                hastened = Some(Instant::now());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A changed annotation makes the kubelet sync the Pod, and its Secrets with it, now rather
    /// than within a minute. Only haste: without the right to do it, the wait is longer.
    async fn refresh(&self, session: &Session) {
        let query = Query::all(Kind::Pod)
            .within(session.place.namespace())
            .labelled(names::selector(session.place.instance()));
        let Ok(pods) = session.cluster.list(&query).await else {
            return;
        };
        // Two operators in one second are two changes.
        let now = time::OffsetDateTime::now_utc()
            .unix_timestamp_nanos()
            .to_string();
        let patch = serde_json::json!({ "metadata": { "annotations": { "kreg.dev/secrets-refreshed": now } } });
        for pod in &pods {
            let pod = pod.reference();
            let patched = session.cluster.patch(pod, &patch, Patcher::Refresh).await;
            if let Err(error) = patched {
                tracing::debug!(%pod, %error, "cannot hasten the Secret's refresh");
            }
        }
    }
}
