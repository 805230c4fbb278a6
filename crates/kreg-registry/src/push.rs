//! Pushes an image out of a file or a directory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;

use crate::archive::plan;
use crate::client::RegistryClient;
use crate::descriptor::Digest;
use crate::name::{Repository, Tag};
use crate::plan::{ArchiveError, Source};

/// Bytes read from a file at a time.
const PIECE: u64 = 256 << 10;
/// Pieces read ahead of the connection.
const AHEAD: usize = 2;
/// Blobs that are on their way at a time.
pub(crate) const AT_A_TIME: usize = 4;

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that the tag stands for now.
    pub digest: Digest,
    /// Blobs that were sent.
    pub sent: usize,
    /// Blobs that the registry had already.
    pub present: usize,
    /// Bytes of the blobs that were sent.
    pub bytes: u64,
}

impl RegistryClient {
    /// Pushes the one image of an archive or a directory under a tag; blobs that are there already are
    /// not sent.
    ///
    /// Takes an OCI image layout, in a directory ([`RegistryClient::pull_layout`] makes one) or in an
    /// uncompressed tar archive (skopeo, BuildKit, podman), with its index if the image is for several
    /// platforms; and the archive that `docker save` writes, whose layers are compressed on the way.
    /// Four blobs travel at a time; memory stays constant in their size.
    ///
    /// # Errors
    /// [`ArchiveError`] if it is no such thing or holds several images, or the registry refuses.
    pub async fn push_archive(
        &self,
        path: impl Into<PathBuf>,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Pushed, ArchiveError> {
        let path = path.into();
        let planned = path.clone();
        let plan = tokio::task::spawn_blocking(move || plan(&planned))
            .await
            .map_err(|error| ArchiveError::format(&path, error.to_string()))??;
        let refused = |source| ArchiveError::Push {
            path: path.clone(),
            source: Box::new(source),
        };
        let Some(root) = plan.manifests.last() else {
            return Err(ArchiveError::format(&path, "it holds no image"));
        };
        let mut pushed = Pushed {
            digest: root.digest.clone(),
            sent: 0,
            present: 0,
            bytes: 0,
        };
        // Layers side by side: TLS and the registry's own hashing keep more than one core busy.
        let sent = stream::iter(&plan.blobs)
            .map(|blob| self.push_source(&path, repository, blob))
            .buffer_unordered(AT_A_TIME);
        let sent: Vec<Option<u64>> = sent.try_collect().await?;
        for size in sent {
            match size {
                Some(size) => {
                    pushed.sent += 1;
                    pushed.bytes += size;
                }
                None => pushed.present += 1,
            }
        }
        for manifest in &plan.manifests {
            self.put_manifest(repository, &manifest.digest, manifest)
                .await
                .map_err(refused)?;
        }
        self.put_manifest(repository, tag, root)
            .await
            .map_err(refused)?;
        Ok(pushed)
    }

    /// Sends a blob and returns its size; `None` if the registry has it already.
    async fn push_source(
        &self,
        path: &Path,
        repository: &Repository,
        blob: &Source,
    ) -> Result<Option<u64>, ArchiveError> {
        let refused = |source| ArchiveError::Push {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let there = self.blob_size(repository, &blob.digest).await;
        if there.map_err(refused)?.is_some() {
            return Ok(None);
        }
        self.push_blob_stream(repository, &blob.digest, blob.size, pieces(blob.clone()))
            .await
            .map_err(refused)?;
        Ok(Some(blob.size))
    }
}

/// A blob's bytes, a piece at a time, read on a thread of its own while those before are sent.
fn pieces(blob: Source) -> impl stream::Stream<Item = io::Result<Bytes>> + use<> {
    let (send, mut receive) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        // Nobody wants them any more once the request has failed.
        let last = read(&blob, |piece| send.blocking_send(Ok(piece)).is_ok());
        if let Err(error) = last {
            let _ = send.blocking_send(Err(error));
        }
    });
    stream::poll_fn(move |context| receive.poll_recv(context))
}

/// Reads a blob for as long as somebody takes it.
fn read(blob: &Source, mut take: impl FnMut(Bytes) -> bool) -> io::Result<()> {
    let mut file = File::open(&blob.file)?;
    file.seek(io::SeekFrom::Start(blob.offset))?;
    let mut left = blob.size;
    while left > 0 {
        let size = left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let count = file.by_ref().take(size).read_to_end(&mut piece)?;
        if count == 0 {
            let what = format!("{} is {left} bytes too short", blob.file.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        left -= count as u64;
        if !take(piece.into()) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_a_file_is_read_and_no_more() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..700_000_u32).map(|n| n as u8).collect();
        std::fs::write(file.path(), &content).unwrap();
        let blob = |offset, size| Source {
            digest: Digest::of(b""),
            size,
            file: file.path().to_owned(),
            offset,
        };
        let mut read_back = Vec::new();
        let take = |piece: Bytes| {
            read_back.extend_from_slice(&piece);
            true
        };
        read(&blob(5, 600_000), take).unwrap();
        assert!(read_back == content[5..600_005]);
        let error = read(&blob(5, 700_000), |_| true).unwrap_err();
        assert!(error.to_string().contains("5 bytes too short"), "{error}");
        let mut taken = 0;
        let once = |_| {
            taken += 1;
            false
        };
        read(&blob(0, 700_000), once).unwrap();
        assert_eq!(taken, 1);
    }
}
