//! The client against a server that wants to harm it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may fail by them

#[path = "common/server.rs"]
mod server;

use std::time::{Duration, Instant};

use kreg_registry::{Digest, RegistryError, Repository, Tag};
use server::{Reply, Server, list};

const MIB: usize = 1 << 20;

fn repository() -> Repository {
    "a".parse().unwrap()
}

#[tokio::test]
async fn a_document_without_end_is_cut_off() {
    for status in [200, 401, 500] {
        let server = Server::start(move |_| Reply::Endless(status)).await;
        let client = server.client();
        let errors = [
            client.ping().await.unwrap_err(),
            client.catalog(100, None).next().await.unwrap_err(),
            client
                .tags(&repository(), 100, None)
                .next()
                .await
                .unwrap_err(),
            client
                .manifest(&repository(), &Digest::of(b"x"))
                .await
                .unwrap_err(),
        ];
        for error in &errors {
            assert!(matches!(error, RegistryError::TooLong { .. }), "{error:?}");
        }
        // What the kernel buffers comes on top.
        let sent = *server.sent.lock().unwrap() / errors.len();
        assert!(sent < 24 * MIB, "{sent} bytes for each document");
    }
}

#[tokio::test]
async fn a_blob_is_read_only_as_far_as_its_size_goes() {
    let server = Server::start(|_| Reply::Endless(200)).await;
    let (mut sink, digest) = (Vec::new(), Digest::of(b"x"));
    let error = server
        .client()
        .pull_blob(&repository(), &digest, 100_000, &mut sink)
        .await
        .unwrap_err();
    let cut = matches!(error, RegistryError::TooLong { most: 100_000, .. });
    assert!(cut && sink.len() <= 100_000, "{error:?}, {}", sink.len());
}

#[tokio::test]
async fn a_blob_that_comes_byte_by_byte_is_given_up() {
    let server = Server::start(|_| Reply::Drip).await;
    let client = server.client().with_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    let error = client
        .pull_blob(&repository(), &Digest::of(b"x"), 50_000, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Timeout { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_image_with_an_endless_layer_leaves_no_file() {
    let layer = Digest::of(b"x");
    let blob = format!(r#"{{"mediaType":"a/b","size":10,"digest":"{layer}"}}"#);
    let manifest = format!(r#"{{"schemaVersion":2,"config":{blob},"layers":[]}}"#);
    let server = Server::start(move |request| match request.contains("/manifests/") {
        true => {
            let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json";
            Reply::Whole(200, vec![kind.to_owned()], manifest.clone())
        }
        false => Reply::Endless(200),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let tag: Tag = "v1".parse().unwrap();
    let pulled = server
        .client()
        .pull_layout(&repository(), &tag, folder.path())
        .await;
    assert!(format!("{pulled:?}").contains("TooLong"), "{pulled:?}");
    let blobs = folder.path().join("blobs/sha256");
    let part = |name: &str| name.contains("part") || name == layer.hex();
    for file in std::fs::read_dir(blobs).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(!part(&name), "{name} is left");
    }
}

#[tokio::test]
async fn a_list_that_links_in_a_circle_is_an_error() {
    for circle in [["/v2/_catalog?n=1"; 2], ["/v2/b", "/v2/c"]] {
        let server = Server::start(move |request| {
            let next = circle[usize::from(request.ends_with(circle[0]))];
            list(
                r#"{"repositories":["a"]}"#.to_owned(),
                Some(next.to_owned()),
            )
        })
        .await;
        let mut pages = server.client().catalog(1, None);
        let error = loop {
            match pages.next().await {
                Ok(page) => assert!(page.is_some(), "the list has an end"),
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("has no end"), "{error}");
    }
}
