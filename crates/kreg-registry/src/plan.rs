//! What is to be pushed, and why it cannot be.

use std::io;
use std::path::{Path, PathBuf};

use crate::descriptor::Digest;
use crate::error::RegistryError;
use crate::manifest::Manifest;

/// Why an image could not be pushed out of an archive or a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not an image.
    #[error("{} cannot be pushed: {what}", path.display())]
    Format {
        /// Which file or directory.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The registry refused.
    #[error("cannot push {}", path.display())]
    Push {
        /// Which file or directory.
        path: PathBuf,
        /// What the registry said.
        source: Box<RegistryError>,
    },
}

impl ArchiveError {
    pub(crate) fn format(path: &Path, what: impl Into<String>) -> ArchiveError {
        ArchiveError::Format {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// A blob and where its bytes lie.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
}

/// Everything to push, in order; temporary files live as long as this.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) blobs: Vec<Source>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) compressed: Vec<tempfile::TempPath>,
}
