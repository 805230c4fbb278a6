//! What certificates and passwords are decided by.

use kreg_auth::{Cost, RegistryHost, SecretString};
use kreg_k8s::{Profile, RegistryState, S3Keys};
use kreg_pki::{External, San};
use time::OffsetDateTime;

use crate::error::{BoxError, MaterialError};

/// What is there already, read back from the cluster.
#[derive(Debug, Default)]
pub(crate) struct Held {
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
pub(crate) struct Request<'a> {
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
pub(crate) enum CaKey {
    /// A Secret.
    InCluster,
    /// A file of the operator's; `None` as long as it does not exist.
    Outside(Option<SecretString>),
}

/// Says what was tried.
pub(super) trait Tried<T> {
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
