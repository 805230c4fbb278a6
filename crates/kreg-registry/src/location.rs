//! Where the registry sends a client next: `Location` of an upload, `Link` of a list.

use http::Uri;
use kreg_auth::RegistryHost;

use crate::client::Answer;
use crate::error::RegistryError;

/// Path and query of an answer's `Location`, which must stay on the same registry.
///
/// # Errors
/// [`RegistryError::Unexpected`] without a `Location`, or with one that leads elsewhere: every
/// client would follow it there and fail.
pub(crate) fn location(answer: &Answer, host: &RegistryHost) -> Result<String, RegistryError> {
    let Some(text) = answer.header("location") else {
        return Err(answer.unexpected("the answer has no Location, where the upload would go on"));
    };
    let uri: Uri = text
        .parse()
        .map_err(|error| answer.unexpected(format!("its Location `{text}` is no URL: {error}")))?;
    let stays = uri
        .authority()
        .is_none_or(|authority| authority.as_str() == host.to_string());
    match uri.path_and_query() {
        Some(path) if stays => Ok(path.as_str().to_owned()),
        _ => Err(answer.unexpected(format!(
            "its Location `{text}` leads away from {host}, where no client can follow; set \
             REGISTRY_HTTP_HOST or REGISTRY_HTTP_RELATIVEURLS, or have the proxy keep Host and port"
        ))),
    }
}

/// A path with one more query parameter; `value` must be safe except for `:`.
pub(crate) fn with_query(path: &str, key: &str, value: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{key}={}", value.replace(':', "%3A"))
}

/// The next page of a list: the target of `Link: <...>; rel="next"` (RFC 8288), path and query only.
pub(crate) fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !parameters.contains("rel=\"next\"") && !parameters.contains("rel=next") {
        return None;
    }
    let uri: Uri = target.parse().ok()?;
    uri.path_and_query().map(|path| path.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn answer(header: &'static str, value: &'static str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header, HeaderValue::from_static(value));
        Answer {
            request: "POST https://r:5000/v2/a/blobs/uploads/".into(),
            status: StatusCode::ACCEPTED,
            headers,
            body: Bytes::new(),
        }
    }

    #[test]
    fn an_upload_goes_on_at_the_same_registry_only() {
        let host: RegistryHost = "r:5000".parse().unwrap();
        let of = |value| location(&answer("location", value), &host).map_err(|e| e.to_string());
        assert_eq!(
            of("/v2/a/blobs/uploads/1?_state=x"),
            Ok("/v2/a/blobs/uploads/1?_state=x".into())
        );
        assert_eq!(of("https://r:5000/v2/a/1"), Ok("/v2/a/1".into()));
        for elsewhere in [
            "https://r/v2/a/1",
            "https://other:5000/v2/a/1",
            "http://10.0.0.1/v2/",
        ] {
            let error = of(elsewhere).unwrap_err();
            assert!(
                error.contains(elsewhere) && error.contains("REGISTRY_HTTP_HOST"),
                "{error}"
            );
        }
        assert!(location(&answer("x-other", "y"), &host).is_err());
    }

    #[test]
    fn a_digest_is_added_to_what_is_there() {
        assert_eq!(
            with_query("/a", "digest", "sha256:0"),
            "/a?digest=sha256%3A0"
        );
        assert_eq!(
            with_query("/a?b=c", "digest", "sha256:0"),
            "/a?b=c&digest=sha256%3A0"
        );
    }

    #[test]
    fn the_next_page_is_read_from_the_link() {
        let of = |value| next_page(&answer("link", value));
        assert_eq!(
            of("</v2/_catalog?last=b&n=2>; rel=\"next\"").unwrap(),
            "/v2/_catalog?last=b&n=2"
        );
        assert_eq!(
            of("<https://r:5000/v2/_catalog?n=2>; rel=next").unwrap(),
            "/v2/_catalog?n=2"
        );
        assert_eq!(of("</v2/_catalog>; rel=\"prev\""), None);
        assert_eq!(of("nonsense"), None);
    }
}
