//! Pushes an image out of a file: an OCI layout in a tar archive, or what `docker save` writes.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::archive_index::ArchiveIndex;
use super::client::RegistryClient;
use super::error::RegistryError;
use super::name::{Repository, Tag};
use crate::image::{Descriptor, Digest, Manifest, MediaTypes};

/// Bytes read from a file at a time.
const PIECE: usize = 256 << 10;

/// Blobs that are on their way at a time.
pub(super) const AT_A_TIME: usize = 4;

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

/// Why an archive could not be pushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("cannot read the archive {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not an image.
    #[error("{} cannot be pushed: {what}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// The registry refused.
    #[error("cannot push {}", path.display())]
    Push {
        /// Which file.
        path: PathBuf,
        /// What the registry said.
        source: Box<RegistryError>,
    },
}

impl ArchiveError {
    pub(super) fn format(path: &Path, what: impl Into<String>) -> ArchiveError {
        ArchiveError::Format {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}

/// A blob and where its bytes lie.
struct Source {
    digest: Digest,
    size: u64,
    file: PathBuf,
    offset: u64,
}

/// Everything to push, in order; temporary files live as long as this.
struct Plan {
    blobs: Vec<Source>,
    manifests: Vec<Manifest>,
    _compressed: Vec<tempfile::TempPath>,
}

impl RegistryClient {
    /// Pushes the one image of an archive under a tag; blobs that are there already are not sent.
    ///
    /// Takes an OCI image layout in an uncompressed tar archive (skopeo, BuildKit, podman), with its
    /// index if the image is for several platforms, and the form of `docker save`, whose layers are
    /// compressed on the way. Four blobs travel at a time; memory stays constant in their size.
    ///
    /// # Errors
    /// [`ArchiveError`] if the file is no such archive or holds several images, or the registry refuses.
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
}

impl RegistryClient {
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
        let content = pieces(blob).await.map_err(|source| ArchiveError::Read {
            path: blob.file.clone(),
            source,
        })?;
        self.push_blob_stream(repository, &blob.digest, blob.size, content)
            .await
            .map_err(refused)?;
        Ok(Some(blob.size))
    }
}

/// A blob's bytes, a piece at a time.
async fn pieces(
    blob: &Source,
) -> io::Result<impl stream::Stream<Item = io::Result<Bytes>> + use<>> {
    let mut file = tokio::fs::File::open(&blob.file).await?;
    file.seek(io::SeekFrom::Start(blob.offset)).await?;
    let left = file.take(blob.size);
    Ok(stream::try_unfold(left, |mut left| async move {
        let mut piece = bytes::BytesMut::with_capacity(PIECE);
        let count = left.read_buf(&mut piece).await?;
        Ok((count > 0).then(|| (piece.freeze(), left)))
    }))
}

fn plan(path: &Path) -> Result<Plan, ArchiveError> {
    let archive = ArchiveIndex::open(path)?;
    if archive.find("index.json").is_some() {
        plan_layout(&archive)
    } else if archive.find("manifest.json").is_some() {
        plan_docker(&archive)
    } else {
        Err(ArchiveError::format(
            path,
            "it has neither index.json nor manifest.json; save the image with `docker save` or \
             `skopeo copy ... oci-archive:FILE`",
        ))
    }
}

#[derive(Deserialize)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct ImageManifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// OCI image layout, specification image-layout.md.
fn plan_layout(archive: &ArchiveIndex) -> Result<Plan, ArchiveError> {
    let index: Index = parse(archive, "index.json", &archive.read("index.json")?)?;
    let [root] = index.manifests.as_slice() else {
        return Err(several(archive, index.manifests.len()));
    };
    let mut plan = Plan {
        blobs: Vec::new(),
        manifests: Vec::new(),
        _compressed: Vec::new(),
    };
    add_manifest(archive, root, &mut plan, &mut HashSet::new(), 0)?;
    Ok(plan)
}

fn add_manifest(
    archive: &ArchiveIndex,
    descriptor: &Descriptor,
    plan: &mut Plan,
    seen: &mut HashSet<Digest>,
    depth: usize,
) -> Result<(), ArchiveError> {
    if depth > 4 {
        return Err(ArchiveError::format(
            archive.path(),
            "its indexes are nested too deeply",
        ));
    }
    if !seen.insert(descriptor.digest.clone()) {
        return Ok(());
    }
    let name = blob_name(&descriptor.digest);
    let bytes = archive.read(&name)?;
    let manifest = Manifest::new(&descriptor.media_type, bytes);
    if manifest.digest != descriptor.digest {
        return Err(ArchiveError::format(
            archive.path(),
            format!("its {name} is damaged"),
        ));
    }
    let is_index =
        [MediaTypes::OCI.index, MediaTypes::DOCKER.index].contains(&descriptor.media_type.as_str());
    if is_index {
        let index: Index = parse(archive, &name, &manifest.bytes)?;
        for below in &index.manifests {
            add_manifest(archive, below, plan, seen, depth + 1)?;
        }
    } else {
        let image: ImageManifest = parse(archive, &name, &manifest.bytes)?;
        for blob in image.layers.iter().chain([&image.config]) {
            if seen.insert(blob.digest.clone()) {
                let span = archive.span(&blob_name(&blob.digest))?;
                plan.blobs.push(Source {
                    digest: blob.digest.clone(),
                    size: span.size,
                    file: archive.path().to_owned(),
                    offset: span.offset,
                });
            }
        }
    }
    plan.manifests.push(manifest);
    Ok(())
}

pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The form of `docker save` (moby, image/spec/v1.2.md): layers uncompressed, no manifest yet.
fn plan_docker(archive: &ArchiveIndex) -> Result<Plan, ArchiveError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Saved {
        config: String,
        layers: Vec<String>,
    }
    let saved: Vec<Saved> = parse(archive, "manifest.json", &archive.read("manifest.json")?)?;
    let [image] = saved.as_slice() else {
        return Err(several(archive, saved.len()));
    };
    let types = MediaTypes::DOCKER;
    let config = archive.read(&image.config)?;
    let config_at = archive.span(&image.config)?;
    let mut plan = Plan {
        blobs: Vec::new(),
        manifests: Vec::new(),
        _compressed: Vec::new(),
    };
    let mut layers = Vec::new();
    for name in &image.layers {
        let span = archive.span(name)?;
        let failed = |source| ArchiveError::Read {
            path: archive.path().to_owned(),
            source,
        };
        let (file, digest, size) =
            compress(archive.reader(span).map_err(failed)?).map_err(failed)?;
        layers.push(Descriptor {
            media_type: types.layer.to_owned(),
            size,
            digest: digest.clone(),
            platform: None,
        });
        plan.blobs.push(Source {
            digest,
            size,
            file: file.to_path_buf(),
            offset: 0,
        });
        plan._compressed.push(file);
    }
    plan.blobs.push(Source {
        digest: Digest::of(&config),
        size: config_at.size,
        file: archive.path().to_owned(),
        offset: config_at.offset,
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": types.manifest,
        "config": Descriptor::of(types.config, &config),
        "layers": layers,
    });
    plan.manifests.push(Manifest::new(
        types.manifest,
        manifest.to_string().into_bytes(),
    ));
    Ok(plan)
}

/// A layer in a temporary file, compressed unless it is already, with digest and size.
fn compress(mut layer: impl Read) -> io::Result<(tempfile::TempPath, Digest, u64)> {
    let mut begin = [0; 2];
    let mut filled = 0;
    while filled < begin.len() {
        match layer.read(&mut begin[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    let mut content = Read::chain(&begin[..filled], layer);
    let mut file = tempfile::NamedTempFile::new()?;
    let mut sink = Hashing {
        inner: io::BufWriter::new(file.as_file_mut()),
        hasher: Sha256::new(),
        size: 0,
    };
    if begin == [0x1f, 0x8b] {
        io::copy(&mut content, &mut sink)?;
    } else {
        // Level 6 as docker; the header carries neither name nor time, so pushes are reproducible.
        let mut encoder = GzEncoder::new(&mut sink, Compression::new(6));
        io::copy(&mut content, &mut encoder)?;
        encoder.finish()?;
    }
    sink.flush()?;
    let (digest, size) = (Digest::finish(sink.hasher.clone()), sink.size);
    drop(sink);
    Ok((file.into_temp_path(), digest, size))
}

/// Writes on, and remembers digest and size of what went through.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn parse<T: for<'a> Deserialize<'a>>(
    archive: &ArchiveIndex,
    name: &str,
    bytes: &[u8],
) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ArchiveError::format(
            archive.path(),
            format!("its {name} cannot be understood: {error}"),
        )
    })
}

fn several(archive: &ArchiveIndex, count: usize) -> ArchiveError {
    ArchiveError::format(
        archive.path(),
        format!("it holds {count} images; save one image alone"),
    )
}
