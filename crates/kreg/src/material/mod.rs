//! Which certificates and passwords a registry gets. What the cluster holds is kept for as long as it serves, so that
//! what is applied again changes nothing, and no client has to trust something new.

mod certificate;
mod made;
mod passwords;

use kreg_auth::{Cost, Credentials, RegistryHost, SecretString};
use kreg_k8s::{Material, Profile, RegistryState, S3Keys};
use kreg_pki::{External, San};
use time::OffsetDateTime;

pub use self::made::{Made, Reason};
use crate::error::BoxError;
use crate::witness;

/// What is there already, read back from the cluster.
#[derive(Debug, Default)]
pub struct Held {
    /// The registry's chain, leaf first.
    pub tls_chain_pem: Option<String>,
    /// The leaf's key.
    pub tls_key_pem: Option<SecretString>,
    /// What clients trust.
    pub ca_bundle_pem: Option<String>,
    /// The CA's key, where it is in the cluster.
    pub ca_key_pem: Option<SecretString>,
    /// The users file.
    pub htpasswd: Option<SecretString>,
    /// The registry's `http.secret`.
    pub http_secret: Option<SecretString>,
    /// The pull Secret.
    pub docker_config_json: Option<SecretString>,
    /// Keys of an S3 server.
    pub s3: Option<S3Keys>,
}

impl From<&RegistryState> for Held {
    fn from(state: &RegistryState) -> Self {
        Held {
            tls_chain_pem: state.tls_chain_pem.clone(),
            tls_key_pem: state.tls_key_pem.clone(),
            ca_bundle_pem: state.ca_bundle_pem.clone(),
            ca_key_pem: state.ca_key_pem.clone(),
            htpasswd: state.htpasswd.clone(),
            http_secret: state.http_secret.clone(),
            docker_config_json: state.docker_config_json.clone(),
            s3: state.s3.clone(),
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// Whether a CA signs, or the certificate is its own anchor.
    pub profile: Profile,
    /// The registry's name; its CA is called after it.
    pub instance: &'a str,
    /// Host and port of image names.
    pub host: &'a RegistryHost,
    /// Every name and address that the leaf must cover.
    pub sans: Vec<San>,
    /// For how many days a leaf is issued.
    pub leaf_days: Option<u32>,
    /// For how many days a CA is made.
    pub ca_days: Option<u32>,
    /// Who pulls and pushes.
    pub user: Option<&'a str>,
    /// With this password; without one, the one that is there, or a new one.
    pub password: Option<SecretString>,
    /// What a guess at a password costs.
    pub cost: Cost,
    /// Where the CA's key is kept.
    pub ca_key: CaKey,
    /// A certificate that was issued elsewhere, in place of one of a CA of its own.
    pub external: Option<&'a External>,
    /// Keys of an S3 server that are given now.
    pub s3: Option<S3Keys>,
    /// The time by which certificates are judged and made.
    pub now: OffsetDateTime,
}

/// The place of the CA's private key.
#[derive(Debug)]
pub enum CaKey {
    /// A Secret.
    InCluster,
    /// A file of the operator's; `None` as long as it does not exist.
    Outside(Option<SecretString>),
}

/// What the registry gets.
#[derive(Debug)]
pub struct Decision {
    /// All that goes into the cluster.
    pub material: Material,
    /// What pulls and pushes are done with.
    pub credentials: Credentials,
    /// A new CA key for the operator's file, to be written before anything that depends on it.
    pub new_ca_key: Option<SecretString>,
    /// What was made, and why. Nothing if all was kept.
    pub made: Vec<Made>,
}

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
    #[error(
        "user {name} cannot be: names that begin with {} are kreg's own",
        witness::PREFIX
    )]
    ReservedUser {
        /// The name.
        name: String,
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

/// Says what was tried.
trait Tried<T> {
    fn tried(self, what: &'static str) -> Result<T, MaterialError>;
}

impl<T, E: Into<BoxError>> Tried<T> for Result<T, E> {
    fn tried(self, tried: &'static str) -> Result<T, MaterialError> {
        self.map_err(|source| MaterialError::Failed {
            tried,
            source: source.into(),
        })
    }
}

/// Whether a user of this name can pull and push.
///
/// # Errors
/// [`MaterialError::Credentials`] or [`MaterialError::ReservedUser`].
pub fn check_user(name: &str) -> Result<(), MaterialError> {
    witness::refuse_name(name)?;
    Ok(kreg_auth::check_username(name)?)
}

/// What the registry gets: what is held if it serves, and what is missing.
///
/// # Errors
/// [`MaterialError`].
pub fn decide(request: Request<'_>, held: &Held) -> Result<Decision, MaterialError> {
    let mut made = Vec::new();
    let tls = certificate::decide(&request, held, &mut made)?;
    let (credentials, htpasswd, docker_config_json) = passwords::decide(&request, held, &mut made)?;
    let http_secret = match &held.http_secret {
        Some(secret) => secret.clone(),
        None => Credentials::generate("http")
            .tried("cannot make the registry's http.secret")?
            .password()
            .clone(),
    };
    Ok(Decision {
        material: Material {
            tls_chain_pem: tls.leaf.chain_pem(),
            tls_key_pem: tls.leaf.key_pem().clone(),
            ca_bundle_pem: tls.bundle_pem,
            ca_key_pem: tls.ca_key_pem,
            htpasswd,
            http_secret,
            docker_config_json,
            s3: request.s3.or_else(|| held.s3.clone()),
        },
        credentials,
        new_ca_key: tls.new_ca_key,
        made,
    })
}

#[cfg(test)]
mod tests;
