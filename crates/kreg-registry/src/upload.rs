//! An upload step by step: begun, gone on with, asked after, ended; also by another client than began it.

use bytes::Bytes;
use http::header::{CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::blobs::OCTETS;
use crate::client::{Answer, RegistryClient};
use crate::descriptor::Digest;
use crate::error::RegistryError;
use crate::location::{location, with_query};
use crate::name::Repository;

/// An upload under way. It outlives the connection, and the client, that began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    location: String,
    received: u64,
}

impl Upload {
    /// How many bytes the registry says it has.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Path and query where it goes on.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }
}

impl RegistryClient {
    /// Begins an upload: `POST`.
    ///
    /// # Errors
    /// [`RegistryError`], as [`RegistryError::Unexpected`] if the registry leads away from itself.
    pub async fn begin_upload(&self, repository: &Repository) -> Result<Upload, RegistryError> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self
            .ask(Method::POST, &path, HeaderMap::new(), Bytes::new())
            .await?
            .expect(&[StatusCode::ACCEPTED])?;
        Ok(Upload {
            location: location(&answer, self.host())?,
            received: 0,
        })
    }

    /// Whether the registry takes pushes now: begins an upload and cancels it. `false` from one that was
    /// made read-only (405 `UNSUPPORTED`).
    ///
    /// # Errors
    /// [`RegistryError`] for any other answer.
    pub async fn takes_pushes(&self, repository: &Repository) -> Result<bool, RegistryError> {
        let answer = self.try_upload(repository).await?;
        match answer.status {
            StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            _ => answer.expect(&[StatusCode::ACCEPTED]).map(|_| true),
        }
    }

    /// Begins an upload and calls it off: whether the registry takes pushes, found out without
    /// leaving anything in it. The answer is that to `POST /v2/<name>/blobs/uploads/`, whatever it
    /// is.
    ///
    /// # Errors
    /// [`RegistryError`] only if there was no answer.
    pub async fn try_upload(&self, repository: &Repository) -> Result<Answer, RegistryError> {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self
            .ask(Method::POST, &path, HeaderMap::new(), Bytes::new())
            .await?;
        if answer.status == StatusCode::ACCEPTED
            && let Ok(upload) = location(&answer, self.host())
        {
            self.ask(Method::DELETE, &upload, HeaderMap::new(), Bytes::new())
                .await?;
        }
        Ok(answer)
    }

    /// Sends the bytes that come next: `PATCH`.
    ///
    /// # Errors
    /// [`RegistryError`], as 416 if the registry has more or fewer bytes than `upload` says.
    pub async fn send_chunk(&self, upload: &Upload, bytes: Bytes) -> Result<Upload, RegistryError> {
        let end = upload.received + bytes.len() as u64;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, OCTETS)]);
        // Both ends inclusive, without RFC 9110's unit: the distribution specification's form.
        let range = format!("{}-{}", upload.received, end.saturating_sub(1));
        if let Ok(range) = HeaderValue::from_str(&range) {
            headers.insert(CONTENT_RANGE, range);
        }
        let answer = self
            .ask(Method::PATCH, &upload.location, headers, bytes)
            .await?
            .expect(&[StatusCode::ACCEPTED])?;
        Ok(Upload {
            location: location(&answer, self.host())?,
            received: end,
        })
    }

    /// Asks how far an upload has come: `GET`. What a client does that lost its connection.
    ///
    /// # Errors
    /// [`RegistryError`], as 404 `BLOB_UPLOAD_UNKNOWN` if the registry has forgotten it.
    pub async fn ask_upload(&self, upload: &Upload) -> Result<Upload, RegistryError> {
        let answer = self
            .ask(
                Method::GET,
                &upload.location,
                HeaderMap::new(),
                Bytes::new(),
            )
            .await?
            .expect(&[StatusCode::NO_CONTENT])?;
        Ok(Upload {
            received: received(&answer)?,
            // Some registries give none here; the one before still holds then.
            location: location(&answer, self.host()).unwrap_or_else(|_| upload.location.clone()),
        })
    }

    /// Ends an upload with bytes that are still to come, or none: `PUT`.
    ///
    /// # Errors
    /// [`RegistryError`], as 400 `DIGEST_INVALID` if the whole is something else.
    pub async fn finish_upload(
        &self,
        upload: &Upload,
        rest: Bytes,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let path = with_query(&upload.location, "digest", digest.as_str());
        let headers = match rest.is_empty() {
            true => HeaderMap::new(),
            false => HeaderMap::from_iter([(CONTENT_TYPE, OCTETS)]),
        };
        self.ask(Method::PUT, &path, headers, rest)
            .await?
            .expect(&[StatusCode::CREATED])
            .map(drop)
    }

    /// Takes a blob over from another repository of the same registry, without sending it: whether
    /// the registry did.
    ///
    /// # Errors
    /// [`RegistryError`], as 401 where the user may not read `from`.
    pub async fn mount_blob(
        &self,
        to: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<bool, RegistryError> {
        let path = with_query(
            &format!("/v2/{to}/blobs/uploads/?from={from}"),
            "mount",
            digest.as_str(),
        );
        let answer = self
            .ask(Method::POST, &path, HeaderMap::new(), Bytes::new())
            .await?
            .expect(&[StatusCode::CREATED, StatusCode::ACCEPTED])?;
        if answer.status == StatusCode::CREATED {
            return Ok(true);
        }
        // It began an ordinary upload instead, which nobody will go on with.
        let begun = location(&answer, self.host())?;
        self.ask(Method::DELETE, &begun, HeaderMap::new(), Bytes::new())
            .await?;
        Ok(false)
    }
}

/// `Range: 0-N` or, as some write it, `bytes=0-N`; both ends inclusive. `0-0` is none or one: registries
/// have no other word for none.
fn received(answer: &Answer) -> Result<u64, RegistryError> {
    let range = answer.header("range").unwrap_or_default();
    let end = range
        .trim_start_matches("bytes=")
        .strip_prefix("0-")
        .and_then(|end| end.parse::<u64>().ok());
    match end {
        Some(0) => Ok(0),
        Some(end) => Ok(end + 1),
        None => Err(answer.unexpected(format!(
            "the answer does not say how much has arrived (Range: {range:?})"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_read_from_the_range() {
        let of = |range: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(range) = range {
                headers.insert("range", HeaderValue::from_static(range));
            }
            received(&Answer {
                request: "GET https://r:5000/v2/a/blobs/uploads/1".into(),
                status: StatusCode::NO_CONTENT,
                headers,
                body: Bytes::new(),
            })
            .ok()
        };
        assert_eq!(of(Some("0-99")), Some(100));
        assert_eq!(of(Some("bytes=0-1")), Some(2));
        assert_eq!(of(Some("0-0")), Some(0));
        assert_eq!(of(Some("5-9")), None);
        assert_eq!(of(Some("")), None);
        assert_eq!(of(None), None);
    }
}
