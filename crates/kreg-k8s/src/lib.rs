//! The registry's Kubernetes objects as values: render, compare, apply, wait, take away.
//!
//! The middle of this crate is pure. A [`Place`] says which registry is meant, a [`RegistrySpec`] what it should be; both
//! are always valid. The spec and a [`Material`] (certificates and passwords) become [`Manifests`], which can be printed,
//! compared and tested without a cluster. The rim is one narrow trait, [`Cluster`], with a backend for real API servers,
//! [`LiveCluster`], and one for folders of YAML, [`FolderCluster`]; [`conformance`] says what any other must do.
//!
//! | step | what does it |
//! |---|---|
//! | is the cluster fit | [`ClusterFacts::read`], [`ClusterFacts::check`], [`claim::check`], [`address::check`] |
//! | what is there already | [`RegistryState::read`] |
//! | may we do it | [`rights::check`]; [`rights::yaml`] as RBAC |
//! | what would change | [`plan()`] |
//! | change it | [`apply::apply`]: [`Manifests::foundation`], then [`Manifests::full`] |
//! | has somebody edited it, or added to it | [`drift()`] |
//! | wait | [`wait::storage_ready`], [`wait::registry_ready`] |
//! | serve read-only, and as usual again | [`Turn`], [`settle`] |
//! | pulls in other namespaces | [`pull::attach`], [`pull::refresh`], [`pull::detach`] |
//! | take it away | [`down::plan_down`], [`down::down`] |
//!
//! ```no_run
//! use std::time::Duration;
//! use kreg_k8s::{ApplyOptions, Connection, LiveCluster, Manifests, Material, Place, Profile, RegistrySpec, apply, wait};
//!
//! # async fn example(issue: impl Fn(std::net::IpAddr) -> Material) -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = LiveCluster::connect(&Connection::default()).await?;
//! let spec = RegistrySpec::new(Place::new(Profile::Default));
//!
//! // The certificate has to name the Service's address, which exists only once the Service does.
//! let foundation = Manifests::foundation(&spec);
//! apply::apply(&cluster, &foundation, ApplyOptions::default(), &|_| {}).await?;
//! let address = apply::cluster_ip(&cluster, &foundation).await?;
//!
//! let spec = spec.with_cluster_ip(Some(address));
//! let waiting = wait::Wait::new(Duration::from_secs(120), &|_| {});
//! wait::storage_ready(&cluster, &spec, &waiting).await?;
//! let applied = apply::apply(&cluster, &Manifests::full(&spec, &issue(address)), ApplyOptions::default(), &|_| {}).await?;
//! wait::registry_ready(&cluster, spec.place(), &waiting).await?;
//! println!("{} objects", applied.changes.len());
//! # Ok(())
//! # }
//! ```

mod additions;
pub mod address;
pub mod apply;
mod cause;
mod change;
pub mod claim;
mod cluster;
mod complaints;
pub mod conformance;
mod connection;
pub mod declared;
mod diagnose;
mod diff;
mod digest;
pub mod down;
mod drift;
mod error;
mod facts;
mod folder;
mod inventory;
mod kind;
mod live;
mod maintenance;
mod managed_fields;
mod manifests;
mod material;
pub mod names;
mod object;
mod object_ref;
pub mod occupants;
mod place;
mod plan;
mod profile;
mod progress;
pub mod pull;
mod record;
mod recorded;
mod reset;
mod retry;
mod right;
pub mod rights;
mod rules;
mod s3;
pub mod secret;
mod spec;
mod startup_taint;
mod state;
mod storage;
pub mod taint;
mod unfit;
pub mod wait;

pub use apply::Applied;
pub use cause::{Cause, Remedy};
pub use change::{Action, Change};
pub use cluster::{ApplyMode, CREATE_MANAGER, Cluster, Deleted, FIELD_MANAGER, Patcher, Query};
pub use complaints::complaints;
pub use connection::Connection;
pub use diagnose::{PodState, explain, pod_state, warnings};
pub use diff::{FieldDiff, diff};
pub use down::{DownOptions, Kept, NodeDirectory, Removal};
pub use drift::{Drift, drift};
pub use error::{Error, FieldConflict, ForeignObject};
pub use facts::{ClusterFacts, NodeFact, StorageClassFact};
pub use folder::FolderCluster;
pub use inventory::{Entry, Inventory, SCHEMA, Shared};
pub use kind::{Kind, Scope};
pub use live::LiveCluster;
pub use maintenance::{Turn, settle};
pub use managed_fields::{Edit, blame};
pub use manifests::serving::Serving;
pub use manifests::{Manifests, Stage};
pub use material::{Material, S3Keys, Versions};
pub use names::{Names, REGISTRY_UID};
pub use object::Object;
pub use object_ref::ObjectRef;
pub use place::Place;
pub use plan::{ApplyOptions, Plan, plan};
pub use profile::Profile;
pub use progress::{Progress, Watcher};
pub use recorded::Declared;
pub use retry::Retry;
pub use rules::SpecError;
pub use s3::S3Bucket;
pub use spec::{RegistrySpec, Resources};
pub use state::{RegistryState, WorkloadState};
pub use storage::{HostDirectory, Storage};
pub use unfit::Unfit;

// So that callers need not match versions.
pub use futures::future::BoxFuture;
pub use kreg_stream::PodStreams;
pub use secrecy::{ExposeSecret, SecretString};
pub use serde_json::Value;

// The README's example compiles and runs with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
