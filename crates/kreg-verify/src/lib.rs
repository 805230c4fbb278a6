//! Proof that a registry works: checks with evidence, negative controls, a pull on every node.
//!
//! A [`Verification`] takes a [`Target`] and a way to it ([`dial`]), builds an [`image`] that nobody
//! has seen, and puts claims to the test: that the certificate as served is good, that the user gets
//! in and nobody else does, that the image can be pushed, listed and pulled, and that the kubelet of
//! every node pulls and runs it ([`pods`]). What comes out is a [`Report`].
//!
//! - [`check`]: the [`Check`] trait, for checks of one's own, and what they see
//! - [`checks`]: the built-in ones that need no node
//! - [`pods`]: the proof on nodes
//! - [`watch`]: pulls on every node again and again, counted
//! - [`registry`]: a client of the distribution API
//! - [`dial`]: straight TCP, a Pod behind a Service through the API server, a local [`dial::Tunnel`]
//! - [`image`]: the probe image, built in memory for six architectures
//! - [`doctor`]: what is wrong and why: observations in, ranked diagnoses out
//!
//! No TLS provider is installed process-wide; this crate names its own (aws-lc-rs).
//!
//! ```no_run
//! use kreg_auth::Credentials;
//! use kreg_verify::{NodePulls, Target, Verdict, Verification};
//!
//! # async fn example(streams: kreg_verify::PodStreams, ca_pem: String) -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target {
//!     host: "docker-registry:5000".parse()?,
//!     ca_pem,
//!     credentials: Credentials::new("myuser", "mypasswd")?,
//! };
//! let client = streams.requests().clone();
//! let pulls = NodePulls::new(client, "default", Some("reg-cred-secret".to_owned()));
//! let report = Verification::of_cluster(target, streams, "default", "docker-registry")
//!     .on_nodes(pulls)
//!     .run()
//!     .await?;
//! for check in &report.checks {
//!     println!("{check}");
//! }
//! assert_eq!(report.verdict, Verdict::Pass);
//! # Ok(())
//! # }
//! ```

pub mod check;
pub mod checks;
mod cleanup;
pub mod dial;
pub mod doctor;
pub mod image;
mod litter;
pub mod pods;
pub mod registry;
mod report;
mod verification;
pub mod watch;

pub use kreg_stream::PodStreams;

pub use check::{Check, Context, Evidence, Outcome, Status, Target};
pub use checks::NodeTrust;
pub use litter::Litter;
pub use pods::NodePulls;
pub use report::{CheckReport, JunitError, Report, SCHEMA, Verdict};
pub use verification::{CHECKS, Verification, VerifyError};

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
