//! Fresh images, one a beat, and the old ones taken away.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::causes::with_causes;
use crate::image::{Architecture, ProbeImage};
use crate::verify_error::VerifyError;
use kreg_registry::{ConnectError, Digest, RegistryClient, RegistryError, Repository, TlsFault};

/// Where they are pushed.
const REPOSITORY: &str = "kreg/watch";
/// How much longer than a pull may take an image is kept, once there is a newer one.
const GRACE: Duration = Duration::from_secs(30);

pub(super) struct Images {
    client: Mutex<RegistryClient>,
    /// A client with the CA that is trusted now.
    renew: Box<dyn Fn() -> BoxFuture<'static, Option<RegistryClient>> + Send + Sync>,
    repository: Repository,
    architectures: Vec<Architecture>,
    keep: Duration,
    /// The oldest first, each with the moment from which another was to be pulled instead.
    pushed: Mutex<VecDeque<(ProbeImage, Option<Instant>)>>,
}

/// Why an image could not be pushed: a word to count by, and the whole.
pub(super) struct NotPushed {
    pub(super) cause: String,
    pub(super) words: String,
}

impl Images {
    pub(super) fn new(
        client: RegistryClient,
        renew: impl Fn() -> BoxFuture<'static, Option<RegistryClient>> + Send + Sync + 'static,
        architectures: Vec<Architecture>,
        pull: Duration,
    ) -> Result<Images, VerifyError> {
        Ok(Images {
            client: Mutex::new(client),
            renew: Box::new(renew),
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
        self.all().push_back((image.clone(), None));
        let mut sent = self.send(&image).await;
        // A rotation takes the CA away that this began with; nodes were told, so is this.
        if let Err(error) = &sent
            && cause(error) == "certificate"
            && let Some(client) = (self.renew)().await
        {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
            sent = self.send(&image).await;
        }
        sent.map_err(|error| NotPushed {
            cause: cause(&error),
            words: with_causes(&error),
        })?;
        self.supersede(image.digest());
        self.remove(|superseded| superseded.is_some_and(|at| at.elapsed() > self.keep))
            .await;
        Ok(image.digest().clone())
    }

    pub(super) async fn remove_all(&self) {
        self.remove(|_| true).await;
    }

    async fn send(&self, image: &ProbeImage) -> Result<(), RegistryError> {
        let client = self.client();
        for blob in image.blobs() {
            let bytes = Bytes::copy_from_slice(&blob.bytes);
            client.push_blob(&self.repository, bytes).await?;
        }
        for manifest in image.manifests() {
            client
                .put_manifest(&self.repository, &manifest.digest, manifest)
                .await?;
        }
        Ok(())
    }

    /// A registry that does not delete keeps them: a few hundred bytes each.
    async fn remove(&self, old: impl Fn(Option<Instant>) -> bool) {
        loop {
            let image = {
                let mut all = self.all();
                match all.front() {
                    Some((_, superseded)) if old(*superseded) => all.pop_front(),
                    _ => None,
                }
            };
            let Some((image, _)) = image else { return };
            let client = self.client();
            for manifest in image.manifests().iter().rev() {
                let gone = client
                    .delete_manifest_and_tags(&self.repository, manifest)
                    .await;
                match gone {
                    Err(error) if error.status().is_none() => return, // nobody there to ask
                    _ => {}
                }
            }
        }
    }

    fn client(&self) -> RegistryClient {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.clone()
    }

    /// From now on nodes pull this one. While nothing could be pushed they pulled the one before,
    /// however old it was.
    fn supersede(&self, newest: &Digest) {
        let now = Instant::now();
        for (image, superseded) in self.all().iter_mut() {
            if image.digest() != newest {
                superseded.get_or_insert(now);
            }
        }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<(ProbeImage, Option<Instant>)>> {
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
            _ => "unreachable",
        }
        .to_owned(),
        RegistryError::Timeout { .. } => "timeout".to_owned(),
        RegistryError::Refused { status, .. } => format!("http-{}", status.as_u16()),
        _ => "broken".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::image::Architecture;
    use kreg_registry::Transport;
    use kreg_registry::dial::TcpDial;

    #[test]
    fn an_image_grows_old_only_once_there_is_a_newer_one() {
        let host = "r:5000".parse().unwrap();
        let dial = Arc::new(TcpDial::new("127.0.0.1:1"));
        let client = RegistryClient::new(host, dial, Transport::PlainHttp);
        let none = || -> BoxFuture<'static, Option<RegistryClient>> { Box::pin(async { None }) };
        let images = Images::new(client, none, vec![Architecture::Amd64], GRACE).unwrap();
        let made: Vec<_> = (0..3)
            .map(|_| ProbeImage::fresh([Architecture::Amd64]).unwrap())
            .collect();
        let marks = |images: &Images| -> Vec<Option<Instant>> {
            images.all().iter().map(|(_, mark)| *mark).collect()
        };
        images.all().push_back((made[0].clone(), None));
        images.supersede(made[0].digest());
        // The second could not be pushed: the first is pulled on, and keeps its place.
        images.all().push_back((made[1].clone(), None));
        assert_eq!(marks(&images), [None, None]);
        images.all().push_back((made[2].clone(), None));
        images.supersede(made[2].digest());
        let once = marks(&images);
        assert!(once[0].is_some() && once[1].is_some() && once[2].is_none());
        images.supersede(made[2].digest());
        assert_eq!(marks(&images), once);
    }
}
