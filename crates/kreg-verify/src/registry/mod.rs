//! A client of the OCI distribution API that says what it saw, over any [`crate::dial::Dial`].

mod archive;
mod archive_index;
mod blob_file;
mod blobs;
mod client;
mod connect;
mod error;
mod layout;
mod listing;
mod location;
mod manifests;
mod name;
mod push;
mod source;
mod tls;
mod upload;

pub use client::{Answer, RegistryClient, Transport};
pub use connect::ConnectError;
pub(crate) use error::with_causes;
pub use error::{ApiError, RegistryError};
pub use layout::{LayoutError, Pulled};
pub use listing::Pages;
pub use name::{NameError, Reference, Repository, Tag};
pub use push::{ArchiveError, Pushed};
pub use tls::{ServedChain, TlsFault, TrustError, client_config, roots_of_pem, served_chain};
pub use upload::Upload;
