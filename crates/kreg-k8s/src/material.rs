//! The certificates, keys and passwords that go into the registry's Secrets.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{digest::sha256_hex, object_ref::ObjectRef};

/// `metadata.resourceVersion` of Secrets that were read.
pub type Versions = BTreeMap<ObjectRef, String>;

/// What the Secrets hold. `Debug` shows nothing secret.
#[derive(Debug, Clone)]
pub struct Material {
    /// The registry's certificate chain, leaf first, PEM.
    pub tls_chain_pem: String,
    /// The leaf's private key, PEM.
    pub tls_key_pem: SecretString,
    /// Every CA certificate a client has to trust, PEM. In the tutorial profile the leaf vouches for itself, and this is
    /// not stored apart.
    pub ca_bundle_pem: String,
    /// The CA's private key, PEM; `None` where it is kept outside the cluster. Not used by the tutorial profile.
    pub ca_key_pem: Option<SecretString>,
    /// Text of the htpasswd file, bcrypt hashes only.
    pub htpasswd: SecretString,
    /// distribution's `http.secret`, which signs upload state; any long random text. Not used by the tutorial profile.
    pub http_secret: SecretString,
    /// Text of the `.dockerconfigjson` for pulls.
    pub docker_config_json: SecretString,
    /// Keys of the S3 server; needed for [`crate::Storage::S3`], else not used.
    pub s3: Option<S3Keys>,
}

/// Access key and secret key of an S3 server, which let in to the bucket and nothing more.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// `AWS_ACCESS_KEY_ID`; a name, not a secret.
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: SecretString,
}

impl S3Keys {
    /// Hex SHA-256 of both; a Pod reads them at its start only. The secret key is random and long, so this tells nothing.
    pub(crate) fn checksum(&self) -> String {
        let text = format!("{}\n{}", self.access_key, self.secret_key.expose_secret());
        sha256_hex(text.as_bytes())
    }
}
