//! What the registry should be: its image, what it stores its images on, how many Pods serve.

use std::net::IpAddr;

use crate::{
    place::Place,
    profile::Profile,
    rules::{self, SpecError},
    startup_taint::StartupTaint,
    storage::Storage,
};

/// Processor and memory for the registry's container, as Kubernetes quantities.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// `requests.cpu`.
    pub cpu_request: String,
    /// `requests.memory`.
    pub memory_request: String,
    /// `limits.memory`. There is no processor limit: bcrypt runs on every request and would be throttled.
    pub memory_limit: String,
}

impl Default for Resources {
    fn default() -> Self {
        Resources {
            cpu_request: "100m".to_owned(),
            memory_request: "64Mi".to_owned(),
            memory_limit: "512Mi".to_owned(),
        }
    }
}

/// A registry as it should be, always valid: every `with_` method checks what it is given.
///
/// ```
/// use kreg_k8s::{Place, Profile, RegistrySpec, Storage};
///
/// let place = Place::new(Profile::Default).with_namespace("images")?;
/// let storage = Storage::StorageClass { name: None, size: "20Gi".into() };
/// let spec = RegistrySpec::new(place).with_storage(storage)?;
///
/// let error = spec.with_replicas(2).unwrap_err();
/// assert!(error.to_string().starts_with("replicas"));
/// # Ok::<(), kreg_k8s::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySpec {
    place: Place,
    image: String,
    storage: Storage,
    replicas: u32,
    cluster_ip: Option<IpAddr>,
    resources: Resources,
    network_policy: bool,
    local_hosting: bool,
    node_agent: bool,
    startup_taint: Option<StartupTaint>,
}

impl RegistrySpec {
    /// The port the registry's process listens on inside its Pod, whatever the Service's port:
    /// above 1023, so that no capability is needed.
    pub const CONTAINER_PORT: u16 = 5000;

    /// The registry's own image where none is chosen.
    pub const DEFAULT_IMAGE: &str = "docker.io/library/registry:2.8.3";

    /// The defaults of the place's profile.
    #[must_use]
    pub fn new(place: Place) -> Self {
        let storage = match place.profile() {
            Profile::Default => Storage::StorageClass {
                name: None,
                size: "10Gi".to_owned(),
            },
            Profile::Tutorial => Storage::HostPath {
                path: "/tmp/repository".to_owned(),
                node: None,
                size: "1Gi".to_owned(),
            },
        };
        RegistrySpec {
            place,
            // A Service's name has no dot, so this image never lies in the registry itself.
            image: Self::DEFAULT_IMAGE.to_owned(),
            storage,
            replicas: 1,
            cluster_ip: None,
            resources: Resources::default(),
            network_policy: false,
            local_hosting: false,
            node_agent: false,
            startup_taint: None,
        }
    }

    /// Puts the same registry into another place.
    ///
    /// # Errors
    /// If the image lies in the registry itself, or if the profile of that place cannot use the storage.
    pub fn with_place(mut self, place: Place) -> Result<Self, SpecError> {
        rules::image("image", &self.image, &place.registry_name())?;
        self.storage.check(place.profile(), self.replicas)?;
        self.place = place;
        Ok(self)
    }

    /// Sets the id that tells this registry from another one of its name.
    #[must_use]
    pub fn with_id(mut self, id: Option<String>) -> Self {
        self.place = self.place.with_id(id);
        self
    }

    /// Sets the registry's own image: distribution 2.8 or 3.x, with the upstream image's entrypoint.
    ///
    /// # Errors
    /// If it is no image reference, or lies in the registry that it is to run.
    pub fn with_image(mut self, image: &str) -> Result<Self, SpecError> {
        rules::image("image", image, &self.place.registry_name())?;
        self.image = image.to_owned();
        Ok(self)
    }

    /// Sets where images are stored.
    ///
    /// # Errors
    /// If a name, path or size is malformed, or if the profile or the number of Pods cannot use that kind of storage.
    pub fn with_storage(mut self, storage: Storage) -> Result<Self, SpecError> {
        storage.check(self.place.profile(), self.replicas)?;
        self.storage = storage;
        Ok(self)
    }

    /// Sets how many Pods serve; more than one share their storage.
    ///
    /// # Errors
    /// If it is 0, or if the profile or the storage allows one only.
    pub fn with_replicas(mut self, replicas: u32) -> Result<Self, SpecError> {
        let refused = |rule| Err(SpecError::new("replicas", rule, &replicas.to_string()));
        if replicas == 0 {
            return refused("a registry has at least one Pod");
        }
        if replicas > 1 && self.place.profile() == Profile::Tutorial {
            return refused("the tutorial's registry is one bare Pod; use the default profile");
        }
        self.storage.check(self.place.profile(), replicas)?;
        self.replicas = replicas;
        Ok(self)
    }

    /// Pins the Service's address, or lets the API server choose (`None`).
    #[must_use]
    pub fn with_cluster_ip(mut self, address: Option<IpAddr>) -> Self {
        self.cluster_ip = address;
        self
    }

    /// Sets processor and memory.
    ///
    /// # Errors
    /// If one of them is no Kubernetes quantity.
    pub fn with_resources(mut self, resources: Resources) -> Result<Self, SpecError> {
        rules::quantity("resources.cpu_request", &resources.cpu_request)?;
        rules::quantity("resources.memory_request", &resources.memory_request)?;
        rules::quantity("resources.memory_limit", &resources.memory_limit)?;
        self.resources = resources;
        Ok(self)
    }

    /// Adds a NetworkPolicy: in to the registry's port only, out to nowhere but an S3 server's port and DNS. The tutorial profile has none.
    ///
    /// It does not say from where: pulls come from the nodes themselves, whose addresses a policy cannot name reliably,
    /// and a policy that names Pods alone cuts off every node but the registry's own.
    #[must_use]
    pub fn with_network_policy(mut self, wanted: bool) -> Self {
        self.network_policy = wanted;
        self
    }

    /// Announces the registry to development tools by KEP-1755's ConfigMap `kube-public/local-registry-hosting`.
    /// A cluster has one such announcement at most.
    #[must_use]
    pub fn with_local_hosting(mut self, wanted: bool) -> Self {
        self.local_hosting = wanted;
        self
    }

    /// Notes that an agent on each node keeps its trust (kreg-nodes' DaemonSet), so that the next run knows, and
    /// [`crate::rights`] has what it takes. The agent's objects are not among the registry's.
    #[must_use]
    pub fn with_node_agent(mut self, wanted: bool) -> Self {
        self.node_agent = wanted;
        self
    }

    /// Lets the registry run on nodes that have this taint still: were every node to join with it, none could prove its
    /// pull before the registry runs somewhere. The tutorial's Pod stays as the tutorial has it.
    #[must_use]
    pub fn with_startup_taint(mut self, taint: Option<StartupTaint>) -> Self {
        self.startup_taint = taint;
        self
    }

    /// Which registry this is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The taint that the registry tolerates.
    #[must_use]
    pub fn startup_taint(&self) -> Option<&StartupTaint> {
        self.startup_taint.as_ref()
    }

    /// Whether an agent on each node keeps its trust.
    #[must_use]
    pub fn node_agent(&self) -> bool {
        self.node_agent
    }

    /// Whether there is a NetworkPolicy.
    #[must_use]
    pub fn network_policy(&self) -> bool {
        self.network_policy
    }

    /// Whether the registry is announced to development tools.
    #[must_use]
    pub fn local_hosting(&self) -> bool {
        self.local_hosting
    }

    /// The registry's own image.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Where images are stored.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// How many Pods serve.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas
    }

    /// Whether a new Pod may start while an old one still runs: storage that takes both.
    #[must_use]
    pub fn rolls(&self) -> bool {
        self.replicas > 1 || self.storage.bucket().is_some()
    }

    /// The pinned address, if there is one.
    #[must_use]
    pub fn cluster_ip(&self) -> Option<IpAddr> {
        self.cluster_ip
    }

    /// Processor and memory.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
}
