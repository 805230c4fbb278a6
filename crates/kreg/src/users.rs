//! Who can log in to a registry: its users file, with proof that a change has reached every Pod.

use std::time::{Duration, Instant};

use kreg_auth::{
    Cost, Credentials, ExposeSecret as _, Htpasswd, HtpasswdError, PullSecret, SecretString,
};
use kreg_k8s::{Kind, Names, ObjectRef, Patcher, Query, RegistryState, names, pull, secret};
use kreg_registry::Transport;
use kreg_verify::{LoginAnswer, LoginError, LoginProbe};
use serde::Serialize;
use time::OffsetDateTime;

use crate::error::{Error, Tried as _, UsersError};
use crate::event::Observer;
use crate::registry::{Registry, standing};
use crate::witness;

/// The users of a registry that is up.
pub struct Users<'a> {
    registry: &'a Registry,
    state: RegistryState,
    probe: LoginProbe,
    timeout: Duration,
}

/// Whether a user is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// There must be none of that name.
    New,
    /// There must be one of that name.
    Known,
}

/// What became of a user, or is the case.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Changed {
    /// The registry, as in image references.
    pub registry: String,
    /// The user's name.
    pub user: String,
    /// What every Pod of the registry said, in the end, to this user with this password.
    pub can_log_in: bool,
    /// In seconds: from the written Secret, or the question, until every Pod said so.
    pub seconds: f64,
    /// Copies of the pull Secret that could not be written, each with the reason.
    #[serde(skip)]
    pub not_renewed: Vec<(ObjectRef, kreg_k8s::Error)>,
}

impl Registry {
    /// The users of the registry, to ask about and to change. `timeout` is how long a change may take to reach every Pod.
    ///
    /// # Errors
    /// As [`Registry::existing`], and [`Error::NotUp`] without a certificate.
    pub async fn users(&self, timeout: Duration) -> Result<Users<'_>, Error> {
        let state = self.existing().await?;
        let probe = self.login_probe(standing::bundle(self.place(), &state)?)?;
        Ok(Users {
            registry: self,
            state,
            probe,
            timeout,
        })
    }

    /// Asks every Pod of the registry, as a client that trusts this bundle.
    pub(crate) fn login_probe(&self, bundle_pem: &str) -> Result<LoginProbe, Error> {
        let transport =
            Transport::trusting(bundle_pem).tried("cannot use the CA that the cluster holds")?;
        let place = self.place();
        Ok(LoginProbe::new(
            self.host()?,
            transport,
            self.streams()?.clone(),
            place.namespace(),
            place.service(),
        ))
    }
}

impl Users<'_> {
    /// Whether every Pod of the registry lets this user in.
    ///
    /// # Errors
    /// [`UsersError::Refused`] and [`UsersError::Divided`], and [`Error::Failed`] if one of them does not say.
    pub async fn check(&self, user: &Credentials) -> Result<Changed, Error> {
        let name = user.username().to_owned();
        let asked = Instant::now();
        match self.probe.ask(user).await? {
            LoginAnswer::Admitted => Ok(self.changed(&name, true, asked, Vec::new())),
            LoginAnswer::Refused => Err(UsersError::Refused(name).into()),
            _ => Err(UsersError::Divided(name).into()),
        }
    }

    fn changed(
        &self,
        user: &str,
        can_log_in: bool,
        since: Instant,
        not_renewed: Vec<(ObjectRef, kreg_k8s::Error)>,
    ) -> Changed {
        Changed {
            registry: self.registry.place().registry_name(),
            user: user.to_owned(),
            can_log_in,
            seconds: since.elapsed().as_secs_f64(),
            not_renewed,
        }
    }

    /// Adds a user, or gives one another password, and waits until every Pod lets the user in. For the user of the pull
    /// Secret, that Secret and its copies follow.
    ///
    /// # Errors
    /// [`Error::Users`], and [`Error::Failed`] for the step that failed.
    pub async fn set(
        &self,
        user: &Credentials,
        entry: Entry,
        cost: Cost,
        on: &dyn Observer,
    ) -> Result<Changed, Error> {
        witness::refuse_name(user.username())?;
        let place = self.registry.place();
        let held = standing::credentials(place, &self.state).ok();
        let was = held.filter(|held| held.username() == user.username());
        let stage = on.stage(format!("user {}", user.username()));
        self.change(|file| {
            witness::remove_left(file, OffsetDateTime::now_utc())?;
            match entry {
                Entry::New => file.add(user, cost),
                Entry::Known => file.change(user, cost),
            }
        })
        .await?;
        let not_renewed = if was.is_some() {
            self.pull_as(user).await?
        } else {
            Vec::new()
        };
        stage.at("waiting until the registry knows it");
        let written = Instant::now();
        self.until(user, LoginAnswer::Admitted).await?;
        let changed = self.changed(user.username(), true, written, not_renewed);
        let mut proved = format!(
            "logs in, {:.1} s after the Secret was written",
            changed.seconds
        );
        let differs =
            |old: &Credentials| old.password().expose_secret() != user.password().expose_secret();
        if let Some(old) = was.filter(differs) {
            self.until(&old, LoginAnswer::Refused).await?;
            proved.push_str("; the old password is refused, the pull secret is changed");
        } else if entry == Entry::Known {
            // One entry a user: with the new password in, the old one has no line to match.
            proved.push_str("; the old password has no entry any more");
        }
        stage.done(proved);
        Ok(changed)
    }

    /// Removes a user, and waits until the registry has read the file without that user.
    ///
    /// # Errors
    /// As [`Users::set`]; [`UsersError::PullUser`] for the user of the pull Secret.
    pub async fn remove(&self, name: &str, on: &dyn Observer) -> Result<Changed, Error> {
        let place = self.registry.place();
        if standing::credentials(place, &self.state).is_ok_and(|held| held.username() == name) {
            return Err(UsersError::PullUser {
                secret: Box::new(Names::of(place).pull_secret),
                name: name.to_owned(),
            }
            .into());
        }
        let now = OffsetDateTime::now_utc();
        let witness = witness::new(now)?;
        let stage = on.stage(format!("user {name}"));
        self.change(|file| {
            file.remove(name)?;
            witness::remove_left(file, now)?;
            file.set(&witness, Cost::MIN)
        })
        .await?;
        stage.at("waiting until the registry knows it");
        let written = Instant::now();
        let known = self.until(&witness, LoginAnswer::Admitted).await;
        let changed = self.changed(name, false, written, Vec::new());
        self.change(|file| witness::remove(file, &witness)).await?;
        known?;
        stage.done(format!(
            "the registry has read the file without this user, {:.1} s after it was written",
            changed.seconds
        ));
        Ok(changed)
    }

    async fn change(
        &self,
        change: impl Fn(&mut Htpasswd) -> Result<(), HtpasswdError>,
    ) -> Result<(), Error> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        let edit = |text: &SecretString| edited(text, &change);
        let file = Names::of(place).htpasswd;
        secret::edit(cluster, place, &file, "htpasswd", edit).await?;
        Ok(())
    }

    /// Puts the user into the pull Secret and its copies. Gives those that could not be written.
    async fn pull_as(
        &self,
        user: &Credentials,
    ) -> Result<Vec<(ObjectRef, kreg_k8s::Error)>, Error> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        let host = self.registry.host()?;
        let pull_secret = Names::of(place).pull_secret;
        let edit = |json: &SecretString| {
            let mut known = PullSecret::parse(json.expose_secret().as_bytes())
                .tried(format!("cannot read {pull_secret}"))?;
            known.insert(&host, user);
            Ok::<_, Error>(known.to_json())
        };
        secret::edit(cluster, place, &pull_secret, PullSecret::DATA_KEY, edit).await?;
        let renewed = pull::refresh(cluster, place).await;
        let (_, not_renewed) = renewed.tried("cannot renew the pull secret in other namespaces")?;
        Ok(not_renewed)
    }

    async fn until(&self, user: &Credentials, wanted: LoginAnswer) -> Result<(), Error> {
        let hasten = || self.refresh();
        let waited = self
            .probe
            .wait_for(user, wanted, self.timeout, hasten)
            .await;
        waited.map_err(|error| match error {
            LoginError::Late { limit, last } => UsersError::Late { limit, last }.into(),
            other => other.into(),
        })
    }

    /// A changed annotation makes the kubelet sync the Pod, and its Secrets with it, now rather
    /// than within a minute. Only haste: without the right to do it, the wait is longer.
    async fn refresh(&self) {
        let (cluster, place) = (self.registry.cluster(), self.registry.place());
        let query = Query::all(Kind::Pod)
            .within(place.namespace())
            .labelled(names::selector(place.instance()));
        let Ok(pods) = cluster.list(&query).await else {
            return;
        };
        // Two operators in one second are two changes.
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos().to_string();
        let patch = serde_json::json!({ "metadata": { "annotations": { "kreg.dev/secrets-refreshed": now } } });
        for pod in &pods {
            let pod = pod.reference();
            if let Err(error) = cluster.patch(pod, &patch, Patcher::Refresh).await {
                tracing::debug!(%pod, %error, "cannot hasten the Secret's refresh");
            }
        }
    }
}

fn edited(
    text: &SecretString,
    change: impl FnOnce(&mut Htpasswd) -> Result<(), HtpasswdError>,
) -> Result<SecretString, Error> {
    let mut file = Htpasswd::parse(text.expose_secret());
    change(&mut file).map_err(UsersError::Entry)?;
    file.validate()
        .tried("the registry would not accept the users file; nothing was changed")?;
    String::from_utf8(file.to_bytes())
        .map(SecretString::from)
        .tried("the users file is not UTF-8; nothing was changed")
}
