//! The settings of a registry as its record notes them.

use serde::{Deserialize, Serialize};

use crate::{
    place::Place,
    rules::SpecError,
    spec::{RegistrySpec, Resources},
    startup_taint::StartupTaint,
    storage::Storage,
};

/// The settings of a registry that its name and place do not tell; nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// Name of the Service.
    pub service: String,
    /// The registry's own image.
    pub image: String,
    /// Where images are stored.
    pub storage: Storage,
    /// How many Pods serve.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Processor and memory.
    pub resources: Resources,
    /// DNS domain of the cluster.
    pub cluster_domain: String,
    /// Whether there is a NetworkPolicy.
    #[serde(default)]
    pub network_policy: bool,
    /// Whether the registry is announced to development tools.
    #[serde(default)]
    pub local_hosting: bool,
    /// Whether an agent on each node keeps its trust.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub node_agent: bool,
    /// Key of the startup taint that the registry tolerates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_taint: Option<String>,
}

fn one() -> u32 {
    1
}

impl From<&RegistrySpec> for Declared {
    fn from(spec: &RegistrySpec) -> Self {
        Declared {
            service: spec.place().service().to_owned(),
            image: spec.image().to_owned(),
            storage: spec.storage().clone(),
            replicas: spec.replicas(),
            resources: spec.resources().clone(),
            cluster_domain: spec.place().cluster_domain().to_owned(),
            network_policy: spec.network_policy(),
            local_hosting: spec.local_hosting(),
            node_agent: spec.node_agent(),
            startup_taint: spec.startup_taint().map(|taint| taint.key().to_owned()),
        }
    }
}

impl Declared {
    /// The registry with these settings, at this place.
    ///
    /// # Errors
    /// If one of them breaks a rule: somebody edited the record.
    pub fn spec(&self, place: Place) -> Result<RegistrySpec, SpecError> {
        let startup_taint = self.startup_taint.as_deref().map(StartupTaint::new);
        Ok(RegistrySpec::new(place)
            .with_image(&self.image)?
            .with_storage(self.storage.clone())?
            .with_replicas(self.replicas)?
            .with_resources(self.resources.clone())?
            .with_network_policy(self.network_policy)
            .with_local_hosting(self.local_hosting)
            .with_node_agent(self.node_agent)
            .with_startup_taint(startup_taint.transpose()?))
    }
}
