//! A manifest or an index as bytes.

use crate::descriptor::Digest;

/// A manifest or an index, with the exact bytes that its digest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Such as [`crate::MediaTypes::DOCKER`]`.manifest`.
    pub media_type: String,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// The document.
    pub bytes: Vec<u8>,
}

impl Manifest {
    /// A manifest of these bytes.
    #[must_use]
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Manifest {
        Manifest {
            media_type: media_type.to_owned(),
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}
