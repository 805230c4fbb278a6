//! What repairs a failed check, as data.

use serde::{Deserialize, Serialize};

/// What repairs a failed check, where kreg can do that. Which command or call does it is up to the
/// program that shows the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Remedy {
    /// Apply the registry's objects again.
    Apply,
    /// Apply the registry's objects again, or restart its Pods.
    ApplyOrRestart,
    /// Apply the pull secret again.
    ApplyPullSecret,
    /// Issue the first leaf.
    IssueLeaf,
    /// Renew the CA, and the leaf with it.
    RenewCa,
    /// Renew the leaf.
    RenewLeaf,
    /// Make the nodes trust the registry.
    Trust,
    /// Make the nodes trust the registry, and compare what they hold with what they must hold.
    TrustAndCompare,
}
