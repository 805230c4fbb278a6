//! Proof that a registry works: checks with evidence, negative controls, a pull on every node.
//!
//! A [`Verification`] takes a [`Target`] and a way to it ([`kreg_registry::dial`]), builds an [`image`] that nobody
//! has seen, and puts claims to the test: that the certificate as served is good, that the user gets
//! in and nobody else does, that the image can be pushed, listed and pulled, and that the kubelet of
//! every node pulls and runs it ([`pods`]). What comes out is a [`Report`].
//!
//! - [`check`]: the [`Check`] trait, for checks of one's own, and what they see
//! - [`checks`]: the built-in ones that need no node
//! - [`image`]: the probe image, built in memory for six architectures
//! - [`doctor`]: what is wrong and why: observations in, ranked diagnoses out
//!
//! With feature `cluster`: [`pods`], the proof on nodes; [`watch`], pulls on every node again and again,
//! counted; [`PodDial`], the way to a Pod behind a Service, through the API server; [`LoginProbe`],
//! whether every Pod lets a user in. With feature `reports`: a [`Report`] as an HTML page or JUnit XML,
//! in a file ([`ReportFile`]), and as a [`table()`] for a terminal.
//!
//! No TLS provider is installed process-wide; this crate names its own (aws-lc-rs).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use kreg_auth::Credentials;
//! use kreg_registry::dial::TcpDial;
//! use kreg_verify::{Target, Verdict, Verification};
//!
//! # async fn example(ca_pem: String) -> Result<(), Box<dyn std::error::Error>> {
//! let target = Target {
//!     host: "docker-registry:5000".parse()?,
//!     ca_pem,
//!     credentials: Credentials::new("myuser", "mypasswd")?,
//! };
//! let dial = Arc::new(TcpDial::new("10.96.0.50:5000"));
//! let report = Verification::new(target, dial).run().await?;
//! for check in &report.checks {
//!     println!("{check}");
//! }
//! assert_eq!(report.verdict, Verdict::Pass);
//! # Ok(())
//! # }
//! ```

mod causes;
pub mod check;
pub mod checks;
mod cleanup;
pub mod doctor;
#[cfg(any(feature = "cluster", feature = "reports"))]
mod file;
pub mod image;
mod litter;
#[cfg(feature = "cluster")]
mod login;
mod node_checks;
#[cfg(feature = "cluster")]
mod pod_dial;
#[cfg(feature = "cluster")]
pub mod pods;
mod pull_failure;
mod remedy;
mod report;
mod schedule;
mod selection;
#[cfg(feature = "reports")]
mod table;
mod verification;
mod verify_error;
#[cfg(feature = "cluster")]
pub mod watch;

#[cfg(feature = "cluster")]
pub use kreg_stream::PodStreams;

pub use check::{Check, Context, Evidence, Outcome, Status, Target};
pub use checks::NodeTrust;
pub use litter::Litter;
#[cfg(feature = "cluster")]
pub use login::{LoginAnswer, LoginError, LoginProbe};
#[cfg(feature = "cluster")]
pub use pod_dial::{PodDial, PodDialError};
#[cfg(feature = "cluster")]
pub use pods::NodePulls;
pub use pull_failure::PullFailure;
pub use remedy::Remedy;
#[cfg(feature = "reports")]
pub use report::file::{ReportFile, ReportFileError};
#[cfg(feature = "reports")]
pub use report::junit::JunitError;
pub use report::{CheckReport, Report, SCHEMA, Verdict};
pub use selection::CHECKS;
#[cfg(feature = "reports")]
pub use table::table;
pub use verification::Verification;
pub use verify_error::{Lack, VerifyError};

/// Compiles the README's example.
#[cfg(all(doctest, feature = "cluster", feature = "reports"))]
#[doc = include_str!("../README.md")]
struct Readme;
