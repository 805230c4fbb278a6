//! Pulls an image into a directory: an OCI image layout, which skopeo, BuildKit and podman read.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::fs;
use tokio::task::JoinSet;

use crate::archive::{ImageManifest, Index};
use crate::blob_file::BlobFile;
use crate::client::RegistryClient;
use crate::descriptor::{Digest, MediaTypes};
use crate::error::RegistryError;
use crate::manifest::Manifest;
use crate::name::{Reference, Repository};
use crate::push::AT_A_TIME;
use crate::source::blob_name;

/// What was pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of the image or index.
    pub digest: Digest,
    /// Blobs that were fetched.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Why an image could not be pulled into a directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The directory cannot be written to.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What the registry calls a manifest is none.
    #[error("the manifest {digest} cannot be understood: {what}")]
    Manifest {
        /// Which.
        digest: Digest,
        /// What is wrong with it.
        what: String,
    },
    /// The registry refused, or sent something else.
    #[error("cannot pull the image")]
    Pull(#[from] RegistryError),
}

impl RegistryClient {
    /// Pulls an image, with every platform if it is an index, into the OCI image layout `folder`, which is
    /// made if it is not there. Four blobs travel at a time; memory stays constant in their size.
    ///
    /// Each blob is written beside its name and gets it once its digest is right; `index.json` comes last.
    /// Nothing is synced to the disk, as skopeo and crane do not either: a layout is a copy of what the
    /// registry has, its readers check digests, and after a power cut it is pulled again.
    ///
    /// # Errors
    /// [`LayoutError`] if the registry refuses or the directory cannot be written to.
    pub async fn pull_layout(
        &self,
        repository: &Repository,
        reference: impl Into<Reference>,
        folder: impl AsRef<Path>,
    ) -> Result<Pulled, LayoutError> {
        let folder = folder.as_ref();
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs)
            .await
            .map_err(|source| LayoutError::Write {
                path: blobs.clone(),
                source,
            })?;
        let root = self.manifest(repository, reference).await?;
        let mut waiting = vec![root.clone()];
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        while let Some(manifest) = waiting.pop() {
            if !seen.insert(manifest.digest.clone()) {
                continue;
            }
            write(&folder.join(blob_name(&manifest.digest)), &manifest.bytes).await?;
            let media_type = manifest.media_type.as_str();
            if [MediaTypes::OCI.index, MediaTypes::DOCKER.index].contains(&media_type) {
                let index: Index = parse(&manifest)?;
                for below in index.manifests {
                    waiting.push(self.manifest(repository, &below.digest).await?);
                }
            } else {
                let image: ImageManifest = parse(&manifest)?;
                let all = image.layers.into_iter().chain([image.config]);
                wanted.extend(
                    all.map(|blob| (blob.digest, blob.size))
                        .filter(|(digest, _)| seen.insert(digest.clone())),
                );
            }
        }
        let (count, bytes) = (wanted.len(), self.fetch(repository, wanted, folder).await?);
        let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
        write(&folder.join("oci-layout"), layout).await?;
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": root.media_type, "size": root.bytes.len(), "digest": root.digest,
            }],
        });
        write(&folder.join("index.json"), index.to_string().as_bytes()).await?;
        Ok(Pulled {
            digest: root.digest,
            blobs: count,
            bytes,
        })
    }

    /// Each in a task of its own, so that they are hashed on every core.
    async fn fetch(
        &self,
        repository: &Repository,
        wanted: Vec<(Digest, u64)>,
        folder: &Path,
    ) -> Result<u64, LayoutError> {
        let mut tasks = JoinSet::new();
        let mut wanted = wanted.into_iter();
        let mut bytes = 0;
        loop {
            while tasks.len() < AT_A_TIME
                && let Some((digest, size)) = wanted.next()
            {
                let (client, repository) = (self.clone(), repository.clone());
                let path = folder.join(blob_name(&digest));
                tasks.spawn(
                    async move { client.fetch_one(&repository, &digest, size, &path).await },
                );
            }
            match tasks.join_next().await {
                Some(Ok(fetched)) => bytes += fetched?,
                Some(Err(error)) => {
                    return Err(LayoutError::Write {
                        path: folder.to_owned(),
                        source: io::Error::other(error),
                    });
                }
                None => return Ok(bytes),
            }
        }
    }

    async fn fetch_one(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        path: &Path,
    ) -> Result<u64, LayoutError> {
        let part = path.with_extension("part");
        let failed = |source| LayoutError::Write {
            path: part.clone(),
            source,
        };
        let mut file = BlobFile::create(&part);
        let received = async {
            let mut content = self.open_blob(repository, digest, size).await?;
            while let Some(piece) = content.next(self).await? {
                if !file.write(&piece).await {
                    break;
                }
            }
            Ok::<_, RegistryError>(content)
        };
        let received = received.await;
        // Also after a failure: until it is closed it could not be removed for good.
        let written = file.close().await;
        let whole = async {
            let (content, written) = (received?, written.map_err(failed)?);
            content.is(digest, written.digest)?;
            fs::rename(&part, path).await.map_err(failed)?;
            Ok(written.size)
        };
        let whole = whole.await;
        if whole.is_err() {
            // Half a blob is of no use to anybody.
            let _ = fs::remove_file(&part).await;
        }
        whole
    }
}

fn parse<T: for<'a> serde::Deserialize<'a>>(manifest: &Manifest) -> Result<T, LayoutError> {
    serde_json::from_slice(&manifest.bytes).map_err(|error| LayoutError::Manifest {
        digest: manifest.digest.clone(),
        what: error.to_string(),
    })
}

async fn write(path: &Path, bytes: &[u8]) -> Result<(), LayoutError> {
    let part = path.with_extension("part");
    let written = async {
        fs::write(&part, bytes).await?;
        fs::rename(&part, path).await
    };
    written.await.map_err(|source| LayoutError::Write {
        path: path.to_owned(),
        source,
    })
}
