//! An image whose layers nothing can compress, as an OCI image layout on the disk.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, Result, Tried as _};

const MIB: u64 = 1 << 20;

/// How many layers, and how large each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Shape {
    pub(super) layers: u16,
    pub(super) mib: u32,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parsed = text.split_once('x').and_then(|(layers, mib)| {
            let (layers, mib) = (layers.parse().ok()?, mib.parse().ok()?);
            Some(Self { layers, mib })
        });
        parsed
            .filter(|shape| shape.layers > 0 && (1..=8192).contains(&shape.mib))
            .ok_or_else(|| format!("`{text}` is no LAYERSxMIB, such as 8x128"))
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} MiB", self.layers, self.mib)
    }
}

/// The image, in a directory of its own.
pub(super) struct RandomImage {
    pub(super) shape: Shape,
    pub(super) folder: PathBuf,
    /// Of its manifest, `sha256:…`.
    pub(super) digest: String,
    /// Path within a layout, and length, of every blob.
    blobs: Vec<(String, u64)>,
}

impl RandomImage {
    /// Makes one.
    pub(super) fn make(shape: Shape, folder: PathBuf) -> Result<Self> {
        let mut image = Self {
            shape,
            folder,
            digest: String::new(),
            blobs: Vec::new(),
        };
        let written = image.write();
        written.tried(|| format!("write an image into {}", image.folder.display()))?;
        Ok(image)
    }

    fn write(&mut self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("blobs/sha256"))?;
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for _ in 0..self.shape.layers {
            let (layer, diff_id) = self.layer()?;
            layers.push(layer);
            diff_ids.push(diff_id);
        }
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.document("application/vnd.oci.image.config.v1+json", &config)?;
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers,
        });
        let manifest = self.document(kind, &manifest)?;
        self.digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(self.folder.join("index.json"), index.to_string())?;
        let layout = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(self.folder.join("oci-layout"), layout)
    }

    /// One file of random bytes in a tar archive, as gzip that does not try to compress; its
    /// descriptor, and the digest of the archive.
    fn layer(&mut self) -> io::Result<(Value, String)> {
        let part = self.folder.join("layer");
        let file = Hashing::new(BufWriter::with_capacity(1 << 20, File::create(&part)?));
        let mut archive =
            tar::Builder::new(Hashing::new(GzEncoder::new(file, Compression::none())));
        let size = u64::from(self.shape.mib) * MIB;
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        let random = File::open("/dev/urandom")?.take(size);
        archive.append_data(&mut header, "random", random)?;
        let (gzip, _, diff_id) = archive.into_inner()?.end();
        let (mut file, size, digest) = gzip.finish()?.end();
        file.flush()?;
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        let described = self.describe(layer, digest, size);
        fs::rename(part, self.folder.join(&self.blobs[self.blobs.len() - 1].0))?;
        Ok((described, format!("sha256:{diff_id}")))
    }

    fn document(&mut self, kind: &str, document: &Value) -> io::Result<Value> {
        let bytes = document.to_string();
        let digest = hex::encode(Sha256::digest(&bytes));
        fs::write(self.folder.join(blob(&digest)), &bytes)?;
        Ok(self.describe(kind, digest, bytes.len() as u64))
    }

    fn describe(&mut self, kind: &str, digest: String, size: u64) -> Value {
        self.blobs.push((blob(&digest), size));
        json!({ "mediaType": kind, "size": size, "digest": format!("sha256:{digest}") })
    }

    /// Whether another layout has all of it, by names and lengths.
    pub(super) fn is_in(&self, layout: &Path) -> Result<()> {
        for (name, size) in &self.blobs {
            let file = layout.join(name);
            let found = fs::metadata(&file).tried(|| format!("look at {}", file.display()))?;
            if found.len() != *size {
                let why = format!("{} has {} bytes, not {size}", file.display(), found.len());
                return Err(Failure::new("find what was pulled", why));
            }
        }
        Ok(())
    }
}

fn blob(digest: &str) -> String {
    format!("blobs/sha256/{digest}")
}

/// Writes on, and remembers digest and size of what went through.
struct Hashing<W> {
    inner: W,
    size: u64,
    hasher: Sha256,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            size: 0,
            hasher: Sha256::new(),
        }
    }

    fn end(self) -> (W, u64, String) {
        (self.inner, self.size, hex::encode(self.hasher.finalize()))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Run;

    #[test]
    fn shapes_are_read_as_they_are_written() {
        let shape = Shape {
            layers: 8,
            mib: 128,
        };
        assert_eq!("8x128".parse(), Ok(shape));
        assert_eq!(shape.to_string(), "8 x 128 MiB");
        for bad in ["", "8", "x", "0x1", "1x0", "8x-1", "1x9999"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }

    #[test]
    fn layers_are_what_their_digests_say_and_unpack() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { layers: 2, mib: 1 };
        let image = RandomImage::make(shape, folder.path().join("image")).unwrap();
        assert_eq!(image.blobs.len(), 4);
        for (name, _) in &image.blobs {
            let file = image.folder.join(name);
            let told = Run::new("sha256sum").arg(&file).read().unwrap();
            let digest = name.rsplit('/').next().unwrap();
            assert!(told.starts_with(digest), "{told}");
        }
        let layer = image.folder.join(&image.blobs[0].0);
        let listed = Run::new("tar").args(["-tvzf"]).arg(layer).read().unwrap();
        assert!(
            listed.contains(" 1048576 ") && listed.contains(" random"),
            "{listed}"
        );
        image.is_in(&image.folder).unwrap();
        let elsewhere = image.is_in(folder.path()).unwrap_err().to_string();
        assert!(elsewhere.contains("blobs/sha256"), "{elsewhere}");
    }
}
