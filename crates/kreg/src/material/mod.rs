//! Which certificates and passwords a registry gets. What the cluster holds is kept for as long as it serves, so that
//! what is applied again changes nothing, and no client has to trust something new.

mod certificate;
mod passwords;
mod request;

use kreg_auth::{Credentials, SecretString};
use kreg_k8s::Material;

use self::request::Tried as _;
pub(crate) use self::request::{CaKey, Held, Request};
use crate::error::MaterialError;
use crate::made::Made;
use crate::witness;

/// What the registry gets.
#[derive(Debug)]
pub(crate) struct Decision {
    /// All that goes into the cluster.
    pub material: Material,
    /// What pulls and pushes are done with.
    pub credentials: Credentials,
    /// A new CA key for the operator's file, to be written before anything that depends on it.
    pub new_ca_key: Option<SecretString>,
    /// What was made, and why. Nothing if all was kept.
    pub made: Vec<Made>,
}

/// Whether a user of this name can pull and push.
///
/// # Errors
/// [`MaterialError::Credentials`] or [`MaterialError::ReservedUser`].
pub fn check_user(name: &str) -> Result<(), MaterialError> {
    witness::refuse_name(name)?;
    Ok(kreg_auth::check_username(name)?)
}

/// What the registry gets: what is held if it serves, and what is missing.
///
/// # Errors
/// [`MaterialError`].
pub(crate) fn decide(request: Request<'_>, held: &Held) -> Result<Decision, MaterialError> {
    let mut made = Vec::new();
    let tls = certificate::decide(&request, held, &mut made)?;
    let (credentials, htpasswd, docker_config_json) = passwords::decide(&request, held, &mut made)?;
    let http_secret = match &held.http_secret {
        Some(secret) => secret.clone(),
        None => Credentials::generate("http")
            .tried("cannot make the registry's http.secret")?
            .password()
            .clone(),
    };
    Ok(Decision {
        material: Material {
            tls_chain_pem: tls.leaf.chain_pem(),
            tls_key_pem: tls.leaf.key_pem().clone(),
            ca_bundle_pem: tls.bundle_pem,
            ca_key_pem: tls.ca_key_pem,
            htpasswd,
            http_secret,
            docker_config_json,
            s3: request.s3.or_else(|| held.s3.clone()),
        },
        credentials,
        new_ca_key: tls.new_ca_key,
        made,
    })
}

#[cfg(test)]
mod tests;
