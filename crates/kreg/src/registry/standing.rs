//! What a registry that is up gives its clients.

use std::net::IpAddr;

use kreg_auth::{Credentials, ExposeSecret as _, PullSecret};
use kreg_k8s::{Names, Place, RegistryState};

use crate::error::{BoxError, Error, NotUp};

/// A registry that clients can use.
#[derive(Debug)]
#[non_exhaustive]
pub struct Standing {
    /// The address of its Service.
    pub address: IpAddr,
    /// The CA certificates that clients trust, as PEM.
    pub bundle_pem: String,
    /// What its pull Secret holds.
    pub credentials: Credentials,
    /// All that was read.
    pub state: RegistryState,
}

impl Standing {
    /// Of what was read.
    ///
    /// # Errors
    /// [`NotUp`].
    pub fn of(place: &Place, state: RegistryState) -> Result<Self, Error> {
        Ok(Standing {
            address: address(place, &state)?,
            bundle_pem: bundle(place, &state)?.to_owned(),
            credentials: credentials(place, &state)?,
            state,
        })
    }
}

/// The address of its Service.
pub(crate) fn address(place: &Place, state: &RegistryState) -> Result<IpAddr, NotUp> {
    let address = state.cluster_ip;
    address.ok_or_else(|| NotUp::Address(place.instance().to_owned()))
}

/// The CA certificates that clients trust.
pub(crate) fn bundle<'a>(place: &Place, state: &'a RegistryState) -> Result<&'a str, NotUp> {
    let bundle = state.ca_bundle_pem.as_deref();
    bundle.ok_or_else(|| NotUp::Certificate(place.instance().to_owned()))
}

/// The credentials that the pull Secret holds.
pub(crate) fn credentials(place: &Place, state: &RegistryState) -> Result<Credentials, NotUp> {
    let secret = || Box::new(Names::of(place).pull_secret);
    let missing = || NotUp::Credentials {
        secret: secret(),
        registry: place.registry_name(),
    };
    let unreadable = |source: BoxError| NotUp::Unreadable {
        secret: secret(),
        source,
    };
    let json = state.docker_config_json.as_ref().ok_or_else(missing)?;
    let parsed = PullSecret::parse(json.expose_secret().as_bytes())
        .map_err(|cause| unreadable(cause.into()))?;
    let auth = parsed.get(&place.registry_name()).ok_or_else(missing)?;
    Credentials::new(auth.username(), auth.password().clone())
        .map_err(|cause| unreadable(cause.into()))
}
