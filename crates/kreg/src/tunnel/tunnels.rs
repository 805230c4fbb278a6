//! What every tunnel to a registry needs to know.

use kreg_auth::RegistryHost;
use kreg_k8s::RegistryState;

use crate::error::Error;
use crate::registry::{Registry, standing};

/// Tunnels from this machine to one registry.
pub struct Tunnels<'a> {
    pub(super) registry: &'a Registry,
    pub(super) host: RegistryHost,
    pub(super) state: RegistryState,
    pub(super) bundle_pem: String,
}

impl Registry {
    /// Tunnels from this machine to the registry.
    ///
    /// # Errors
    /// As [`Registry::existing`], and [`Error::NotUp`] without a certificate.
    pub async fn tunnels(&self) -> Result<Tunnels<'_>, Error> {
        let state = self.existing().await?;
        let bundle_pem = standing::bundle(self.place(), &state)?.to_owned();
        Ok(Tunnels {
            registry: self,
            host: self.host()?,
            state,
            bundle_pem,
        })
    }
}

impl Tunnels<'_> {
    /// The name by which clients know the registry.
    #[must_use]
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// What the cluster holds of it.
    #[must_use]
    pub fn state(&self) -> &RegistryState {
        &self.state
    }
}
