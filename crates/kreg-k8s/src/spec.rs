//! The registry as one value: what it is called, where it lives, what it stores its images on.

use std::net::IpAddr;

use crate::{
    rules::{self, SpecError},
    storage::Storage,
    taint::StartupTaint,
};

/// Which set of objects to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// A hardened Deployment in a namespace of its own that enforces Pod Security `restricted`.
    Default,
    /// The objects of the well-known tutorial, by its names: a bare Pod in `default`, a static hostPath volume,
    /// `certs-secret`, `auth-secret`, `reg-cred-secret`.
    Tutorial,
}

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

/// A registry to be, always valid: every `with_` method checks what it is given.
///
/// ```
/// use kreg_k8s::{Profile, RegistrySpec, Storage};
///
/// let spec = RegistrySpec::new(Profile::Default)
///     .with_namespace("images")?
///     .with_storage(Storage::StorageClass { name: None, size: "20Gi".into() })?;
/// assert_eq!(spec.registry_name(), "docker-registry:5000");
///
/// let error = RegistrySpec::new(Profile::Default).with_namespace("Images").unwrap_err();
/// assert!(error.to_string().starts_with("namespace"));
/// # Ok::<(), kreg_k8s::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrySpec {
    profile: Profile,
    instance: String,
    namespace: String,
    service: String,
    port: u16,
    image: String,
    storage: Storage,
    replicas: u32,
    cluster_ip: Option<IpAddr>,
    cluster_domain: String,
    resources: Resources,
    network_policy: bool,
    local_hosting: bool,
    node_agent: bool,
    startup_taint: Option<StartupTaint>,
    earlier: bool,
    id: Option<String>,
}

impl RegistrySpec {
    /// The port the registry's process listens on inside its Pod, whatever the Service's port:
    /// above 1023, so that no capability is needed.
    pub const CONTAINER_PORT: u16 = 5000;

    /// The defaults of a profile.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let (namespace, image, storage) = match profile {
            Profile::Default => (
                "kreg-system",
                "docker.io/library/registry:2.8.3",
                Storage::StorageClass {
                    name: None,
                    size: "10Gi".to_owned(),
                },
            ),
            Profile::Tutorial => (
                "default",
                "docker.io/library/registry:2.8.3",
                Storage::HostPath {
                    path: "/tmp/repository".to_owned(),
                    node: None,
                    size: "1Gi".to_owned(),
                },
            ),
        };
        RegistrySpec {
            profile,
            instance: "docker-registry".to_owned(),
            namespace: namespace.to_owned(),
            service: "docker-registry".to_owned(),
            port: 5000,
            image: image.to_owned(),
            storage,
            replicas: 1,
            cluster_ip: None,
            cluster_domain: "cluster.local".to_owned(),
            resources: Resources::default(),
            network_policy: false,
            local_hosting: false,
            node_agent: false,
            startup_taint: None,
            earlier: false,
            id: None,
        }
    }

    /// Lets the ConfigMap count in which an earlier kreg kept its inventory, where there is no record. Anyone who can
    /// write to the namespace could have made it: only for a namespace that the operator named.
    #[must_use]
    pub fn with_earlier(mut self, believed: bool) -> Self {
        self.earlier = believed;
        self
    }

    /// Whether the inventory of an earlier kreg counts.
    #[must_use]
    pub fn earlier(&self) -> bool {
        self.earlier
    }

    /// Sets the id that tells this registry from another one of its name ([`crate::Inventory::id`]).
    #[must_use]
    pub fn with_id(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }

    /// The id of the registry, where it is known or chosen.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Sets the instance id, which keeps several registries of one cluster apart.
    ///
    /// # Errors
    /// If it is no DNS-1123 label.
    pub fn with_instance(mut self, instance: &str) -> Result<Self, SpecError> {
        rules::dns_label("instance", instance)?;
        self.instance = instance.to_owned();
        Ok(self)
    }

    /// Sets the namespace; it is made if it does not exist.
    ///
    /// # Errors
    /// If it is no DNS-1123 label.
    pub fn with_namespace(mut self, namespace: &str) -> Result<Self, SpecError> {
        rules::dns_label("namespace", namespace)?;
        self.namespace = namespace.to_owned();
        Ok(self)
    }

    /// Sets the Service's name, which is also the registry's name in image references.
    ///
    /// # Errors
    /// If it is no DNS-1035 label (Services may not begin with a digit), or if the image lies in the registry itself.
    pub fn with_service(mut self, service: &str) -> Result<Self, SpecError> {
        rules::service_name("service", service)?;
        self.service = service.to_owned();
        rules::image("image", &self.image, &self.registry_name())?;
        Ok(self)
    }

    /// Sets the Service's port, 1 to 65535.
    ///
    /// # Errors
    /// If it is 0, or if the image lies in the registry itself.
    pub fn with_port(mut self, port: u16) -> Result<Self, SpecError> {
        rules::port("port", port)?;
        self.port = port;
        rules::image("image", &self.image, &self.registry_name())?;
        Ok(self)
    }

    /// Sets the registry's own image: distribution 2.8 or 3.x, with the upstream image's entrypoint.
    ///
    /// # Errors
    /// If it is no image reference, or lies in the registry that it is to run.
    pub fn with_image(mut self, image: &str) -> Result<Self, SpecError> {
        rules::image("image", image, &self.registry_name())?;
        self.image = image.to_owned();
        Ok(self)
    }

    /// Sets where images are stored.
    ///
    /// # Errors
    /// If a name, path or size is malformed, or if the profile or the number of Pods cannot use that kind of storage.
    pub fn with_storage(mut self, storage: Storage) -> Result<Self, SpecError> {
        storage.check(self.profile, self.replicas)?;
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
            return refused("a registry has at least one Pod; `kreg down` takes it away");
        }
        if replicas > 1 && self.profile == Profile::Tutorial {
            return refused("the tutorial's registry is one bare Pod; use the default profile");
        }
        self.storage.check(self.profile, replicas)?;
        self.replicas = replicas;
        Ok(self)
    }

    /// Pins the Service's address, or lets the API server choose (`None`).
    #[must_use]
    pub fn with_cluster_ip(mut self, address: Option<IpAddr>) -> Self {
        self.cluster_ip = address;
        self
    }

    /// Sets the cluster's DNS domain, `cluster.local` unless the cluster's kubelets say otherwise.
    ///
    /// # Errors
    /// If it is no DNS-1123 subdomain.
    pub fn with_cluster_domain(mut self, domain: &str) -> Result<Self, SpecError> {
        rules::dns_subdomain("cluster_domain", domain)?;
        self.cluster_domain = domain.to_owned();
        Ok(self)
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

    /// Notes that an agent on each node keeps its trust (kreg-nodes' DaemonSet), so that whoever comes next knows, and
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

    /// Profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Instance id.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Namespace of everything that lives in one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Name of the Service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Port of the Service.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
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

    /// DNS domain of the cluster.
    #[must_use]
    pub fn cluster_domain(&self) -> &str {
        &self.cluster_domain
    }

    /// Processor and memory.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// How image references name this registry: `docker-registry:5000`.
    #[must_use]
    pub fn registry_name(&self) -> String {
        format!("{}:{}", self.service, self.port)
    }

    /// Every DNS form of the Service, shortest first; all belong into the certificate.
    /// Source: Kubernetes, "DNS for Services and Pods".
    #[must_use]
    pub fn dns_names(&self) -> Vec<String> {
        let (service, namespace) = (&self.service, &self.namespace);
        vec![
            service.clone(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.{}", self.cluster_domain),
        ]
    }
}
