//! The probe image: what is pushed, pulled and run to prove that a registry works.

use std::collections::BTreeSet;
use std::fmt;

use kreg_registry::{Descriptor, Digest, Layer, LayerError, Manifest, MediaTypes, Platform};
use serde_json::{Value, json};

use super::Architecture;
use super::elf::line_printer;

/// Path of the program in the image, without the leading `/`.
const PROGRAM: &str = "probe";
/// Path of the nonce's file in the image.
const NONCE_FILE: &str = "nonce";

/// Sixteen random bytes that make an image's digests new to every cache in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A nonce from the operating system's random source.
    ///
    /// # Errors
    /// [`ProbeError::Random`] if the system gives no random bytes.
    pub fn random() -> Result<Nonce, ProbeError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(ProbeError::Random)?;
        Ok(Nonce(bytes))
    }

    /// A nonce of known bytes, for reproducible images.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Nonce {
        Nonce(bytes)
    }

    /// The first eight hex digits, for names of objects.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Why a probe image cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No architecture was asked for.
    #[error("an image for no architecture was asked for; give at least that of one node")]
    NoArchitecture,
    /// The system gave no random bytes.
    #[error("the operating system gives no random bytes for a fresh image; try again")]
    Random(#[source] getrandom::Error),
    /// The layer cannot be written.
    #[error("cannot build the probe image's layer for {arch}")]
    Layer {
        /// For which architecture.
        arch: Architecture,
        /// What the archive's writer said.
        source: LayerError,
    },
}

/// Content that is pushed as a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// An image with a random nonce and a program that prints it, for one or more architectures.
///
/// ```
/// use kreg_verify::image::{Architecture, ProbeImage};
/// let image = ProbeImage::fresh([Architecture::Amd64, Architecture::Arm64])?;
/// assert_eq!(image.manifests().len(), 3); // one each, and the index last
/// assert!(image.line().starts_with("kreg-verify "));
/// # Ok::<(), kreg_verify::image::ProbeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeImage {
    nonce: Nonce,
    architectures: BTreeSet<Architecture>,
    blobs: Vec<Blob>,
    manifests: Vec<Manifest>,
    root: Digest,
}

impl ProbeImage {
    /// An image that nobody has seen, in Docker's schema 2: the form that the oldest registries
    /// and runtimes take too.
    ///
    /// # Errors
    /// As [`ProbeImage::build`], or [`ProbeError::Random`].
    pub fn fresh(
        architectures: impl IntoIterator<Item = Architecture>,
    ) -> Result<ProbeImage, ProbeError> {
        ProbeImage::build(Nonce::random()?, architectures, MediaTypes::DOCKER)
    }

    /// The image of this nonce: equal arguments give equal bytes.
    ///
    /// # Errors
    /// [`ProbeError::NoArchitecture`] without any, [`ProbeError::Layer`] if a layer cannot be built.
    pub fn build(
        nonce: Nonce,
        architectures: impl IntoIterator<Item = Architecture>,
        types: MediaTypes,
    ) -> Result<ProbeImage, ProbeError> {
        let architectures: BTreeSet<_> = architectures.into_iter().collect();
        let mut blobs = Vec::new();
        let mut manifests = Vec::new();
        let mut entries = Vec::new();
        for &arch in &architectures {
            let layer = layer(nonce, arch)?;
            let config = document(&config(arch, &layer.diff_id));
            let manifest = document(&json!({
                "schemaVersion": 2,
                "mediaType": types.manifest,
                "config": Descriptor::of(types.config, &config),
                "layers": [Descriptor::of(types.layer, &layer.compressed)],
            }));
            entries.push(Descriptor {
                platform: Some(platform(arch)),
                ..Descriptor::of(types.manifest, &manifest)
            });
            blobs.push(Blob {
                digest: layer.digest,
                bytes: layer.compressed,
            });
            blobs.push(Blob {
                digest: Digest::of(&config),
                bytes: config,
            });
            manifests.push(Manifest::new(types.manifest, manifest));
        }
        if manifests.len() > 1 {
            let index = document(&json!({
                "schemaVersion": 2,
                "mediaType": types.index,
                "manifests": entries,
            }));
            manifests.push(Manifest::new(types.index, index));
        }
        let root = manifests
            .last()
            .ok_or(ProbeError::NoArchitecture)?
            .digest
            .clone();
        Ok(ProbeImage {
            nonce,
            architectures,
            blobs,
            manifests,
            root,
        })
    }

    /// The random part.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The line that the program writes to standard output, with its line feed.
    #[must_use]
    pub fn line(&self) -> String {
        line(self.nonce)
    }

    /// For which architectures the image is.
    #[must_use]
    pub fn architectures(&self) -> &BTreeSet<Architecture> {
        &self.architectures
    }

    /// Layers and configurations, to be pushed before the manifests.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// Manifests in the order in which they are to be pushed: an index comes last.
    #[must_use]
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The digest of the whole: of the one manifest, or of the index.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.root
    }

    /// The nonce's file read back from a compressed layer of such an image, as text.
    ///
    /// # Errors
    /// [`LayerError`] if the bytes are no layer.
    pub fn nonce_in(compressed_layer: &[u8]) -> Result<Option<String>, LayerError> {
        let found = Layer::find(compressed_layer, NONCE_FILE)?;
        Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
    }
}

fn line(nonce: Nonce) -> String {
    format!("kreg-verify {nonce}\n")
}

fn layer(nonce: Nonce, arch: Architecture) -> Result<Layer, ProbeError> {
    let line = line(nonce);
    // The line is 45 bytes, so there always is a program for it.
    let program = line_printer(arch, line.as_bytes()).unwrap_or_default();
    let nonce_file = format!("{nonce}\n");
    Layer::of_files(&[
        (NONCE_FILE, 0o444, nonce_file.as_bytes()),
        (PROGRAM, 0o555, &program),
    ])
    .map_err(|source| ProbeError::Layer { arch, source })
}

fn config(arch: Architecture, diff_id: &Digest) -> Value {
    let created = "1970-01-01T00:00:00Z"; // the nonce alone makes an image new
    let mut config = json!({
        "architecture": arch.as_str(),
        "os": "linux",
        "created": created,
        "config": { "Entrypoint": [format!("/{PROGRAM}")], "WorkingDir": "/" },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": created, "created_by": "kreg verify" }],
    });
    if let Some(variant) = arch.variant() {
        config["variant"] = json!(variant);
    }
    config
}

fn platform(arch: Architecture) -> Platform {
    Platform {
        architecture: arch.as_str().to_owned(),
        os: "linux".to_owned(),
        variant: arch.variant().map(str::to_owned),
    }
}

fn document(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const NONCE: Nonce = Nonce([7; 16]);

    fn parse(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    /// Walks the image from a manifest down, as a runtime does; returns architecture and nonce.
    fn walk(image: &ProbeImage, manifest: &Manifest, types: MediaTypes) -> (String, String) {
        let blobs: HashMap<_, _> = image
            .blobs()
            .iter()
            .map(|b| (b.digest.as_str(), &b.bytes))
            .collect();
        let document = parse(&manifest.bytes);
        assert_eq!(document["mediaType"], types.manifest);
        let content = |descriptor: &Value| {
            let bytes = blobs[descriptor["digest"].as_str().unwrap()];
            assert_eq!(descriptor["size"], bytes.len());
            assert_eq!(Digest::of(bytes).as_str(), descriptor["digest"]);
            bytes.clone()
        };
        assert_eq!(document["config"]["mediaType"], types.config);
        let config = parse(&content(&document["config"]));
        let layer = content(&document["layers"][0]);
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            Layer::diff_id_of(&layer).unwrap().as_str()
        );
        let entrypoint = config["config"]["Entrypoint"][0].as_str().unwrap();
        let program = Layer::find(&layer, entrypoint.trim_start_matches('/'))
            .unwrap()
            .unwrap();
        assert!(program.ends_with(image.line().as_bytes()));
        let nonce = ProbeImage::nonce_in(&layer).unwrap().unwrap();
        (config["architecture"].as_str().unwrap().to_owned(), nonce)
    }

    #[test]
    fn one_architecture_gives_one_manifest_and_no_index() {
        for types in [MediaTypes::DOCKER, MediaTypes::OCI] {
            let image = ProbeImage::build(NONCE, [Architecture::Amd64], types).unwrap();
            let [manifest] = image.manifests() else {
                panic!("{:?}", image.manifests())
            };
            assert_eq!(&manifest.digest, image.digest());
            assert_eq!(manifest.media_type, types.manifest);
            let seen = walk(&image, manifest, types);
            assert_eq!(seen, ("amd64".to_owned(), NONCE.to_string()));
        }
    }

    #[test]
    fn every_architecture_gives_a_manifest_each_and_an_index_that_lists_them() {
        let types = MediaTypes::OCI;
        let image = ProbeImage::build(NONCE, Architecture::ALL, types).unwrap();
        let (index, manifests) = image.manifests().split_last().unwrap();
        assert_eq!(&index.digest, image.digest());
        let listed = parse(&index.bytes)["manifests"].as_array().unwrap().clone();
        assert_eq!(listed.len(), manifests.len());
        for (entry, manifest) in listed.iter().zip(manifests) {
            assert_eq!(entry["digest"], manifest.digest.as_str());
            assert_eq!(entry["size"], manifest.bytes.len());
            let (arch, nonce) = walk(&image, manifest, types);
            assert_eq!(entry["platform"]["architecture"], arch);
            assert_eq!(nonce, NONCE.to_string());
        }
        let arm = listed
            .iter()
            .find(|e| e["platform"]["architecture"] == "arm")
            .unwrap();
        assert_eq!(arm["platform"]["variant"], "v6");
    }

    #[test]
    fn every_digest_of_a_fresh_image_is_new() {
        let (one, two) = (
            ProbeImage::fresh([Architecture::Amd64]).unwrap(),
            ProbeImage::fresh([Architecture::Amd64]).unwrap(),
        );
        let digests = |image: &ProbeImage| -> BTreeSet<Digest> {
            let blobs = image.blobs().iter().map(|b| b.digest.clone());
            blobs
                .chain(image.manifests().iter().map(|m| m.digest.clone()))
                .collect()
        };
        assert!(digests(&one).is_disjoint(&digests(&two)));
        let again =
            ProbeImage::build(one.nonce(), [Architecture::Amd64], MediaTypes::DOCKER).unwrap();
        assert_eq!(again, one);
    }

    #[test]
    fn no_architecture_is_refused() {
        assert!(matches!(
            ProbeImage::fresh([]),
            Err(ProbeError::NoArchitecture)
        ));
    }
}
