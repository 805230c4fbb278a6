//! The client against the real registry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)] // a test may fail by them

mod common;

use bytes::Bytes;
use common::image::{PLATFORMS, TestImage};
use common::{HOST, Registry, Setup, all};
use http::StatusCode;
use kreg_registry::dial::{Tunnel, TunnelOptions};
use kreg_registry::{
    Digest, MediaTypes, RegistryClient, RegistryError, Repository, Tag, Transport,
};
use std::sync::Arc;

fn repository(name: &str) -> Repository {
    name.parse().unwrap()
}

async fn push(client: &RegistryClient, image: &TestImage, repository: &Repository, tag: &Tag) {
    for (_, bytes) in &image.blobs {
        client
            .push_blob(repository, Bytes::from(bytes.clone()))
            .await
            .unwrap();
    }
    let (root, below) = image.manifests.split_last().unwrap();
    for manifest in below {
        client
            .put_manifest(repository, &manifest.digest, manifest)
            .await
            .unwrap();
    }
    client.put_manifest(repository, tag, root).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn blobs_go_in_by_every_way_and_come_out_the_same() {
    let registry = Registry::start(Setup::default()).await;
    let (client, repository) = (registry.client(), repository("a/b"));
    let content: Bytes = (0..200_000_u32)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>()
        .into();

    let whole = client
        .push_blob(&repository, content.slice(..1000))
        .await
        .unwrap();
    let chunked = client
        .push_blob_chunked(&repository, content.slice(..100_000), 30_000)
        .await
        .unwrap();
    let streamed = Digest::of(&content);
    let parts: Vec<_> = content
        .chunks(65_536)
        .map(|part| Ok(Bytes::copy_from_slice(part)))
        .collect();
    client
        .push_blob_stream(
            &repository,
            &streamed,
            content.len() as u64,
            futures::stream::iter(parts),
        )
        .await
        .unwrap();

    for (digest, size) in [(whole, 1000), (chunked, 100_000), (streamed, content.len())] {
        assert_eq!(
            client.blob_size(&repository, &digest).await.unwrap(),
            Some(size as u64)
        );
        let mut back = Vec::new();
        assert_eq!(
            client
                .pull_blob(&repository, &digest, size as u64, &mut back)
                .await
                .unwrap(),
            size as u64
        );
        assert!(back == content[..size]);
    }
    let unknown = Digest::of(b"unknown");
    assert_eq!(client.blob_size(&repository, &unknown).await.unwrap(), None);
    let error = client
        .pull_blob(&repository, &unknown, 1, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(error.has_code("BLOB_UNKNOWN"), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_stream_that_is_not_what_it_claims_is_refused() {
    let registry = Registry::start(Setup::default()).await;
    let (client, repository) = (registry.client(), repository("a"));
    let parts = vec![Ok(Bytes::from_static(b"other"))];
    let claimed = Digest::of(b"claim");
    let error = client
        .push_blob_stream(&repository, &claimed, 5, futures::stream::iter(parts))
        .await
        .unwrap_err();
    assert!(error.has_code("DIGEST_INVALID"), "{error}");
    let broken = vec![
        Ok(Bytes::from_static(b"ab")),
        Err(std::io::Error::other("disk gone")),
    ];
    let error = client
        .push_blob_stream(&repository, &claimed, 5, futures::stream::iter(broken))
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Broken { .. }), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn both_families_of_formats_and_an_index_are_taken() {
    let registry = Registry::start(Setup {
        delete: true,
        ..Setup::default()
    })
    .await;
    let client = registry.client();
    for (name, types) in [("docker", MediaTypes::DOCKER), ("oci", MediaTypes::OCI)] {
        let (repository, tag) = (repository(name), "v1".parse().unwrap());
        let image = TestImage::new("1", &PLATFORMS, types);
        push(&client, &image, &repository, &tag).await;
        let index = client.manifest(&repository, &tag).await.unwrap();
        assert_eq!(
            (&index.digest, index.media_type.as_str()),
            (image.digest(), types.index)
        );
        assert_eq!(
            client
                .manifest_digest(&repository, &tag)
                .await
                .unwrap()
                .as_ref(),
            Some(image.digest())
        );
        client
            .delete_manifest(&repository, image.digest())
            .await
            .unwrap();
        assert_eq!(
            client.manifest_digest(&repository, &tag).await.unwrap(),
            None
        );
        let error = client.manifest(&repository, &tag).await.unwrap_err();
        assert!(error.has_code("MANIFEST_UNKNOWN"), "{error}");
    }
}

/// distribution answers some of the deletes with 500 and leaves the tag: many at once show it.
#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn what_is_deleted_while_others_tag_is_gone_with_its_tag() {
    let registry = Registry::start(Setup {
        delete: true,
        auth: false,
        ..Setup::default()
    })
    .await;
    let (client, repository) = (registry.client(), repository("a"));
    let lives = (0..8).map(|life| {
        let (client, repository) = (client.clone(), repository.clone());
        async move {
            for turn in 0..15 {
                let seed = format!("{life} {turn}");
                let image = TestImage::new(&seed, &["amd64"], MediaTypes::DOCKER);
                let tag: Tag = format!("t{life}-{turn}").parse().unwrap();
                push(&client, &image, &repository, &tag).await;
                let manifest = image.root();
                client
                    .delete_manifest_and_tags(&repository, manifest)
                    .await
                    .unwrap();
                let left = client.manifest_digest(&repository, image.digest()).await;
                assert_eq!(left.unwrap(), None);
            }
        }
    });
    futures::future::join_all(lives).await;
    let left = all(client.tags(&repository, 100, None)).await;
    assert!(left.as_ref().is_ok_and(Vec::is_empty), "{left:?}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn lists_longer_than_a_page_come_whole() {
    let registry = Registry::start(Setup {
        auth: false,
        ..Setup::default()
    })
    .await;
    let client = registry.client();
    let image = TestImage::new("lists", &["amd64"], MediaTypes::DOCKER);
    let tag: Tag = "v1".parse().unwrap();
    let mut wanted: Vec<String> = (0..130).map(|number| format!("r/{number:03}")).collect();
    for name in &wanted {
        push(&client, &image, &repository(name), &tag).await;
    }
    wanted.sort();
    assert_eq!(all(client.catalog(100, None)).await.unwrap(), wanted);
    let tags = |name| all(client.tags(&repository(name), 100, None));
    assert_eq!(tags("r/000").await.unwrap(), ["v1"]);
    let error = tags("r/none").await.unwrap_err();
    assert!(error.has_code("NAME_UNKNOWN"), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn errors_name_the_request_and_the_registrys_words() {
    let registry = Registry::start(Setup::default()).await;
    let transport = Transport::trusting(&registry.authority.certificate_pem()).unwrap();
    let client = RegistryClient::new(HOST.parse().unwrap(), registry.dial(), transport);
    let error = all(client.catalog(100, None)).await.unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    let words = error.to_string();
    assert!(
        words.starts_with("GET https://docker-registry:5000/v2/_catalog"),
        "{words}"
    );
    assert!(
        words.contains("UNAUTHORIZED (authentication required)"),
        "{words}"
    );
    let digest = Digest::of(b"x");
    let error = registry
        .client()
        .delete_manifest(&repository("a"), &digest)
        .await
        .unwrap_err();
    assert!(error.has_code("UNSUPPORTED"), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker with image kreg.test/registry:2.8.2: run by cargo xtask test"]
async fn a_tunnel_carries_tls_end_to_end() {
    let registry = Registry::start(Setup::default()).await;
    let tunnel = Tunnel::open(registry.dial(), TunnelOptions::default())
        .await
        .unwrap();
    let dial = Arc::new(kreg_registry::dial::TcpDial::new(
        tunnel.address().to_string(),
    ));
    let transport = Transport::trusting(&registry.authority.certificate_pem()).unwrap();
    let client = RegistryClient::new(HOST.parse().unwrap(), dial, transport)
        .with_credentials(&registry.user);
    assert_eq!(client.ping().await.unwrap().status, StatusCode::OK);
    tunnel.close().await;
    assert!(client.ping().await.is_err());
}
