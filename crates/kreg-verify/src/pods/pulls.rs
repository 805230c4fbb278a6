//! How a run's Pods are started on nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;

/// The label whose value is the run's nonce; what a run clears away it finds by this.
pub const RUN_LABEL: &str = "kreg.dev/verify-run";

/// How Pods are started on nodes.
#[derive(Clone)]
pub struct NodePulls {
    /// The cluster.
    pub client: kube::Client,
    /// The namespace for the Pods; its Pod Security level may be `restricted`.
    pub namespace: String,
    /// The name of the pull secret in that namespace; `None` if the service account brings its own.
    pub pull_secret: Option<String>,
    /// The kreg instance, for labels.
    pub instance: String,
    /// How long a node may take from the Pod's creation to its end.
    pub timeout: Duration,
    /// Whether every node finds the registry by its name, those too whose runtime could be led by
    /// an address: see [`super::NodeFacts::by_name`].
    pub by_name: bool,
    /// Only the nodes of these names, of which one at least must be there; empty means every node.
    pub only: Vec<String>,
}

impl NodePulls {
    /// Pods in `namespace` with this pull secret, two minutes for each node, instance `docker-registry`.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: impl Into<String>,
        pull_secret: Option<String>,
    ) -> NodePulls {
        NodePulls {
            client,
            namespace: namespace.into(),
            pull_secret,
            instance: "docker-registry".to_owned(),
            timeout: Duration::from_secs(120),
            by_name: false,
            only: Vec::new(),
        }
    }

    pub(crate) fn api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The labels of a run's Pods. None of them is one that a registry's Service selects by.
    pub(crate) fn labels(&self, run: &str) -> BTreeMap<String, String> {
        [
            ("app.kubernetes.io/name", "kreg-verify"),
            ("app.kubernetes.io/component", "verify"),
            ("app.kubernetes.io/instance", &self.instance),
            ("app.kubernetes.io/managed-by", "kreg"),
            ("app.kubernetes.io/part-of", "kreg"),
            ("kreg.dev/instance", &self.instance),
            (RUN_LABEL, run),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }
}

impl std::fmt::Debug for NodePulls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodePulls")
            .field("namespace", &self.namespace)
            .field("pull_secret", &self.pull_secret)
            .field("instance", &self.instance)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
