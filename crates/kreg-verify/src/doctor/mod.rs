//! What is wrong with a registry, and why: observations in, ranked diagnoses out.
//!
//! The core is pure. [`Observations`] are plain values that the caller gathers;
//! [`examine`] puts every rule to them and returns [`Diagnosis`]es, root causes first, with what
//! follows from each folded under it. A registry that is well gives none.
//!
//! ```
//! use kreg_verify::doctor::{Observations, Signature, Workload, examine};
//!
//! let seen = Observations {
//!     workload: Some(Workload {
//!         object: "Deployment kreg-system/docker-registry".to_owned(),
//!         wanted: 0,
//!         ..Workload::default()
//!     }),
//!     ..Observations::default()
//! };
//! let found = examine(&seen);
//! assert_eq!(found[0].id, Signature::ScaledToZero);
//! println!("{}", found[0]);
//! ```

mod diagnosis;
mod fix;
mod hosts_toml;
mod masked;
mod node_seen;
mod observations;
mod policy;
mod proof;
mod proxy;
mod rank;
mod rules;
mod signature;

pub use diagnosis::{Diagnosis, Severity};
pub use fix::{Action, Change, Fix, TakeOver};
pub use node_seen::{Contact, NodeFile, NodeRefusal, NodeSeen, Route, RuntimeSeen};
pub use observations::{
    Answers, Auth, Certificates, ChangedObject, Claim, HtpasswdFinding, LintFinding, Login,
    Observations, PodName, PodSeen, Policy, PullSecretSeen, PullSeen, Registry, ServiceSeen,
    Storage, StorageClass, Unmanaged, Upload, Workload,
};
pub use policy::{admits_nodes, chooses};
pub use proof::{FailedCheck, unexplained};
pub use proxy::swallows;
pub use signature::Signature;

/// Every diagnosis that the observations give, root causes first.
#[must_use]
pub fn examine(seen: &Observations) -> Vec<Diagnosis> {
    let found = rules::ALL.iter().flat_map(|rule| rule(seen)).collect();
    rank::ranked(rules::with_changes(found))
}

#[cfg(test)]
mod tests;
