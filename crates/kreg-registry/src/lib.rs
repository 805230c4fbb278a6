//! A client of the OCI distribution API that says what it saw, and moves whole images.
//!
//! URL, `Host` and SNI carry the registry's name; where the bytes go is up to a [`dial::Dial`]. So a
//! registry can be used whose name does not resolve here, through whatever leads to it.
//!
//! - [`RegistryClient`]: one registry, one user; manifests, blobs, uploads step by step, lists,
//!   deletion, and images out of archives ([`RegistryClient::push_archive`]) and into directories
//!   ([`RegistryClient::pull_layout`])
//! - [`dial`]: plain TCP, a local [`dial::Tunnel`], and the trait for other ways
//! - [`Transport`], [`roots_of_pem`], [`served_chain`]: TLS with exactly the given trust, and the
//!   chain that a server really serves
//! - [`Digest`], [`Descriptor`], [`Manifest`], [`MediaTypes`], [`Layer`]: what images consist of
//! - [`Repository`], [`Tag`], [`Reference`]: the names of the distribution specification
//!
//! No Kubernetes, and no TLS provider is installed process-wide; this crate names its own (aws-lc-rs).
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use kreg_auth::Credentials;
//! use kreg_registry::dial::TcpDial;
//! use kreg_registry::{RegistryClient, Repository, Tag, Transport};
//!
//! # async fn example(ca_pem: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let client = RegistryClient::new(
//!     "docker-registry:5000".parse()?,
//!     Arc::new(TcpDial::new("10.96.0.50:5000")),
//!     Transport::trusting(ca_pem)?,
//! )
//! .with_credentials(&Credentials::new("myuser", "mypasswd")?);
//! let (repository, tag): (Repository, Tag) = ("team/app".parse()?, "v1".parse()?);
//! let pushed = client.push_archive("app.tar", &repository, &tag).await?;
//! println!("{} has digest {}", tag, pushed.digest);
//! # Ok(())
//! # }
//! ```

mod archive;
mod archive_index;
mod blob_file;
mod blobs;
mod client;
mod connect;
mod descriptor;
pub mod dial;
mod error;
mod fault;
mod layer;
mod layout;
mod listing;
mod location;
mod manifest;
mod manifests;
mod name;
mod plan;
mod push;
mod source;
mod tls;
mod transport;
mod upload;

pub use client::{Answer, RegistryClient};
pub use descriptor::{Descriptor, Digest, DigestError, MediaTypes, Platform};
pub use error::{ApiError, RegistryError};
pub use fault::{ConnectError, TlsFault};
pub use kreg_auth::{Credentials, RegistryHost};
pub use layer::{Layer, LayerError};
pub use layout::{LayoutError, Pulled};
pub use listing::Pages;
pub use manifest::Manifest;
pub use name::{NameError, Reference, Repository, Tag};
pub use plan::ArchiveError;
pub use push::Pushed;
pub use tls::{ServedChain, TrustError, client_config, roots_of_pem, served_chain};
pub use transport::Transport;
pub use upload::Upload;

/// Compiles the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
