//! What no image needs.

/// Blobs: layers, configurations and manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blobs {
    /// Their digests.
    pub digests: Vec<String>,
    /// How many bytes they take; `None` where the storage does not say (S3).
    pub bytes: Option<u64>,
}
