//! Certificates and passwords cannot be decided on.

use super::BoxError;
use crate::made::Reason;

/// Why certificates and passwords could not be decided on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MaterialError {
    /// The CA's certificate got lost, or was never stored.
    #[error("there is a CA key, but the cluster holds no certificate for it")]
    KeyWithoutCertificate,
    /// The CA and its key do not fit.
    #[error("the CA that the cluster holds cannot be used")]
    Authority {
        /// Whether its key came from outside the cluster.
        key_is_outside: bool,
        /// What is wrong with it.
        source: kreg_pki::Error,
    },
    /// Something must be signed, and nobody here can.
    #[error(
        "a new certificate is needed ({reason}), but the CA's private key is not in the cluster"
    )]
    NoCaKey {
        /// Why a new one is needed.
        reason: Reason,
    },
    /// The certificate that was issued elsewhere does not fit this registry.
    #[error("the certificate that was given cannot serve this registry")]
    External(#[source] kreg_pki::Error),
    /// A user name or password that no registry takes.
    #[error("these credentials would not work with a registry")]
    Credentials(#[from] kreg_auth::CredentialsError),
    /// A user name that this crate needs for itself.
    #[error("user {name} cannot be: names that begin with {prefix} are kreg's own")]
    ReservedUser {
        /// The name.
        name: String,
        /// What such names begin with.
        prefix: &'static str,
    },
    /// What is held cannot be read, or something could not be made.
    #[error("{tried}")]
    Failed {
        /// What was tried.
        tried: &'static str,
        /// What went wrong.
        source: BoxError,
    },
}

impl MaterialError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        use MaterialError as E;
        matches!(
            self,
            E::Credentials(_) | E::ReservedUser { .. } | E::External(_)
        )
    }
}
