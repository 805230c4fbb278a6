//! The probe image goes in, is listed, and comes out unchanged.

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::Deserialize;

use crate::check::{Check, Context, Outcome};
use crate::image::ProbeImage;
use kreg_registry::{Descriptor, Layer, Manifest, Reference, RegistryClient, RegistryError};

/// A fresh image can be pushed: blobs whole and in chunks, then the manifests.
#[derive(Clone, Copy, Debug)]
pub struct Push;

/// The pushed image is in the list of its repository's tags.
#[derive(Clone, Copy, Debug)]
pub struct List;

/// The pushed image can be pulled by its digest, every byte as it was pushed.
#[derive(Clone, Copy, Debug)]
pub struct Pull;

/// Names in a page of a list.
pub(super) const PAGE: u32 = 1000;

/// Bytes a chunk: small enough that the probe's layer takes more than one.
const CHUNK: usize = 256;

impl Check for Push {
    fn name(&self) -> &str {
        "push"
    }

    fn title(&self) -> String {
        "an image with a digest nobody has seen can be pushed".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["login"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match push(context).await {
                Ok(how) => Outcome::pass(format!(
                    "{}:{} ({})",
                    context.repository,
                    context.tag,
                    context
                        .image
                        .architectures()
                        .iter()
                        .map(|a| a.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                ))
                .with("digest", context.image.digest().as_str())
                .with("blobs", how),
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn push(context: &Context) -> Result<String, RegistryError> {
    let (client, repository) = (context.client(), &context.repository);
    let mut how = Vec::new();
    for (index, blob) in context.image.blobs().iter().enumerate() {
        let bytes = Bytes::copy_from_slice(&blob.bytes);
        let size = bytes.len();
        let chunked = index % 2 == 0;
        if chunked {
            client.push_blob_chunked(repository, bytes, CHUNK).await?;
        } else {
            client.push_blob(repository, bytes).await?;
        }
        let form = if chunked {
            format!("in chunks of {CHUNK}")
        } else {
            "whole".to_owned()
        };
        how.push(format!("{size} bytes {form}"));
    }
    for manifest in context.image.manifests() {
        client
            .put_manifest(repository, &manifest.digest, manifest)
            .await?;
        if manifest.digest == *context.image.digest() {
            client
                .put_manifest(repository, &context.tag, manifest)
                .await?;
        }
    }
    Ok(how.join("; "))
}

impl Check for List {
    fn name(&self) -> &str {
        "list"
    }

    fn title(&self) -> String {
        "the pushed image is listed".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["push"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match list(context).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn list(context: &Context) -> Result<Outcome, RegistryError> {
    let (client, repository, tag) = (context.client(), &context.repository, &context.tag);
    // Only its own tags: the list of repositories may be very long, and nobody needs it to pull.
    let mut pages = client.tags(repository, PAGE, Some(before(tag.as_str())));
    let tags = pages.next().await?.unwrap_or_default();
    if !tags.iter().any(|name| name == tag.as_str()) {
        return Ok(Outcome::fail(format!(
            "{repository} does not list {tag}, though it was just pushed; do several registries answer under \
             this name?"
        )));
    }
    let digest = client.manifest_digest(repository, tag).await?;
    if digest.as_ref() != Some(context.image.digest()) {
        return Ok(Outcome::fail(format!(
            "{repository}:{tag} stands for {}, not for {} as pushed",
            digest.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string()),
            context.image.digest()
        )));
    }
    Ok(Outcome::pass(format!("{repository}:{tag}")))
}

/// A name that is just before `name` in any order that registries use: only names that begin with it
/// come between.
pub(super) fn before(name: &str) -> &str {
    let last = name.char_indices().next_back();
    last.map_or(name, |(end, _)| &name[..end])
}

impl Check for Pull {
    fn name(&self) -> &str {
        "pull"
    }

    fn title(&self) -> String {
        "the pushed image comes back by digest, byte for byte".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["push"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match pull(context).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

/// Walks from the digest down, as a runtime does; every step checks the digest it came by.
async fn pull(context: &Context) -> Result<Outcome, RegistryError> {
    let (client, repository) = (context.client(), &context.repository);
    let root = client.manifest(repository, context.image.digest()).await?;
    let mut nonces = Vec::new();
    for manifest in manifests_below(&client, context, root).await? {
        let Ok(parts) = serde_json::from_slice::<Parts>(&manifest.bytes) else {
            return Ok(Outcome::fail(format!(
                "manifest {} is not the one pushed",
                manifest.digest
            )));
        };
        let mut config = Vec::new();
        client
            .pull_blob(
                repository,
                &parts.config.digest,
                parts.config.size,
                &mut config,
            )
            .await?;
        for descriptor in &parts.layers {
            let mut layer = Vec::new();
            client
                .pull_blob(repository, &descriptor.digest, descriptor.size, &mut layer)
                .await?;
            let diff_id = Layer::diff_id_of(&layer).map(|id| id.to_string());
            let in_config = diff_id.is_ok_and(|id| String::from_utf8_lossy(&config).contains(&id));
            let nonce = ProbeImage::nonce_in(&layer).ok().flatten();
            if !in_config || nonce.as_deref() != Some(context.image.nonce().to_string().as_str()) {
                return Ok(Outcome::fail(format!(
                    "layer {} is not the one pushed",
                    descriptor.digest
                )));
            }
            nonces.extend(nonce);
        }
    }
    if nonces.len() != context.image.architectures().len() {
        return Ok(Outcome::fail(format!(
            "{} layers came back, not those pushed",
            nonces.len()
        )));
    }
    let words = format!("with its nonce {}", context.image.nonce());
    Ok(Outcome::pass(words).with("digest", context.image.digest().as_str()))
}

#[derive(Deserialize)]
struct Parts {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

async fn manifests_below(
    client: &RegistryClient,
    context: &Context,
    root: Manifest,
) -> Result<Vec<Manifest>, RegistryError> {
    #[derive(Deserialize)]
    struct Index {
        manifests: Vec<Descriptor>,
    }
    let Ok(index) = serde_json::from_slice::<Index>(&root.bytes) else {
        return Ok(vec![root]);
    };
    let mut below = Vec::new();
    for entry in index.manifests {
        let reference = Reference::Digest(entry.digest);
        below.push(client.manifest(&context.repository, reference).await?);
    }
    Ok(below)
}
