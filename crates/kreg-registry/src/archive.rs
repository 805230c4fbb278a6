//! What is to be pushed out of an OCI layout or of what `docker save` writes.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::archive_index::ArchiveIndex;
use crate::descriptor::{Descriptor, Digest, MediaTypes};
use crate::manifest::Manifest;
use crate::plan::{ArchiveError, Plan, Source};
use crate::source::{Layout, blob_name};

/// What a file or a directory holds.
pub(crate) fn plan(path: &Path) -> Result<Plan, ArchiveError> {
    if path.is_dir() {
        return plan_layout(&Layout::Folder(path));
    }
    let archive = ArchiveIndex::open(path)?;
    if archive.find("index.json").is_some() {
        plan_layout(&Layout::Archive(&archive))
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
pub(crate) struct Index {
    pub(crate) manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(crate) struct ImageManifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// OCI image layout, specification image-layout.md.
fn plan_layout(layout: &Layout<'_>) -> Result<Plan, ArchiveError> {
    let index: Index = parse(layout.path(), "index.json", &layout.read("index.json")?)?;
    let [root] = index.manifests.as_slice() else {
        return Err(several(layout.path(), index.manifests.len()));
    };
    let mut plan = Plan::default();
    add_manifest(layout, root, &mut plan, &mut HashSet::new(), 0)?;
    Ok(plan)
}

fn add_manifest(
    layout: &Layout<'_>,
    descriptor: &Descriptor,
    plan: &mut Plan,
    seen: &mut HashSet<Digest>,
    depth: usize,
) -> Result<(), ArchiveError> {
    if depth > 4 {
        return Err(ArchiveError::format(
            layout.path(),
            "its indexes are nested too deeply",
        ));
    }
    if !seen.insert(descriptor.digest.clone()) {
        return Ok(());
    }
    let name = blob_name(&descriptor.digest);
    let bytes = layout.read(&name)?;
    let manifest = Manifest::new(&descriptor.media_type, bytes);
    if manifest.digest != descriptor.digest {
        return Err(ArchiveError::format(
            layout.path(),
            format!("its {name} is damaged"),
        ));
    }
    let is_index =
        [MediaTypes::OCI.index, MediaTypes::DOCKER.index].contains(&descriptor.media_type.as_str());
    if is_index {
        let index: Index = parse(layout.path(), &name, &manifest.bytes)?;
        for below in &index.manifests {
            add_manifest(layout, below, plan, seen, depth + 1)?;
        }
    } else {
        let image: ImageManifest = parse(layout.path(), &name, &manifest.bytes)?;
        for blob in image.layers.iter().chain([&image.config]) {
            if seen.insert(blob.digest.clone()) {
                plan.blobs.push(layout.blob(&blob.digest)?);
            }
        }
    }
    plan.manifests.push(manifest);
    Ok(())
}

/// The form of `docker save` (moby, image/spec/v1.2.md): layers uncompressed, no manifest yet.
fn plan_docker(archive: &ArchiveIndex) -> Result<Plan, ArchiveError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Saved {
        config: String,
        layers: Vec<String>,
    }
    let saved: Vec<Saved> = parse(
        archive.path(),
        "manifest.json",
        &archive.read("manifest.json")?,
    )?;
    let [image] = saved.as_slice() else {
        return Err(several(archive.path(), saved.len()));
    };
    let types = MediaTypes::DOCKER;
    let config = archive.read(&image.config)?;
    let config_at = archive.span(&image.config)?;
    let mut plan = Plan::default();
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
        plan.compressed.push(file);
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
    path: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ArchiveError::format(path, format!("its {name} cannot be understood: {error}"))
    })
}

fn several(path: &Path, count: usize) -> ArchiveError {
    ArchiveError::format(
        path,
        format!("it holds {count} images; save one image alone"),
    )
}
