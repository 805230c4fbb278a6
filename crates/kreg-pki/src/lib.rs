//! A private CA for an image registry, and everything around it that goes
//! wrong in practice: authority, server certificates, trust bundles, lint,
//! rotation.
//!
//! | To | use |
//! | --- | --- |
//! | make or load a CA and sign server certificates | [`Authority`], [`LeafRequest`], [`Leaf`] |
//! | use one self-signed certificate, or one from outside | [`SelfSigned`], [`External`]; all three are an [`Issuer`] |
//! | read `ca.crt` as people write it, merge, compare | [`TrustBundle`] |
//! | look into a certificate | [`Certificate`], [`View`] |
//! | find out what is wrong, and which clients refuse it | [`lint`] |
//! | find out what Go, OpenSSL and rustls each read of a PEM file | [`readers`] |
//! | replace the CA without cutting off a node | [`rotation`] |
//! | write a key file | [`write_secret_file`] |
//!
//! ```
//! use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest};
//!
//! let ca = Authority::generate(&AuthorityRequest::new("docker-registry"))?;
//! let leaf = ca.issue(
//!     &LeafRequest::new("docker-registry")
//!         .sans(["docker-registry".parse()?, "10.96.0.50".parse()?]),
//! )?;
//! assert!(leaf.covers(&"10.96.0.50".parse()?));
//! assert!(leaf.certificate().is_issued_by(ca.certificate()));
//! # Ok::<(), kreg_pki::Error>(())
//! ```
//!
//! Key generation and signatures come from aws-lc-rs through rcgen. The crate
//! never installs a process-wide crypto provider and never reads the system's
//! trust store.

mod authority;
mod blocks;
mod bundle;
mod certificate;
mod error;
mod external;
mod issuer;
mod key;
mod leaf;
pub mod lint;
pub mod readers;
mod request;
pub mod rotation;
mod san;
mod secret_file;
mod self_signed;
mod signature;
mod view;

pub use authority::Authority;
pub use bundle::TrustBundle;
pub use certificate::{Certificate, PublicKey};
pub use error::Error;
pub use external::External;
pub use issuer::Issuer;
pub use key::{KeyAlgorithm, PrivateKey};
pub use leaf::Leaf;
pub use request::{AuthorityRequest, BACKDATE, LEAF_DAYS, LeafRequest};
pub use san::San;
pub use secret_file::{write_new_secret_file, write_secret_file};
pub use self_signed::SelfSigned;
pub use view::View;

/// The type in which every key of this crate travels: wiped when dropped, never printed by
/// `Debug`. Re-exported, as is [`time`], so that callers need not match versions.
pub use secrecy::{ExposeSecret, SecretString};
pub use time;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
