//! What a password-protected image registry needs on the side of its users:
//! htpasswd files, credentials, pull secrets and the registry's own name.
//!
//! Plain values in, plain values out: no network, no cluster, no async. The only
//! input and output is in [`PasswordSource`] and in the system's random generator.
//!
//! | Module type | What it is | Rules taken from |
//! |---|---|---|
//! | [`RegistryHost`] | `name:port` as it stands in an image reference | distribution's reference grammar |
//! | [`Credentials`] | a user name and a secret password the registry can take | RFC 7617, bcrypt's 72 bytes |
//! | [`PasswordRecipe`] | how to generate a password | |
//! | [`PasswordSource`] | where to read a password from, never argv | |
//! | [`Htpasswd`] | the registry's user file, edited without touching other lines | Apache `htpasswd(1)`, distribution's `htpasswd.go` |
//! | [`Cost`], [`HashKind`] | bcrypt's work factor; which hashes the registry takes | |
//! | [`PullSecret`] | a `kubernetes.io/dockerconfigjson` document | Kubernetes' `pkg/credentialprovider` |
//! | [`key_matches_image`] | whether the kubelet would use a key for an image | the same |
//!
//! ```
//! use kreg_auth::{Cost, Credentials, Htpasswd, PullSecret, RegistryHost};
//!
//! let host: RegistryHost = "docker-registry:5000".parse()?;
//! let alice = Credentials::generate("alice")?;
//!
//! // The registry's side: a file of users.
//! let mut users = Htpasswd::parse("# people\n");
//! users.add(&alice, Cost::MIN)?;
//! assert!(users.check("alice", alice.password()).is_accepted());
//!
//! // The cluster's side: the Secret that lets nodes pull as alice.
//! let secret = PullSecret::for_registry(&host, &alice);
//! assert_eq!(secret.credentials_for("docker-registry:5000/app:1").len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cost;
mod credentials;
mod generate;
mod hash;
mod host;
mod htpasswd;
mod image;
mod keyring;
mod pull_secret;
mod source;
mod user_list;

pub use cost::{Cost, CostError};
pub use credentials::{
    Credentials, CredentialsError, PASSWORD_MAX_BYTES, USERNAME_MAX_BYTES, check_password,
    check_username,
};
pub use generate::{PasswordRecipe, RecipeError};
pub use hash::HashKind;
pub use host::{HostError, RegistryHost};
pub use htpasswd::{Finding, Htpasswd, HtpasswdError, Problem, User, Verdict};
pub use keyring::key_matches_image;
pub use pull_secret::{Auth, PullSecret, PullSecretError};
pub use source::{PasswordSource, SourceError};
pub use user_list::UserListError;

/// The type in which every password of this crate travels: wiped when dropped, never
/// printed by `Debug`. Re-exported so that callers need not match versions.
pub use secrecy::{ExposeSecret, SecretString};
