//! Whether the registry lets a user in, with full verification through the API server.

use kreg_auth::Credentials;
use kreg_k8s::{Cluster as _, Kind, Patcher, Query, RegistryState, names};
use kreg_registry::Transport;
use kreg_verify::{LoginAnswer, LoginError, LoginProbe};

use crate::error::{Error, Tried as _};
use crate::session::Session;
use crate::spec;

/// The registry that is asked.
pub(crate) struct Logins {
    pub(crate) state: RegistryState,
    probe: LoginProbe,
}

impl Logins {
    pub(crate) async fn of(session: &Session) -> Result<Self, Error> {
        let state = session.existing().await?;
        let Some(bundle_pem) = &state.ca_bundle_pem else {
            return Err(Error::failed("the registry has no certificate yet").help("run `kreg up`"));
        };
        let transport =
            Transport::trusting(bundle_pem).tried("cannot use the CA that the cluster holds")?;
        let place = &session.place;
        let probe = LoginProbe::new(
            spec::host(&session.place)?,
            transport,
            session.cluster.streams().clone(),
            place.namespace(),
            place.service(),
        );
        Ok(Self { state, probe })
    }

    /// What the Pods say.
    pub(crate) async fn ask(&self, user: &Credentials) -> Result<LoginAnswer, Error> {
        self.probe.ask(user).await.map_err(failed)
    }

    /// Waits until the registry lets the user in, and hastens it.
    pub(crate) async fn until_in(
        &self,
        session: &Session,
        user: &Credentials,
    ) -> Result<(), Error> {
        self.until(session, user, LoginAnswer::Admitted).await
    }

    /// Waits until the registry refuses the user, and hastens it.
    pub(crate) async fn until_out(
        &self,
        session: &Session,
        user: &Credentials,
    ) -> Result<(), Error> {
        self.until(session, user, LoginAnswer::Refused).await
    }

    async fn until(
        &self,
        session: &Session,
        user: &Credentials,
        wanted: LoginAnswer,
    ) -> Result<(), Error> {
        let limit = session.settings.timeout;
        let hasten = || refresh(session);
        let waited = self.probe.wait_for(user, wanted, limit, hasten).await;
        waited.map_err(|error| match error {
            LoginError::Late { limit, last } => Error::failed(format!(
                "the change is stored, but the registry did not take it up within {} s: {last}",
                limit.as_secs()
            ))
            .help("the kubelet refreshes a mounted Secret within about 90 s; look again with `kreg user check`"),
            other => failed(other),
        })
    }
}

fn failed(error: LoginError) -> Error {
    let message = error.to_string();
    match error {
        LoginError::Pods(cause) => Error::failed(message).because(&cause),
        LoginError::Request(cause) | LoginError::Answer(cause) => {
            Error::failed(message).because(&cause)
        }
        _ => Error::failed(message),
    }
}

/// A changed annotation makes the kubelet sync the Pod, and its Secrets with it, now rather
/// than within a minute. Only haste: without the right to do it, the wait is longer.
async fn refresh(session: &Session) {
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
    let patch =
        serde_json::json!({ "metadata": { "annotations": { "kreg.dev/secrets-refreshed": now } } });
    for pod in &pods {
        let pod = pod.reference();
        let patched = session.cluster.patch(pod, &patch, Patcher::Refresh).await;
        if let Err(error) = patched {
            tracing::debug!(%pod, %error, "cannot hasten the Secret's refresh");
        }
    }
}
