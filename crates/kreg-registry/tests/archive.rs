//! Images out of files: what other programs saved, pushed to the real registry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test may fail by them

mod common;

use common::image::{PLATFORMS, TestImage};
use common::{Registry, Setup, all};
use kreg_registry::{ArchiveError, Digest, Layer, MediaTypes, Tag};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Writes these files as a tar archive.
fn archive(path: &Path, files: &[(String, Vec<u8>)]) {
    let mut builder = tar::Builder::new(std::fs::File::create(path).unwrap());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.finish().unwrap();
}

fn layout(image: &TestImage) -> Vec<(String, Vec<u8>)> {
    let blob =
        |digest: &Digest, bytes: &[u8]| (format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
    let root = image.root();
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{ "mediaType": root.media_type, "size": root.bytes.len(), "digest": root.digest }],
    });
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
        ),
        ("index.json".to_owned(), index.to_string().into_bytes()),
    ];
    files.extend(
        image
            .blobs
            .iter()
            .map(|(digest, bytes)| blob(digest, bytes)),
    );
    files.extend(image.manifests.iter().map(|m| blob(&m.digest, &m.bytes)));
    files
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_layout_of_several_platforms_arrives_whole_and_is_not_sent_twice() {
    let registry = Registry::start(Setup::default()).await;
    let (client, repository, tag) = (
        registry.client(),
        "a".parse().unwrap(),
        "v1".parse::<Tag>().unwrap(),
    );
    let image = TestImage::new("3", &PLATFORMS, MediaTypes::OCI);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    archive(&path, &layout(&image));
    let first = client.push_archive(&path, &repository, &tag).await.unwrap();
    assert_eq!(
        (&first.digest, first.sent, first.present),
        (image.digest(), 12, 0)
    );
    let second = client.push_archive(&path, &repository, &tag).await.unwrap();
    assert_eq!((second.sent, second.present, second.bytes), (0, 12, 0));
    assert_eq!(
        client.manifest(&repository, &tag).await.unwrap().digest,
        *image.digest()
    );
    // And comes back as it was: pulled into a directory, every file has the bytes of the archive's.
    let pulled = folder.path().join("pulled");
    let came = client
        .pull_layout(&repository, &tag, &pulled)
        .await
        .unwrap();
    assert_eq!((&came.digest, came.blobs), (image.digest(), 12));
    for (name, content) in layout(&image)
        .iter()
        .filter(|(name, _)| name.starts_with("blobs/"))
    {
        assert_eq!(
            std::fs::read(pulled.join(name)).unwrap(),
            *content,
            "{name}"
        );
    }
    let index: Value =
        serde_json::from_slice(&std::fs::read(pulled.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], image.digest().as_str());
    // Nor is anything left of how it came.
    let part = std::fs::read_dir(pulled.join("blobs/sha256"))
        .unwrap()
        .find(|file| file.as_ref().unwrap().path().extension().is_some());
    assert!(part.is_none(), "{part:?}");
    // Out of that directory it goes elsewhere, unless something is missing in it.
    let elsewhere = "elsewhere".parse().unwrap();
    let third = client
        .push_archive(&pulled, &elsewhere, &tag)
        .await
        .unwrap();
    assert_eq!((&third.digest, third.sent), (image.digest(), 12));
    std::fs::remove_file(pulled.join(&layout(&image)[2].0)).unwrap();
    let error = client
        .push_archive(&pulled, &elsewhere, &tag)
        .await
        .unwrap_err();
    assert!(matches!(error, ArchiveError::Format { .. }), "{error:?}");
    assert!(error.to_string().contains("it has no blobs/"), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_disk_without_room_is_told_with_the_file_and_keeps_no_half_blob() {
    let registry = Registry::start(Setup::default()).await;
    let client = registry.client();
    let (repository, tag) = ("full".parse().unwrap(), "v1".parse::<Tag>().unwrap());
    let image = TestImage::new("5", &["amd64"], MediaTypes::OCI);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    archive(&path, &layout(&image));
    client.push_archive(&path, &repository, &tag).await.unwrap();
    let blobs = folder.path().join("pulled/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(image.blobs[0].0.hex()).with_extension("part");
    // full(4): writes to it fail for want of room.
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = client
        .pull_layout(&repository, &tag, folder.path().join("pulled"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains(".part"), "{error}");
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("No space left"), "{why}");
    assert!(part.symlink_metadata().is_err() && !part.with_extension("").exists());
    assert!(!folder.path().join("pulled/index.json").exists());
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn what_docker_saves_arrives_with_its_files() {
    let registry = Registry::start(Setup::default()).await;
    let (client, repository, tag) = (
        registry.client(),
        "saved".parse().unwrap(),
        "v1".parse::<Tag>().unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.tar");
    let saved = Command::new("docker")
        .args(["save", "kreg.test/registry:2.8.2", "-o"])
        .arg(&path)
        .status()
        .expect("docker");
    assert!(saved.success());
    let pushed = client.push_archive(&path, &repository, &tag).await.unwrap();
    let manifest = client.manifest(&repository, &tag).await.unwrap();
    assert_eq!(manifest.digest, pushed.digest);
    let manifest: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let mut config = Vec::new();
    let digest = manifest["config"]["digest"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    client
        .pull_blob(&repository, &digest, 1 << 20, &mut config)
        .await
        .unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert!(!layers.is_empty());
    for (layer, diff_id) in layers
        .iter()
        .zip(config["rootfs"]["diff_ids"].as_array().unwrap())
    {
        let mut bytes = Vec::new();
        let digest = layer["digest"].as_str().unwrap().parse().unwrap();
        client
            .pull_blob(
                &repository,
                &digest,
                layer["size"].as_u64().unwrap(),
                &mut bytes,
            )
            .await
            .unwrap();
        assert_eq!(layer["size"], bytes.len());
        assert_eq!(Layer::diff_id_of(&bytes).unwrap().as_str(), diff_id);
    }
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn files_that_are_no_single_image_are_refused_before_anything_is_sent() {
    let registry = Registry::start(Setup::default()).await;
    let (client, repository, tag) = (
        registry.client(),
        "bad".parse().unwrap(),
        "v1".parse::<Tag>().unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.tar");
    let image = TestImage::new("4", &["amd64"], MediaTypes::OCI);

    let mut missing = layout(&image);
    missing.retain(|(name, _)| !name.contains(image.blobs[0].0.hex()));
    let mut damaged = layout(&image);
    damaged.last_mut().unwrap().1[0] ^= 1;
    let mut twice = layout(&image);
    let mut index: Value = serde_json::from_slice(&twice[1].1).unwrap();
    let entry = index["manifests"][0].clone();
    index["manifests"].as_array_mut().unwrap().push(entry);
    twice[1].1 = index.to_string().into_bytes();
    for (files, words) in [
        (missing, "it has no blobs/"),
        (damaged, "damaged"),
        (twice, "2 images"),
        (
            vec![("a".to_owned(), Vec::new())],
            "neither index.json nor manifest.json",
        ),
        (
            vec![("index.json".to_owned(), b"{".to_vec())],
            "cannot be understood",
        ),
    ] {
        archive(&path, &files);
        let error = client
            .push_archive(&path, &repository, &tag)
            .await
            .unwrap_err();
        assert!(matches!(error, ArchiveError::Format { .. }), "{error:?}");
        assert!(
            error.to_string().contains(words),
            "`{words}` is not in: {error}"
        );
    }
    let error = client
        .push_archive("/nonexistent.tar", &repository, &tag)
        .await
        .unwrap_err();
    assert!(matches!(error, ArchiveError::Read { .. }), "{error:?}");
    assert!(all(client.catalog(100, None)).await.unwrap().is_empty());
}
