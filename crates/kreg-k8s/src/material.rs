//! The certificates, keys and passwords that go into the registry's Secrets.

use secrecy::SecretString;

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
}
