//! Fresh images, one a beat, and the old ones taken away.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Architectures;
use crate::image::{Digest, ProbeImage};
use crate::registry::{
    ConnectError, RegistryClient, RegistryError, Repository, TlsFault, with_causes,
};
use crate::verification::VerifyError;

/// Where they are pushed.
const REPOSITORY: &str = "kreg/watch";
/// How much longer than a pull may take an image is kept.
const GRACE: Duration = Duration::from_secs(30);

pub(super) struct Images {
    client: RegistryClient,
    repository: Repository,
    architectures: Architectures,
    keep: Duration,
    pushed: Mutex<VecDeque<(Instant, ProbeImage)>>,
}

/// Why an image could not be pushed: a word to count by, and the whole.
pub(super) struct NotPushed {
    pub(super) cause: String,
    pub(super) words: String,
}

impl Images {
    pub(super) fn new(
        client: RegistryClient,
        architectures: Architectures,
        pull: Duration,
    ) -> Result<Images, VerifyError> {
        Ok(Images {
            client,
            repository: REPOSITORY.parse().map_err(VerifyError::Name)?,
            architectures,
            keep: pull + GRACE,
            pushed: Mutex::default(),
        })
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Pushes an image that nobody has seen; no tag, a digest is enough.
    pub(super) async fn push(&self) -> Result<Digest, NotPushed> {
        let image =
            ProbeImage::fresh(self.architectures.iter().copied()).map_err(|error| NotPushed {
                cause: "image".to_owned(),
                words: with_causes(&error),
            })?;
        // Known before the first byte goes, so that it is taken away whatever becomes of this.
        self.all().push_back((Instant::now(), image.clone()));
        self.send(&image).await.map_err(|error| NotPushed {
            cause: cause(&error),
            words: with_causes(&error),
        })?;
        self.remove(|age| age > self.keep).await;
        Ok(image.digest().clone())
    }

    pub(super) async fn remove_all(&self) {
        self.remove(|_| true).await;
    }

    async fn send(&self, image: &ProbeImage) -> Result<(), RegistryError> {
        for blob in image.blobs() {
            let bytes = Bytes::copy_from_slice(&blob.bytes);
            self.client.push_blob(&self.repository, bytes).await?;
        }
        for manifest in image.manifests() {
            self.client
                .put_manifest(&self.repository, &manifest.digest, manifest)
                .await?;
        }
        Ok(())
    }

    /// A registry that does not delete keeps them: a few hundred bytes each.
    async fn remove(&self, old: impl Fn(Duration) -> bool) {
        loop {
            let image = {
                let mut all = self.all();
                match all.front() {
                    Some((at, _)) if old(at.elapsed()) => all.pop_front(),
                    _ => None,
                }
            };
            let Some((_, image)) = image else { return };
            for manifest in image.manifests().iter().rev() {
                let gone = self
                    .client
                    .delete_manifest(&self.repository, &manifest.digest)
                    .await;
                match gone {
                    Err(error) if error.status().is_none() => return, // nobody there to ask
                    _ => {}
                }
            }
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, ProbeImage)>> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cause(error: &RegistryError) -> String {
    match error {
        RegistryError::Connect { source, .. } => match source.as_ref() {
            ConnectError::Tls { source, .. } if source.certificate().is_some() => "certificate",
            ConnectError::Tls {
                source: TlsFault::NotTls,
                ..
            } => "http-for-https",
            ConnectError::Tls { .. } | ConnectError::Dial(_) => "unreachable",
        }
        .to_owned(),
        RegistryError::Timeout { .. } => "timeout".to_owned(),
        RegistryError::Refused { status, .. } => format!("http-{}", status.as_u16()),
        _ => "broken".to_owned(),
    }
}
