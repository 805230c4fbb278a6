//! Which registry is meant is not clear, or it is not up.

use kreg_k8s::{ObjectRef, Profile, SpecError};

use super::BoxError;

/// Why it is not clear which registry is meant, or why it cannot be there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is none.
    #[error("there is no registry {instance} in namespace {namespace}")]
    NotThere {
        /// Its name.
        instance: String,
        /// Its namespace.
        namespace: String,
    },
    /// There are more than one, and none is named.
    #[error("there are {} registries: {}", .0.len(), .0.join(", "))]
    Several(
        /// Namespace and name of each, as `NAMESPACE/NAME`.
        Vec<String>,
    ),
    /// A name is one registry's in the whole cluster: its nodes keep their journal by it, and its volume is known by it.
    #[error(
        "there is a registry {instance} already, in namespace {namespace} with profile {profile}; nothing was changed"
    )]
    Claimed {
        /// Its name.
        instance: String,
        /// Where it is.
        namespace: String,
        /// Of which profile it is.
        profile: Profile,
    },
    /// What is to be taken away is somewhere else.
    #[error(
        "registry {instance} is not in namespace {meant} but in namespace {namespace}, with profile {profile}; nothing was changed"
    )]
    Elsewhere {
        /// Its name.
        instance: String,
        /// Where it was thought to be.
        meant: String,
        /// Where it is.
        namespace: String,
        /// Of which profile it is.
        profile: Profile,
    },
    /// There is an inventory of an earlier kreg, which everybody who can write a ConfigMap could have made.
    #[error(
        "{object} says that an earlier kreg put registry {instance} up there, of {objects} objects, with image {image}; \
         no cluster-scoped record confirms it; nothing was changed"
    )]
    Unconfirmed {
        /// The inventory.
        object: Box<ObjectRef>,
        /// The registry's name.
        instance: String,
        /// How many objects it lists.
        objects: usize,
        /// The image it names.
        image: String,
        /// Its namespace.
        namespace: String,
    },
    /// What is recorded is not valid.
    #[error("the record of registry {instance} is not valid")]
    Record {
        /// Its name.
        instance: String,
        /// What is wrong with it.
        source: SpecError,
    },
    /// There is no way to a cluster.
    #[error("cannot connect to a cluster")]
    Connection(#[source] BoxError),
    /// The cluster cannot be read.
    #[error("cannot read what the cluster is like; nothing was changed")]
    Cluster(#[source] BoxError),
}

impl FindError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            FindError::NotThere { .. } | FindError::Record { .. } => false,
            FindError::Cluster(cause) => matches!(
                cause.downcast_ref(),
                Some(kreg_k8s::Error::Kubeconfig { .. })
            ),
            _ => true,
        }
    }
}

/// What a registry lacks before clients can use it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotUp {
    /// Its Service has no address.
    #[error("the registry {0} has no address yet")]
    Address(
        /// Its name.
        String,
    ),
    /// It has no certificate.
    #[error("the registry {0} has no certificate yet")]
    Certificate(
        /// Its name.
        String,
    ),
    /// Its record does not say what it should be: an older kreg put it up.
    #[error("the cluster does not say what the registry {0} should be")]
    NotRecorded(
        /// Its name.
        String,
    ),
    /// Its pull Secret holds no credentials for it.
    #[error("{secret} holds no credentials for {registry}")]
    Credentials {
        /// The pull Secret.
        secret: Box<ObjectRef>,
        /// Host and port.
        registry: String,
    },
    /// Its pull Secret cannot be read.
    #[error("cannot use what {secret} holds")]
    Unreadable {
        /// The pull Secret.
        secret: Box<ObjectRef>,
        /// What is wrong with it.
        source: BoxError,
    },
}
