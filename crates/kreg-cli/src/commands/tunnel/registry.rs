//! The registry that a tunnel leads to.

use kreg_auth::RegistryHost;
use kreg_k8s::RegistryState;

use crate::error::Error;
use crate::session::Session;

/// What a tunnel needs to know.
pub(super) struct Registry {
    pub(super) host: RegistryHost,
    pub(super) state: RegistryState,
    pub(super) bundle_pem: String,
}

impl Registry {
    pub(super) async fn of(session: &Session) -> Result<Self, Error> {
        let state = session.existing().await?;
        let Some(bundle_pem) = state.ca_bundle_pem.clone() else {
            return Err(Error::failed("the registry has no certificate yet").help("run `kreg up`"));
        };
        Ok(Self {
            host: session.registry.host()?,
            state,
            bundle_pem,
        })
    }
}
