//! One entry of a pull secret.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{PullSecretError, json};

/// Go's decoders ignore stray bits, and want all of the padding or none.
const fn go_base64(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(padding);
    GeneralPurpose::new(&STANDARD, config)
}

const PADDED: GeneralPurpose = go_base64(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = go_base64(DecodePaddingMode::RequireNone);

/// The credentials of one entry, as the kubelet reads them: where there is an `auth`, it
/// counts, and `username` and `password` do not (`config.go`, `DockerConfigEntry`).
#[derive(Clone)]
pub struct Auth {
    key: String,
    username: String,
    password: SecretString,
    conflicting: bool,
}

impl Auth {
    pub(super) fn read(key: &str, entry: &Value) -> Result<Auth, PullSecretError> {
        let none = Map::new();
        let fields = match entry {
            Value::Object(fields) => fields,
            Value::Null => &none,
            _ => {
                return Err(PullSecretError::NotAnObject {
                    at: format!("`{key}`"),
                });
            }
        };
        let text = |field: &'static str| match json::field(fields, field, key)? {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(PullSecretError::NotText {
                key: key.to_owned(),
                field: field.to_owned(),
            }),
        };
        text("email")?;
        let (username, password, auth) = (text("username")?, text("password")?, text("auth")?);
        if auth.is_empty() {
            return Ok(Auth {
                key: key.to_owned(),
                username: username.to_owned(),
                password: password.into(),
                conflicting: false,
            });
        }
        let pair = decode(auth).ok_or_else(|| PullSecretError::BadAuth {
            key: key.to_owned(),
        })?;
        // `decode` has seen the colon.
        let (auth_user, auth_password) = pair.split_once(':').unwrap_or_default();
        let differs = |field: &str, decoded: &str| !field.is_empty() && field != decoded;
        Ok(Auth {
            key: key.to_owned(),
            username: auth_user.to_owned(),
            password: auth_password.into(),
            conflicting: differs(username, auth_user) || differs(password, auth_password),
        })
    }

    /// The key as written in the document.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The user's name; empty where the entry has none.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password; empty where the entry has none.
    #[must_use]
    pub fn password(&self) -> &SecretString {
        &self.password
    }

    /// Whether `auth` says something else than `username` and `password`. Some programs go by
    /// the one and some by the others, so that logging in works here and fails there.
    #[must_use]
    pub fn is_conflicting(&self) -> bool {
        self.conflicting
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("key", &self.key)
            .field("username", &self.username)
            .field("password", &format_args!("[REDACTED]"))
            .field("conflicting", &self.conflicting)
            .finish()
    }
}

/// `user:password`; bytes that are not UTF-8 are replaced. Line breaks inside are skipped,
/// as Go's decoders do.
fn decode(auth: &str) -> Option<Zeroizing<String>> {
    let packed: Zeroizing<String> = Zeroizing::new(auth.replace(['\r', '\n'], ""));
    let base64 = if packed.ends_with('=') {
        PADDED
    } else {
        UNPADDED
    };
    let bytes = Zeroizing::new(base64.decode(packed.as_bytes()).ok()?);
    let pair = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    pair.contains(':').then_some(pair)
}
