//! What each node must hold to trust a registry: decided from facts, applied, journaled, undone.
//!
//! The middle is pure: [`NodeFacts`] and [`Trust`] in, a [`NodePlan`] (or the reasons against it)
//! out. The rim is one narrow trait, [`NodeTransport`], which runs a shell script on a node; what
//! the script does is written by [`NodeProgram`] and can be read before it runs.
//!
//! | To | use |
//! | --- | --- |
//! | say what nodes must trust, and how they find it | [`Trust`], [`NameMode`] |
//! | do it on many nodes: look, plan, trust, untrust | [`Fleet`], which gives a [`Receipt`] for each |
//! | reach nodes | [`ssh::Ssh`] by libssh2 or [`ssh::SystemSsh`] by the system's `ssh` (feature `ssh`), `daemonset::AgentPods` (feature `daemonset`), [`LocalRoot`], or your own [`NodeTransport`] |
//! | work on a cluster's nodes whatever the way to them | [`NodeAccess`]: `BySsh` (feature `ssh`), or your own |
//! | have remedies say what your program calls a setting | [`Worded`] |
//! | keep nodes that way, those that join later too | `daemonset::NodeAgent` |
//! | know that your own keeps all promises | [`conformance::check`], [`conformance::check_access`] |
//! | read facts, decide, print a diff | [`ProbeRequest`], [`NodeFacts::decode`], [`NodePlan::decide`] |
//! | have this very machine's clients trust it, for a while | [`this_machine`] |
//! | see what runs as root | [`NodeProgram::script`], [`Programs`] |
//! | only write or judge single files | [`containerd::hosts_toml`], [`hosts_file::Block`], [`containerd::ContainerdConfig`], `ssh::known_hosts` |
//!
//! ```
//! use kreg_nodes::{Fleet, InstanceId, LocalRoot, Node, State, Trust};
//!
//! # let dir = std::env::temp_dir().join(format!("kreg-nodes-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(dir.join("etc/containerd"))?;
//! # std::fs::write(dir.join("etc/containerd/config.toml"), "version = 2\n\
//! #     [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n")?;
//! # let ca_pem = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
//! let instance = InstanceId::new("docker-registry")?;
//! let trust = Trust::new(instance.clone(), "docker-registry:5000".parse()?, ca_pem)?
//!     .with_endpoint("10.96.0.50".parse()?);
//!
//! // A directory as a node; with `ssh::Ssh` in its place, real ones.
//! let transport = LocalRoot::new(&dir);
//! let (fleet, nodes) = (Fleet::new(&transport), [Node::new("node-1", "")]);
//! for receipt in fleet.trust(&nodes, &trust, &|done| println!("{done}")) {
//!     assert_eq!(receipt.state, State::Changed);
//! }
//! assert!(dir.join("etc/containerd/certs.d/docker-registry:5000/hosts.toml").exists());
//! assert_eq!(fleet.status(&nodes, &trust)[0].state, State::Unchanged);
//!
//! // What was there before is in /var/lib/kreg/docker-registry on the node, and comes back.
//! assert!(fleet.untrust(&nodes, &instance, &|_| {})[0].is_ok());
//! assert!(!dir.join("etc/containerd/certs.d").exists());
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing of a plan is secret: [`Trust`] takes no private key. Scripts reach nodes on standard
//! input, never in argv.

mod access;
mod advice;
pub mod conformance;
pub mod containerd;
pub mod containers;
#[cfg(feature = "daemonset")]
pub mod daemonset;
pub mod docker;
pub mod facts;
mod fleet;
pub mod hosts_file;
mod instance;
mod node;
mod plan;
mod program;
pub mod rancher;
mod receipt;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod this_machine;
pub mod transport;
mod trust;

#[cfg(feature = "ssh")]
pub use access::BySsh;
pub use access::{AccessError, ByHand, NodeAccess, Programs, Worded, Words};
pub use advice::Advice;
pub use facts::{FactsError, NodeFacts, Reach, RunningRuntime, Vitals};
pub use fleet::{Fleet, PlanOutcome};
pub use instance::{InstanceError, InstanceId};
pub use node::Node;
pub use plan::{
    Change, Edit, EditKind, NodePlan, Refusal, RefusalKind, Refused, Restart, Writes, client_files,
};
pub use program::{
    Answer, AnswerError, Marking, NodeProgram, ProbeRequest, RegistryId, RegistryIdError,
    STORAGE_MARKER, STORAGE_OWNER, StorageDir, StorageDirError, quote,
};
pub use receipt::{FileReport, FileStatus, Receipt, State};
pub use transport::{LocalRoot, NodeTransport, Output, TransportError, TransportErrorKind};
pub use trust::{NameMode, Trust, TrustError};

/// Compiles the README's example.
#[cfg(all(doctest, feature = "ssh"))]
#[doc = include_str!("../README.md")]
struct Readme;
