//! CRI-O, podman, skopeo, buildah: what containers/image reads of a node.
//!
//! A redirect in `registries.conf` would lead a name to an address without a line in `/etc/hosts`,
//! and is of no use here: containers/image keeps the credentials of a request, such as a Pod's pull
//! secret, from any host but the one that the image is named after (`docker/docker_image_src.go`),
//! so that a registry with a password answers 401.

mod certs;
mod places;
mod policy;
mod registries;

pub use certs::faults;
pub use places::Places;
pub(crate) use places::exists;
pub use policy::{Demand, Policy, Rule};
pub use registries::{RegistriesConf, RegistriesConfError, RegistryTable};

/// Certificates by registry; before Docker's own directory, which is read too (containers/image
/// `docker/docker_client.go`).
pub const CERTS_D: &str = "/etc/containers/certs.d";

/// The main file about registries.
pub const REGISTRIES_CONF: &str = "/etc/containers/registries.conf";

/// Files that are read after it, in the order of their names (containers-registries.conf.d(5)).
pub const DROP_INS: &str = "/etc/containers/registries.conf.d";

/// Which images may be used (containers-policy.json(5)).
pub const POLICY: &str = "/etc/containers/policy.json";
