//! Images beyond the probe itself: one for several architectures, and one that goes again.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::StatusCode;
use serde::Deserialize;

use crate::check::{Check, Context, Outcome};
use crate::image::{Architecture, Nonce, ProbeImage};
use kreg_registry::{Descriptor, MediaTypes, Reference, RegistryClient, RegistryError, Tag};

/// An OCI index for two architectures goes in, and each finds its own image in it.
#[derive(Clone, Copy, Debug)]
pub struct Index;

/// A manifest that is deleted is gone, and its tag with it.
#[derive(Clone, Copy, Debug)]
pub struct Delete;

/// What the index is for: no node runs it, so any two do.
const TWO: [Architecture; 2] = [Architecture::Amd64, Architecture::Arm64];

impl Check for Index {
    fn name(&self) -> &str {
        "index"
    }

    fn title(&self) -> String {
        "each architecture finds its own image under one tag".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["login"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let image = match fresh(&TWO) {
                Ok(image) => image,
                Err(outcome) => return outcome,
            };
            match index(context, &image).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn index(context: &Context, image: &ProbeImage) -> Result<Outcome, RegistryError> {
    let (client, repository) = (context.client(), &context.repository);
    let tag = match push(context, &client, image, "index").await? {
        Ok(tag) => tag,
        Err(outcome) => return Ok(outcome),
    };
    let root = client.manifest(repository, &tag).await?;
    if root.media_type != MediaTypes::OCI.index || root.digest != *image.digest() {
        return Ok(Outcome::fail(format!(
            "{repository}:{tag} comes back as {} of type {}, not as the index {} that was pushed",
            root.digest,
            root.media_type,
            image.digest()
        )));
    }
    let Ok(Listed { manifests }) = serde_json::from_slice(&root.bytes) else {
        return Ok(Outcome::fail("the index that came back lists no manifests"));
    };
    let mut found = Vec::new();
    for entry in manifests {
        let Some(platform) = entry.platform else {
            continue;
        };
        let child = client
            .manifest(repository, Reference::Digest(entry.digest))
            .await?;
        let Ok(Parts { config }) = serde_json::from_slice(&child.bytes) else {
            return Ok(Outcome::fail(format!(
                "{} is no image's manifest",
                child.digest
            )));
        };
        let mut bytes = Vec::new();
        client
            .pull_blob(repository, &config.digest, config.size, &mut bytes)
            .await?;
        let says = serde_json::from_slice::<Configuration>(&bytes).ok();
        if says.is_none_or(|says| says.architecture != platform.architecture) {
            return Ok(Outcome::fail(format!(
                "the image listed for {} is for another architecture",
                platform.architecture
            )));
        }
        found.push(platform.architecture);
    }
    if found.len() != TWO.len() {
        return Ok(Outcome::fail(format!(
            "the index that came back is for {} only",
            found.join(", ")
        )));
    }
    Ok(Outcome::pass(found.join(" and ")).with("index", root.digest.as_str()))
}

impl Check for Delete {
    fn name(&self) -> &str {
        "delete"
    }

    fn title(&self) -> String {
        "an image that is deleted is gone".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["login"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let image = match fresh(&TWO[..1]) {
                Ok(image) => image,
                Err(outcome) => return outcome,
            };
            match delete(context, &image).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn delete(context: &Context, image: &ProbeImage) -> Result<Outcome, RegistryError> {
    let (client, repository) = (context.client(), &context.repository);
    let tag = match push(context, &client, image, "delete").await? {
        Ok(tag) => tag,
        Err(outcome) => return Ok(outcome),
    };
    for manifest in image.manifests() {
        match client.delete_manifest_and_tags(repository, manifest).await {
            Err(error) if error.status() == Some(StatusCode::METHOD_NOT_ALLOWED) => {
                return Ok(Outcome::skipped(
                    "deletion is off in this registry (REGISTRY_STORAGE_DELETE_ENABLED)",
                ));
            }
            done => done?,
        }
    }
    for (what, reference) in [
        ("its digest", Reference::from(image.digest())),
        ("its tag", Reference::from(&tag)),
    ] {
        if client
            .manifest_digest(repository, reference)
            .await?
            .is_some()
        {
            return Ok(Outcome::fail(format!(
                "{repository}:{tag} was deleted, and is still served by {what}; does a cache stand before the registry?"
            )));
        }
    }
    Ok(Outcome::pass(format!("{repository}:{tag} went")).with("manifest", image.digest().as_str()))
}

/// Pushes an image under a tag of its own; `Err` is what else is to be told.
async fn push(
    context: &Context,
    client: &RegistryClient,
    image: &ProbeImage,
    word: &str,
) -> Result<Result<Tag, Outcome>, RegistryError> {
    let repository = &context.repository;
    let tag: Tag = match format!("{word}-{}", image.nonce()).parse() {
        Ok(tag) => tag,
        Err(error) => return Ok(Err(Outcome::failed_by(&error))),
    };
    for blob in image.blobs() {
        context.litter.blob(repository, &blob.digest);
        client
            .push_blob(repository, Bytes::copy_from_slice(&blob.bytes))
            .await?;
    }
    for manifest in image.manifests() {
        context.litter.manifest(repository, manifest);
        let reference = match manifest.digest == *image.digest() {
            true => Reference::from(&tag),
            false => Reference::from(&manifest.digest),
        };
        client.put_manifest(repository, reference, manifest).await?;
    }
    Ok(Ok(tag))
}

fn fresh(architectures: &[Architecture]) -> Result<ProbeImage, Outcome> {
    Nonce::random()
        .and_then(|nonce| ProbeImage::build(nonce, architectures.iter().copied(), MediaTypes::OCI))
        .map_err(|error| Outcome::failed_by(&error))
}

#[derive(Deserialize)]
struct Listed {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Parts {
    config: Descriptor,
}

#[derive(Deserialize)]
struct Configuration {
    architecture: String,
}
