//! The kinds of object kreg reads, writes or looks at, and where the API serves them.

use std::fmt;

use kube::core::ApiResource;

/// Whether objects of a kind live inside a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One set for the whole cluster (Node, PersistentVolume).
    Cluster,
    /// One set per namespace (Pod, Secret).
    Namespaced,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $group:literal, $version:literal, $plural:literal, $scope:ident;)*) => {
        /// A kind of Kubernetes object, at the one API version kreg speaks for it.
        ///
        /// Closed on purpose: kreg needs neither discovery nor rights beyond these kinds. Every version named here has
        /// been served since Kubernetes 1.20, except [`Kind::ServiceCIDR`] (1.33) and
        /// [`Kind::ValidatingAdmissionPolicy`] with its binding (1.30).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// Every kind, in the order of this enum.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// The name as written in a manifest: `Deployment`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => stringify!($variant),)* }
            }

            /// API group, empty for the core group: `apps`.
            #[must_use]
            pub fn group(self) -> &'static str {
                match self { $(Kind::$variant => $group,)* }
            }

            /// Version within the group: `v1`.
            #[must_use]
            pub fn version(self) -> &'static str {
                match self { $(Kind::$variant => $version,)* }
            }

            /// Plural used in URLs and in RBAC rules: `deployments`.
            #[must_use]
            pub fn plural(self) -> &'static str {
                match self { $(Kind::$variant => $plural,)* }
            }

            /// Cluster or namespace.
            #[must_use]
            pub fn scope(self) -> Scope {
                match self { $(Kind::$variant => Scope::$scope,)* }
            }
        }
    };
}

kinds! {
    /// Namespace.
    Namespace = "", "v1", "namespaces", Cluster;
    /// Node.
    Node = "", "v1", "nodes", Cluster;
    /// PersistentVolume.
    PersistentVolume = "", "v1", "persistentvolumes", Cluster;
    /// StorageClass.
    StorageClass = "storage.k8s.io", "v1", "storageclasses", Cluster;
    /// ServiceCIDR, the ranges ClusterIPs come from; Kubernetes 1.33 and later.
    ServiceCIDR = "networking.k8s.io", "v1", "servicecidrs", Cluster;
    /// ClusterRole; kreg makes them without rules, as records.
    ClusterRole = "rbac.authorization.k8s.io", "v1", "clusterroles", Cluster;
    /// ValidatingAdmissionPolicy; Kubernetes 1.30 and later.
    ValidatingAdmissionPolicy = "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", Cluster;
    /// ValidatingAdmissionPolicyBinding; Kubernetes 1.30 and later.
    ValidatingAdmissionPolicyBinding = "admissionregistration.k8s.io", "v1", "validatingadmissionpolicybindings", Cluster;
    /// PersistentVolumeClaim.
    PersistentVolumeClaim = "", "v1", "persistentvolumeclaims", Namespaced;
    /// Service.
    Service = "", "v1", "services", Namespaced;
    /// ConfigMap.
    ConfigMap = "", "v1", "configmaps", Namespaced;
    /// Secret.
    Secret = "", "v1", "secrets", Namespaced;
    /// ServiceAccount.
    ServiceAccount = "", "v1", "serviceaccounts", Namespaced;
    /// Pod.
    Pod = "", "v1", "pods", Namespaced;
    /// Event of the core group.
    Event = "", "v1", "events", Namespaced;
    /// Deployment.
    Deployment = "apps", "v1", "deployments", Namespaced;
    /// ReplicaSet.
    ReplicaSet = "apps", "v1", "replicasets", Namespaced;
    /// StatefulSet.
    StatefulSet = "apps", "v1", "statefulsets", Namespaced;
    /// DaemonSet.
    DaemonSet = "apps", "v1", "daemonsets", Namespaced;
    /// Job.
    Job = "batch", "v1", "jobs", Namespaced;
    /// Ingress.
    Ingress = "networking.k8s.io", "v1", "ingresses", Namespaced;
    /// NetworkPolicy.
    NetworkPolicy = "networking.k8s.io", "v1", "networkpolicies", Namespaced;
    /// Role.
    Role = "rbac.authorization.k8s.io", "v1", "roles", Namespaced;
    /// RoleBinding.
    RoleBinding = "rbac.authorization.k8s.io", "v1", "rolebindings", Namespaced;
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(self) -> String {
        match self.group() {
            "" => self.version().to_owned(),
            group => format!("{group}/{}", self.version()),
        }
    }

    /// The kind with this `apiVersion` and `kind`, if kreg knows it.
    #[must_use]
    pub fn find(api_version: &str, name: &str) -> Option<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name && kind.api_version() == api_version)
    }

    /// Whether deleting such an object can lose images, or take other people's objects with it.
    #[must_use]
    pub fn holds_data(self) -> bool {
        matches!(
            self,
            Kind::Namespace | Kind::PersistentVolume | Kind::PersistentVolumeClaim
        )
    }

    pub(crate) fn resource(self) -> ApiResource {
        ApiResource {
            group: self.group().to_owned(),
            version: self.version().to_owned(),
            api_version: self.api_version(),
            kind: self.name().to_owned(),
            plural: self.plural().to_owned(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_what_a_manifest_says() {
        for kind in Kind::ALL {
            assert_eq!(Kind::find(&kind.api_version(), kind.name()), Some(*kind));
        }
        assert_eq!(Kind::find("v1", "Deployment"), None);
    }
}
