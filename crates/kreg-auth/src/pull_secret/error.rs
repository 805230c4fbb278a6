//! Why a document is no pull secret.

use thiserror::Error;

/// Why a `.dockerconfigjson` cannot be used. Holds keys and positions, never a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PullSecretError {
    /// Not JSON at all.
    #[error("the pull secret is not JSON; make it anew, or look at the place named below")]
    NotJson(#[source] serde_json::Error),
    /// A key stands twice in one object.
    #[error(
        "a key stands twice in one object of the pull secret, at the place named below; programs \
         disagree on which of them counts: keep one"
    )]
    Twice(#[source] serde_json::Error),
    /// A field stands twice, in different cases, which the kubelet does not tell apart.
    #[error(
        "`{field}` stands twice in {at} of the pull secret, in different cases, which the kubelet \
         does not tell apart: keep one"
    )]
    TwoCases {
        /// The registry's key, or `the document`.
        at: String,
        /// The field.
        field: &'static str,
    },
    /// Something that must be a JSON object is none.
    #[error(
        "{at} in the pull secret is not a JSON object; it has the shape \
         {{\"auths\": {{\"host:port\": {{\"auth\": \"...\"}}}}}}"
    )]
    NotAnObject {
        /// Which part.
        at: String,
    },
    /// A field of an entry has the wrong type.
    #[error(
        "`{field}` of `{key}` in the pull secret is not a text, for which the kubelet ignores the whole Secret; write it in quotes"
    )]
    NotText {
        /// The registry's key, or `HttpHeaders`.
        key: String,
        /// The field.
        field: String,
    },
    /// `auth` is not base64 of `user:password`.
    #[error(
        "`auth` of `{key}` in the pull secret is not base64(user:password), for which the kubelet \
         ignores the whole Secret; log in to that registry again, or leave `auth` out"
    )]
    BadAuth {
        /// The registry's key.
        key: String,
    },
    /// The old `.dockercfg` shape without `auths`.
    #[error(
        "the pull secret has the old `.dockercfg` shape; put it as a whole under the key `auths` \
         and use the type kubernetes.io/dockerconfigjson"
    )]
    Legacy,
}
