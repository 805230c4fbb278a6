//! Blobs: pushed whole, in chunks or as a stream; pulled with their digest checked.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::client::{Body, RegistryClient, full};
use crate::descriptor::Digest;
use crate::error::RegistryError;
use crate::location::with_query;
use crate::name::Repository;

pub(crate) const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A stream slower than this many bytes in a second is given up.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;

impl RegistryClient {
    /// The size in bytes of a blob that the repository has, or `None`.
    ///
    /// # Errors
    /// [`RegistryError`] for every answer but 200 and 404.
    pub async fn blob_size(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<u64>, RegistryError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self
            .ask(Method::HEAD, &path, HeaderMap::new(), Bytes::new())
            .await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.expect(&[StatusCode::OK])?;
        match answer.header("content-length").map(str::parse) {
            Some(Ok(size)) => Ok(Some(size)),
            _ => Err(answer.unexpected("the answer does not say how long the blob is")),
        }
    }

    /// Pushes a blob in two requests: `POST`, then `PUT` with all of it.
    ///
    /// # Errors
    /// [`RegistryError`], as 400 `DIGEST_INVALID`.
    pub async fn push_blob(
        &self,
        repository: &Repository,
        bytes: Bytes,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        let upload = self.begin_upload(repository).await?;
        self.finish_upload(&upload, bytes, &digest).await?;
        Ok(digest)
    }

    /// Pushes a blob in chunks of at most `chunk` bytes: `POST`, `PATCH`es, an empty `PUT`.
    ///
    /// # Errors
    /// [`RegistryError`], as 416 if a chunk comes out of order.
    pub async fn push_blob_chunked(
        &self,
        repository: &Repository,
        bytes: Bytes,
        chunk: usize,
    ) -> Result<Digest, RegistryError> {
        let digest = Digest::of(&bytes);
        let mut upload = self.begin_upload(repository).await?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(chunk.max(1)));
            upload = self.send_chunk(&upload, part).await?;
        }
        self.finish_upload(&upload, Bytes::new(), &digest).await?;
        Ok(digest)
    }

    /// Pushes a blob of known digest and size from a stream; memory stays constant in its size.
    ///
    /// # Errors
    /// [`RegistryError`], as 400 `DIGEST_INVALID` if the stream was something else, or
    /// [`RegistryError::Timeout`] if it runs below 64 KiB in a second.
    pub async fn push_blob_stream(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), RegistryError> {
        let upload = self.begin_upload(repository).await?;
        let path = with_query(upload.location(), "digest", digest.as_str());
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, OCTETS)]);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
        let body: Body = StreamBody::new(content.map(|part| part.map(Frame::data))).boxed_unsync();
        let timeout = self.patience(size);
        let (request, response) = self
            .send(Method::PUT, &path, headers, body, timeout)
            .await?;
        self.read(request, response)
            .await?
            .expect(&[StatusCode::CREATED])
            .map(drop)
    }

    /// Pulls a blob of at most `most` bytes (the size in its descriptor) into `sink` and returns its
    /// size. What `sink` got is only good if this returns `Ok`: the digest is known at the end.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with 404 `BLOB_UNKNOWN`, [`RegistryError::Digest`],
    /// [`RegistryError::TooLong`], [`RegistryError::Timeout`] if it runs below 64 KiB in a second,
    /// or [`RegistryError::Content`] if `sink` fails.
    pub async fn pull_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        most: u64,
        sink: &mut (impl AsyncWrite + Unpin),
    ) -> Result<u64, RegistryError> {
        let mut content = self.open_blob(repository, digest, most).await?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        while let Some(piece) = content.next(self).await? {
            hasher.update(&piece);
            size += piece.len() as u64;
            if let Err(source) = sink.write_all(&piece).await {
                let request = content.request;
                return Err(RegistryError::Content { request, source });
            }
        }
        content.is(digest, Digest::finish(hasher)).map(|()| size)
    }

    /// How long content of this size may take.
    fn patience(&self, size: u64) -> Duration {
        self.timeout() + Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND)
    }

    /// A blob's content as it comes; whether it is what was asked for, its reader finds out.
    pub(crate) async fn open_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        most: u64,
    ) -> Result<Content, RegistryError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let empty = full(Bytes::new());
        let (request, response) = self
            .send(Method::GET, &path, HeaderMap::new(), empty, self.timeout())
            .await?;
        if response.status() != StatusCode::OK {
            return Err(self.read(request, response).await?.into_error());
        }
        Ok(Content {
            request,
            body: response.into_body(),
            most,
            left: most,
            end: Instant::now() + self.patience(most),
        })
    }

    /// Deletes a blob from a repository; its bytes go with the next garbage collection.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with 405 where deletion is off, which is the registry's default.
    pub async fn delete_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        self.ask(Method::DELETE, &path, HeaderMap::new(), Bytes::new())
            .await?
            .expect(&[StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NO_CONTENT])
            .map(drop)
    }
}

/// A blob on its way here.
pub(crate) struct Content {
    request: String,
    body: Incoming,
    /// Bytes that it may have, and how many of them have not come yet.
    most: u64,
    left: u64,
    /// When all of it must be here, however steadily it comes.
    end: Instant,
}

impl Content {
    /// The bytes that come next; `None` at the end.
    pub(crate) async fn next(
        &mut self,
        client: &RegistryClient,
    ) -> Result<Option<Bytes>, RegistryError> {
        loop {
            let limit = self.end.min(Instant::now() + client.timeout());
            let frame = match tokio::time::timeout_at(limit, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => return Ok(None),
                Ok(Some(Err(source))) => {
                    return Err(RegistryError::Broken {
                        request: self.request.clone(),
                        source: Box::new(source),
                    });
                }
                Err(_) => {
                    return Err(RegistryError::Timeout {
                        request: self.request.clone(),
                        after: match limit == self.end {
                            true => client.patience(self.most),
                            false => client.timeout(),
                        },
                    });
                }
            };
            // What else there could be are trailers.
            if let Ok(data) = frame.into_data() {
                return match self.left.checked_sub(data.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        Ok(Some(data))
                    }
                    None => Err(RegistryError::TooLong {
                        request: self.request.clone(),
                        most: self.most,
                    }),
                };
            }
        }
    }

    /// An error if what came is something else.
    pub(crate) fn is(self, expected: &Digest, got: Digest) -> Result<(), RegistryError> {
        match got == *expected {
            true => Ok(()),
            false => Err(RegistryError::Digest {
                request: self.request,
                expected: expected.clone(),
                got,
            }),
        }
    }
}
