//! The two sets of objects that a registry may be made of.

use std::fmt;

/// Which set of objects to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Profile {
    /// A hardened Deployment in a namespace of its own that enforces Pod Security `restricted`.
    Default,
    /// The objects of the well-known tutorial, by its names: a bare Pod in `default`, a static hostPath volume,
    /// `certs-secret`, `auth-secret`, `reg-cred-secret`.
    Tutorial,
}

/// The name by which it is chosen.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Default => "default",
            Profile::Tutorial => "tutorial",
        })
    }
}
