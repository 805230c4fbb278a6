//! Which registry is meant: what it is called, and where it is.

use std::net::IpAddr;

use crate::{
    profile::Profile,
    rules::{self, SpecError},
};

/// What names one registry of a cluster, always valid: every `with_` method checks what it is given. It is enough to find
/// the registry and everything that belongs to it; what the registry should be is in a [`crate::RegistrySpec`].
///
/// ```
/// use kreg_k8s::{Place, Profile};
///
/// let place = Place::new(Profile::Default).with_namespace("images")?;
/// assert_eq!(place.registry_name(), "docker-registry:5000");
///
/// let error = Place::new(Profile::Default).with_namespace("Images").unwrap_err();
/// assert!(error.to_string().starts_with("namespace"));
/// # Ok::<(), kreg_k8s::SpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    profile: Profile,
    instance: String,
    namespace: String,
    service: String,
    port: u16,
    cluster_domain: String,
    earlier: bool,
    id: Option<String>,
}

impl Place {
    /// The defaults of a profile.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        let namespace = match profile {
            Profile::Default => "kreg-system",
            Profile::Tutorial => "default",
        };
        Place {
            profile,
            instance: "docker-registry".to_owned(),
            namespace: namespace.to_owned(),
            service: "docker-registry".to_owned(),
            port: 5000,
            cluster_domain: "cluster.local".to_owned(),
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

    /// Sets the id that tells this registry from another one of its name ([`crate::Inventory::id`]).
    #[must_use]
    pub fn with_id(mut self, id: Option<String>) -> Self {
        self.id = id;
        self
    }

    /// Sets the instance id, which keeps several registries of one cluster apart.
    ///
    /// # Errors
    /// If it is not a DNS-1123 label.
    pub fn with_instance(mut self, instance: &str) -> Result<Self, SpecError> {
        rules::dns_label("instance", instance)?;
        self.instance = instance.to_owned();
        Ok(self)
    }

    /// Sets the namespace; it is made if it does not exist.
    ///
    /// # Errors
    /// If it is not a DNS-1123 label.
    pub fn with_namespace(mut self, namespace: &str) -> Result<Self, SpecError> {
        rules::dns_label("namespace", namespace)?;
        self.namespace = namespace.to_owned();
        Ok(self)
    }

    /// Sets the Service's name, which is also the registry's name in image references.
    ///
    /// # Errors
    /// If it is not a DNS-1035 label (Services may not begin with a digit).
    pub fn with_service(mut self, service: &str) -> Result<Self, SpecError> {
        rules::service_name("service", service)?;
        self.service = service.to_owned();
        Ok(self)
    }

    /// Sets the Service's port, 1 to 65535.
    ///
    /// # Errors
    /// If it is 0.
    pub fn with_port(mut self, port: u16) -> Result<Self, SpecError> {
        rules::port("port", port)?;
        self.port = port;
        Ok(self)
    }

    /// Sets the cluster's DNS domain, `cluster.local` unless the cluster's kubelets say otherwise.
    ///
    /// # Errors
    /// If it is not a DNS-1123 subdomain.
    pub fn with_cluster_domain(mut self, domain: &str) -> Result<Self, SpecError> {
        rules::dns_subdomain("cluster_domain", domain)?;
        self.cluster_domain = domain.to_owned();
        Ok(self)
    }

    /// Whether the inventory of an earlier kreg counts.
    #[must_use]
    pub fn earlier(&self) -> bool {
        self.earlier
    }

    /// The id of the registry, where it is known or chosen.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
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

    /// DNS domain of the cluster.
    #[must_use]
    pub fn cluster_domain(&self) -> &str {
        &self.cluster_domain
    }

    /// How image references name this registry: `docker-registry:5000`.
    #[must_use]
    pub fn registry_name(&self) -> String {
        format!("{}:{}", self.service, self.port)
    }

    /// What the registry's certificate has to name, so that every client finds there what it connects to: each DNS form of the
    /// Service, shortest first, and its address. The tutorial's certificate has only the one name.
    /// Source: Kubernetes, "DNS for Services and Pods".
    #[must_use]
    pub fn certificate_names(&self, address: Option<IpAddr>) -> Vec<String> {
        let (service, namespace) = (&self.service, &self.namespace);
        match self.profile {
            Profile::Tutorial => vec![service.clone()],
            Profile::Default => {
                let mut names = vec![
                    service.clone(),
                    format!("{service}.{namespace}"),
                    format!("{service}.{namespace}.svc"),
                    format!("{service}.{namespace}.svc.{}", self.cluster_domain),
                ];
                names.extend(address.map(|address| address.to_string()));
                names
            }
        }
    }
}
