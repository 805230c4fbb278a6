//! Manifests and indexes: put, get, look for, delete.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::client::{Answer, RegistryClient};
use crate::descriptor::Digest;
use crate::error::RegistryError;
use crate::manifest::Manifest;
use crate::name::{Reference, Repository};

/// Every form a manifest may have; without this list registries convert or refuse.
const ACCEPTED: HeaderValue = HeaderValue::from_static(concat!(
    "application/vnd.oci.image.index.v1+json, ",
    "application/vnd.oci.image.manifest.v1+json, ",
    "application/vnd.docker.distribution.manifest.list.v2+json, ",
    "application/vnd.docker.distribution.manifest.v2+json",
));

impl RegistryClient {
    /// Stores a manifest under a tag or its own digest.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], as 404 `MANIFEST_BLOB_UNKNOWN` if content is missing;
    /// [`RegistryError::Digest`] if the registry stored something else.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        reference: impl Into<Reference>,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let path = path(repository, &reference.into());
        let mut headers = HeaderMap::new();
        let media_type =
            HeaderValue::from_str(&manifest.media_type).map_err(|error| RegistryError::Form {
                request: format!("PUT {path}"),
                source: error.into(),
            })?;
        headers.insert(CONTENT_TYPE, media_type);
        let bytes = Bytes::copy_from_slice(&manifest.bytes);
        let answer = self
            .ask(Method::PUT, &path, headers, bytes)
            .await?
            .expect(&[StatusCode::CREATED])?;
        check_stated_digest(&answer, &manifest.digest)
    }

    /// A manifest by tag or digest, its bytes checked against its digest.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with 404 `MANIFEST_UNKNOWN`, [`RegistryError::Digest`].
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: impl Into<Reference>,
    ) -> Result<Manifest, RegistryError> {
        let reference = reference.into();
        let answer = self
            .ask(
                Method::GET,
                &path(repository, &reference),
                accept(),
                Bytes::new(),
            )
            .await?
            .expect(&[StatusCode::OK])?;
        let media_type = answer.header("content-type").unwrap_or_default().to_owned();
        let manifest = Manifest::new(&media_type, answer.body.to_vec());
        if let Reference::Digest(expected) = &reference
            && *expected != manifest.digest
        {
            return Err(RegistryError::Digest {
                request: answer.request,
                expected: expected.clone(),
                got: manifest.digest,
            });
        }
        check_stated_digest(&answer, &manifest.digest)?;
        Ok(manifest)
    }

    /// The digest that a tag stands for now, or `None` if there is no such manifest.
    ///
    /// # Errors
    /// [`RegistryError`] for every other answer.
    pub async fn manifest_digest(
        &self,
        repository: &Repository,
        reference: impl Into<Reference>,
    ) -> Result<Option<Digest>, RegistryError> {
        let path = path(repository, &reference.into());
        let answer = self
            .ask(Method::HEAD, &path, accept(), Bytes::new())
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.expect(&[StatusCode::OK])?;
        let stated = answer.header("docker-content-digest").map(str::parse);
        match stated {
            Some(Ok(digest)) => Ok(Some(digest)),
            _ => Err(answer.unexpected("the answer names no digest (Docker-Content-Digest)")),
        }
    }

    /// Deletes a manifest, and with it every tag that stood for it.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with 405 where deletion is off, which is the registry's default.
    pub async fn delete_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let path = path(repository, &Reference::Digest(digest.clone()));
        self.ask(Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await?
            .expect(&[StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NO_CONTENT])
            .map(drop)
    }

    /// Deletes a manifest whose bytes are at hand, and every tag that stood for it, also while
    /// others write tags to the same repository.
    ///
    /// distribution first removes the manifest and then reads every tag of the repository for those
    /// that stood for it (`registry/storage/tagstore.go`, `Lookup`). One that is just being written
    /// reads as empty: the answer is 500, and the tags stay and lead nowhere. So the manifest is put
    /// back, and deleted again.
    ///
    /// # Errors
    /// As [`delete_manifest`](Self::delete_manifest); 500 if it is answered time and again.
    pub async fn delete_manifest_and_tags(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<(), RegistryError> {
        let mut pauses = PAUSES.iter();
        loop {
            let deleted = self.delete_manifest(repository, &manifest.digest).await;
            let stumbled = matches!(&deleted, Err(error)
                if error.status() == Some(StatusCode::INTERNAL_SERVER_ERROR));
            let Some(pause) = pauses.next().filter(|_| stumbled) else {
                return deleted;
            };
            tokio::time::sleep(*pause).await;
            self.put_manifest(repository, &manifest.digest, manifest)
                .await?;
        }
    }
}

/// How long a tag that is being written is given, before each of the next tries.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

fn path(repository: &Repository, reference: &Reference) -> String {
    format!("/v2/{repository}/manifests/{reference}")
}

fn accept() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, ACCEPTED)])
}

/// A registry that states a digest must state the right one.
fn check_stated_digest(answer: &Answer, expected: &Digest) -> Result<(), RegistryError> {
    match answer
        .header("docker-content-digest")
        .map(str::parse::<Digest>)
    {
        Some(Ok(got)) if got != *expected => Err(RegistryError::Digest {
            request: answer.request.clone(),
            expected: expected.clone(),
            got,
        }),
        _ => Ok(()),
    }
}
