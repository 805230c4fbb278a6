//! The user who pulls and pushes, in the users file and in the pull Secret.

use kreg_auth::{Credentials, ExposeSecret as _, Htpasswd, PullSecret, SecretString};
use kreg_k8s::Profile;

use super::request::{Held, Request, Tried as _};
use crate::error::MaterialError;
use crate::made::Made;
use crate::witness;

/// Credentials, the users file and the pull Secret.
pub(super) fn decide(
    request: &Request<'_>,
    held: &Held,
    made: &mut Vec<Made>,
) -> Result<(Credentials, SecretString, SecretString), MaterialError> {
    let key = request.host.to_string();
    let mut pull = match &held.docker_config_json {
        Some(json) => PullSecret::parse(json.expose_secret().as_bytes())
            .tried("the pull secret that the cluster holds cannot be read")?,
        None => PullSecret::new(),
    };
    let known = pull.get(&key);
    let user = request
        .user
        .map(str::to_owned)
        .or_else(|| known.as_ref().map(|auth| auth.username().to_owned()))
        .unwrap_or_else(|| usual(request.profile).to_owned());
    witness::refuse_name(&user)?;
    let kept = known
        .as_ref()
        .filter(|auth| auth.username() == user)
        .map(|auth| auth.password().clone());
    let credentials = match request.password.clone().or(kept) {
        Some(password) => Credentials::new(user, password)?,
        None => {
            made.push(Made::Password(user.clone()));
            Credentials::generate(user)?
        }
    };

    let text = held.htpasswd.as_ref().map(|text| text.expose_secret());
    let mut users = Htpasswd::parse(text.unwrap_or_default());
    let (name, password) = (credentials.username(), credentials.password());
    if !users.check(name, password).is_accepted() {
        made.push(Made::HtpasswdEntry(name.to_owned()));
        users
            .set(&credentials, request.cost)
            .tried("cannot write the htpasswd entry")?;
    }
    users
        .validate()
        .tried("the htpasswd file that the cluster holds would not be accepted by the registry")?;

    let same = known.is_some_and(|auth| {
        auth.username() == name && auth.password().expose_secret() == password.expose_secret()
    });
    if !same {
        pull.insert(request.host, &credentials);
    }
    // Bytes that are right stay as they are, whatever wrote them.
    let json = match &held.docker_config_json {
        Some(json) if same => json.clone(),
        _ => pull.to_json(),
    };
    let htpasswd = String::from_utf8(users.to_bytes())
        .tried("the htpasswd file that the cluster holds is not UTF-8")?;
    Ok((credentials, htpasswd.into(), json))
}

/// The user where none is asked for and none is known; the tutorial has its own.
fn usual(profile: Profile) -> &'static str {
    match profile {
        Profile::Tutorial => "myuser",
        _ => "kreg",
    }
}
