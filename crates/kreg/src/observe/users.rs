//! The registry's users, and pull Secrets as the kubelet uses them.

use kreg_auth::{ExposeSecret as _, Htpasswd, Problem, PullSecret, Verdict};
use kreg_k8s::{Names, Object, RegistryState};
use kreg_verify::doctor::{HtpasswdFinding, Login, Observations, PullSecretSeen};
use tokio::task::block_in_place;

use super::look::Look;
use crate::error::Error;

/// The users as the cluster holds them.
pub(super) fn htpasswd(state: &RegistryState) -> Option<Htpasswd> {
    let text = state.htpasswd.as_ref()?;
    Some(Htpasswd::parse(text.expose_secret()))
}

/// The htpasswd file and the registry's own pull secret, compared with each other.
pub(super) async fn users(
    look: &mut Look<'_>,
    state: &RegistryState,
    seen: &mut Observations,
) -> Result<(), Error> {
    let place = look.registry.place();
    let htpasswd = htpasswd(state);
    if let Some(htpasswd) = &htpasswd {
        let findings = htpasswd.findings().into_iter();
        seen.auth.findings = findings
            .map(|one| HtpasswdFinding {
                line: one.line,
                user: one.username.clone(),
                text: one.problem.to_string(),
                fatal: one.problem.is_fatal(),
                not_bcrypt: matches!(one.problem, Problem::NotAccepted(_)),
            })
            .collect();
    }
    let reference = Names::of(place).pull_secret;
    if let Some(live) = look.get(&reference).await? {
        let image = format!("{}/any", place.registry_name());
        let (name, live) = (reference.name(), live.as_ref());
        seen.auth.pull_secret = Some(pull_secret(name, live, &image, htpasswd.as_ref()));
    }
    Ok(())
}

/// A pull secret as the kubelet uses it for this image.
pub(super) fn pull_secret(
    name: &str,
    live: Option<&Object>,
    image: &str,
    htpasswd: Option<&Htpasswd>,
) -> PullSecretSeen {
    let mut seen = PullSecretSeen {
        name: name.to_owned(),
        exists: live.is_some(),
        ..PullSecretSeen::default()
    };
    let Some(live) = live else { return seen };
    let kind = live.text("/type").unwrap_or("Opaque");
    if kind != PullSecret::SECRET_TYPE {
        seen.wrong_type = Some(kind.to_owned());
        return seen;
    }
    let Some(json) = kreg_k8s::secret::value(live, PullSecret::DATA_KEY) else {
        seen.broken = Some(format!("it has no readable key {}", PullSecret::DATA_KEY));
        return seen;
    };
    let parsed = match PullSecret::parse(json.expose_secret().as_bytes()) {
        Ok(parsed) => parsed,
        Err(why) => {
            seen.broken = Some(why.to_string());
            return seen;
        }
    };
    seen.hosts = parsed.keys().map(str::to_owned).collect();
    let auths = parsed.credentials_for(image);
    seen.matches = !auths.is_empty();
    if let Some(auth) = auths.first() {
        seen.user = Some(auth.username().to_owned());
        seen.login = htpasswd.map(|htpasswd| {
            let verdict = || htpasswd.check(auth.username(), auth.password());
            // bcrypt is meant to take its time.
            match block_in_place(verdict) {
                Verdict::Accepted => Login::Accepted,
                Verdict::UnknownUser => Login::UnknownUser,
                Verdict::NotAccepted(_) => Login::NotAccepted,
                _ => Login::WrongPassword,
            }
        });
    }
    seen
}
