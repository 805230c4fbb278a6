//! An image of several platforms, small and the same for the same seed.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use kreg_registry::{Descriptor, Digest, Layer, Manifest, MediaTypes, Platform};
use serde_json::json;

/// As many platforms as Go has words for.
pub const PLATFORMS: [&str; 6] = ["amd64", "arm", "arm64", "ppc64le", "riscv64", "s390x"];

pub struct TestImage {
    /// Layers and configurations, to be pushed before the manifests.
    pub blobs: Vec<(Digest, Vec<u8>)>,
    /// An index comes last.
    pub manifests: Vec<Manifest>,
}

impl TestImage {
    pub fn new(seed: &str, platforms: &[&str], types: MediaTypes) -> TestImage {
        let (mut blobs, mut manifests, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for platform in platforms {
            let content = format!("{seed} {platform}");
            let layer = Layer::of_files(&[("seed", 0o444, content.as_bytes())]).unwrap();
            let config = json!({
                "architecture": platform,
                "os": "linux",
                "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
            });
            let config = config.to_string().into_bytes();
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": types.manifest,
                "config": Descriptor::of(types.config, &config),
                "layers": [Descriptor::of(types.layer, &layer.compressed)],
            });
            let manifest = Manifest::new(types.manifest, manifest.to_string().into_bytes());
            entries.push(Descriptor {
                platform: Some(Platform {
                    architecture: (*platform).to_owned(),
                    os: "linux".to_owned(),
                    variant: None,
                }),
                ..Descriptor::of(types.manifest, &manifest.bytes)
            });
            blobs.push((layer.digest, layer.compressed));
            blobs.push((Digest::of(&config), config));
            manifests.push(manifest);
        }
        if manifests.len() > 1 {
            let index =
                json!({ "schemaVersion": 2, "mediaType": types.index, "manifests": entries });
            manifests.push(Manifest::new(types.index, index.to_string().into_bytes()));
        }
        TestImage { blobs, manifests }
    }

    /// The one manifest, or the index.
    pub fn root(&self) -> &Manifest {
        self.manifests.last().unwrap()
    }

    pub fn digest(&self) -> &Digest {
        &self.root().digest
    }
}
