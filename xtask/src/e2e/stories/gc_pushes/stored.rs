//! What lies in the bucket, manifest for manifest, as distribution lays it out (registry/storage/paths.go).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::e2e::stories::s3;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

/// Every manifest, as `REPOSITORY@DIGEST`; each has all that it names.
pub(super) struct Stored(BTreeSet<String>);

impl Stored {
    pub(super) fn has_all(&self, before: &Stored) -> Result<()> {
        match before.0.difference(&self.0).next() {
            None => Ok(()),
            Some(gone) => Err(Failure::new(
                "find every manifest of before",
                format!("{gone} is gone"),
            )),
        }
    }
}

/// Reads all of it; fails if a manifest names what is not there, or is there in another size.
pub(super) fn read(world: &World) -> Result<Stored> {
    let root = world.file("stored");
    if root.exists() {
        fs::remove_dir_all(&root).tried(|| format!("remove {}", root.display()))?;
    }
    s3::copy(world, "docker/registry/v2", &root)?;
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for repository in names(&root.join("repositories"))? {
        let revisions = root
            .join("repositories")
            .join(&repository)
            .join("_manifests/revisions/sha256");
        for hex in names(&revisions)? {
            // A deleted manifest leaves its directory in some stores.
            if !revisions.join(&hex).join("link").exists() {
                continue;
            }
            let name = format!("{repository}@sha256:{hex}");
            let there = |digest: &str| revisions.join(digest).join("link").exists();
            wrong.extend(
                lacking(&root, &hex, there)?
                    .into_iter()
                    .map(|what| format!("{name} lacks {what}")),
            );
            found.insert(name);
        }
    }
    match (wrong.is_empty(), found.is_empty()) {
        (true, false) => Ok(Stored(found)),
        (true, true) => Err(Failure::new("read manifests", "there are none")),
        (false, _) => Err(Failure::new(
            "find all that manifests name",
            wrong.join("\n"),
        )),
    }
}

/// What this manifest names and is not there.
fn lacking(root: &Path, hex: &str, is_revision: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let Ok(bytes) = fs::read(blob(root, hex)) else {
        return Ok(vec!["its own content".to_owned()]);
    };
    let manifest: Value =
        serde_json::from_slice(&bytes).tried(|| format!("read manifest {hex}"))?;
    let listed = |key: &str| manifest[key].as_array().cloned().unwrap_or_default();
    let mut parts = listed("layers");
    parts.extend(manifest.get("config").cloned());
    let children = listed("manifests");
    let hex_of = |part: &Value| {
        let digest = part["digest"].as_str().unwrap_or_default();
        digest.trim_start_matches("sha256:").to_owned()
    };
    let mut lacking: Vec<String> = parts
        .iter()
        .chain(&children)
        .filter(|part| {
            let size = fs::metadata(blob(root, &hex_of(part))).map(|file| file.len());
            size.ok() != part["size"].as_u64()
        })
        .map(Value::to_string)
        .collect();
    let children = children
        .iter()
        .map(hex_of)
        .chain(manifest.get("subject").map(hex_of));
    lacking.extend(
        children
            .filter(|child| !is_revision(child))
            .map(|child| format!("manifest {child}")),
    );
    Ok(lacking)
}

fn blob(root: &Path, hex: &str) -> std::path::PathBuf {
    root.join("blobs/sha256")
        .join(hex.get(..2).unwrap_or_default())
        .join(hex)
        .join("data")
}

/// Names in a directory; none where it is not there.
fn names(directory: &Path) -> Result<Vec<String>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(directory).tried(|| format!("read {}", directory.display()))?;
    Ok(entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect())
}
