//! The three ways in which clients send a blob: whole, in chunks, and on after a lost connection.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::check::{Check, Context, Outcome};
use kreg_registry::{Digest, RegistryClient, RegistryError};

/// A blob goes in by `POST` and one `PUT`, as small ones do.
#[derive(Clone, Copy, Debug)]
pub struct PushWhole;

/// A blob goes in by `PATCH`es, as Docker sends layers.
#[derive(Clone, Copy, Debug)]
pub struct PushChunked;

/// An upload outlives its connection: another one asks how far it came, and ends it.
#[derive(Clone, Copy, Debug)]
pub struct PushResumed;

/// Bytes of a chunk, and chunks of a blob.
const CHUNK: usize = 16 << 10;
const CHUNKS: usize = 3;

/// Half of a check: the three differ in the middle only.
macro_rules! upload_check {
    ($check:ident, $name:literal, $title:literal, $push:ident) => {
        impl Check for $check {
            fn name(&self) -> &str {
                $name
            }

            fn title(&self) -> String {
                $title.to_owned()
            }

            fn after(&self) -> &[&str] {
                &["login"]
            }

            fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
                Box::pin(async move {
                    let content = match random() {
                        Ok(content) => content,
                        Err(outcome) => return outcome,
                    };
                    match $push(context, content).await {
                        Ok(outcome) => outcome,
                        Err(error) => Outcome::failed_by(&error),
                    }
                })
            }
        }
    };
}

upload_check!(PushWhole, "push-whole", "a blob goes in whole", whole);
upload_check!(
    PushChunked,
    "push-chunked",
    "a blob goes in by chunks",
    chunked
);
upload_check!(
    PushResumed,
    "push-resumed",
    "an upload goes on after its connection was lost",
    resumed
);

async fn whole(context: &Context, content: Bytes) -> Result<Outcome, RegistryError> {
    let client = context.client();
    let (digest, size) = (noted(context, &content), content.len());
    client.push_blob(&context.repository, content).await?;
    came_back(context, &client, &digest, size).await?;
    Ok(Outcome::pass(format!("{size} bytes by POST and PUT")).with("blob", digest.as_str()))
}

async fn chunked(context: &Context, content: Bytes) -> Result<Outcome, RegistryError> {
    let client = context.client();
    let (digest, size) = (noted(context, &content), content.len());
    client
        .push_blob_chunked(&context.repository, content, CHUNK)
        .await?;
    came_back(context, &client, &digest, size).await?;
    let words = format!("{size} bytes by POST, {CHUNKS} PATCHes and PUT");
    Ok(Outcome::pass(words).with("blob", digest.as_str()))
}

/// The first connection is closed with the client that had it; a second client, which knows nothing
/// but where the upload was, goes on.
async fn resumed(context: &Context, content: Bytes) -> Result<Outcome, RegistryError> {
    let (digest, size) = (noted(context, &content), content.len());
    let upload = {
        let first = context.client();
        let begun = first.begin_upload(&context.repository).await?;
        first.send_chunk(&begun, content.slice(..CHUNK)).await?
    };
    let client = context.client();
    let mut upload = client.ask_upload(&upload).await?;
    let there = upload.received();
    if there != CHUNK as u64 {
        return Ok(Outcome::fail(format!(
            "the registry took {CHUNK} bytes over a connection that was then lost, and says over the next one that \
             it has {there}; do several registries answer under this name, with storage of their own?"
        )));
    }
    let mut rest = content.slice(CHUNK..);
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(CHUNK));
        upload = client.send_chunk(&upload, part).await?;
    }
    client.finish_upload(&upload, Bytes::new(), &digest).await?;
    came_back(context, &client, &digest, size).await?;
    let words = format!("{there} bytes kept over a lost connection, {size} in all");
    Ok(Outcome::pass(words).with("blob", digest.as_str()))
}

fn random() -> Result<Bytes, Outcome> {
    let mut bytes = vec![0; CHUNK * CHUNKS];
    getrandom::fill(&mut bytes).map_err(|error| Outcome::failed_by(&error))?;
    Ok(bytes.into())
}

fn noted(context: &Context, content: &Bytes) -> Digest {
    let digest = Digest::of(content);
    context.litter.blob(&context.repository, &digest);
    digest
}

/// Reads the blob again; its digest is checked on the way.
async fn came_back(
    context: &Context,
    client: &RegistryClient,
    digest: &Digest,
    size: usize,
) -> Result<(), RegistryError> {
    let mut back = Vec::with_capacity(size);
    client
        .pull_blob(&context.repository, digest, size as u64, &mut back)
        .await
        .map(drop)
}
