//! `kubernetes.io/dockerconfigjson`: the credentials with which nodes pull.

mod auth;
mod error;
mod json;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use zeroize::Zeroize;

pub use auth::Auth;
pub use error::PullSecretError;

use crate::credentials::Credentials;
use crate::host::RegistryHost;
use crate::{image, keyring};

/// The JSON under the key `.dockerconfigjson` of a Secret of type
/// `kubernetes.io/dockerconfigjson`, which is also Docker's `config.json`:
/// `{"auths": {"host:port": {"username": ..., "password": ..., "auth": base64(user:password)}}}`.
///
/// The document is kept as a whole: registries, fields and settings that kreg knows nothing
/// of stay in place and in order through [`insert`](PullSecret::insert),
/// [`remove`](PullSecret::remove) and [`merge`](PullSecret::merge). It is wiped on drop, and
/// `Debug` shows the registries only.
///
/// ```
/// use kreg_auth::{Credentials, ExposeSecret, PullSecret};
/// let mut secret = PullSecret::parse(br#"{"auths": {"ghcr.io": {"auth": "Ym9iOnB3"}}}"#)?;
/// secret.insert(&"docker-registry:5000".parse()?, &Credentials::new("me", "pw")?);
/// assert_eq!(secret.keys().collect::<Vec<_>>(), ["ghcr.io", "docker-registry:5000"]);
/// assert_eq!(secret.credentials_for("ghcr.io/bob/app:1")[0].username(), "bob");
/// let json = secret.to_json();
/// assert!(json.expose_secret().starts_with(r#"{"auths":{"ghcr.io":{"auth":"Ym9iOnB3"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PullSecret {
    /// The document; `auths` in it is an object of objects, or is not there.
    document: Map<String, Value>,
}

impl PullSecret {
    /// The Secret's data key that holds the JSON (Kubernetes `DockerConfigJsonKey`).
    pub const DATA_KEY: &'static str = ".dockerconfigjson";
    /// The Secret's type (Kubernetes `SecretTypeDockerConfigJson`).
    pub const SECRET_TYPE: &'static str = "kubernetes.io/dockerconfigjson";

    /// A document without any registry: `{"auths":{}}`.
    #[must_use]
    pub fn new() -> PullSecret {
        let document = Map::from_iter([("auths".to_owned(), Value::Object(Map::new()))]);
        PullSecret { document }
    }

    /// A document for one registry, the same that `kubectl create secret docker-registry` makes.
    #[must_use]
    pub fn for_registry(host: &RegistryHost, credentials: &Credentials) -> PullSecret {
        let mut secret = PullSecret::new();
        secret.insert(host, credentials);
        secret
    }

    /// Reads a document, as strictly as the kubelet, which ignores the whole Secret for one
    /// bad entry.
    ///
    /// Field names count without regard to case, as for the kubelet. What stands twice is
    /// refused: programs disagree on which counts, and writing it back would drop the other.
    ///
    /// # Errors
    /// [`PullSecretError`] if it is not JSON, not of this shape, holds a key twice, or an `auth`
    /// is not `base64(user:password)`. No message holds anything of a password.
    pub fn parse(json: &[u8]) -> Result<PullSecret, PullSecretError> {
        let document = match json::read(json)? {
            Value::Object(document) => document,
            _ => {
                return Err(PullSecretError::NotAnObject {
                    at: "the document".to_owned(),
                });
            }
        };
        // From here on a refused document is wiped too.
        let secret = PullSecret { document };
        match json::field(&secret.document, "auths", "the document")? {
            None if secret.document.values().any(looks_like_an_entry) => {
                return Err(PullSecretError::Legacy);
            }
            None | Some(Value::Object(_) | Value::Null) => {}
            Some(_) => {
                return Err(PullSecretError::NotAnObject {
                    at: "`auths`".to_owned(),
                });
            }
        }
        for (key, entry) in secret.raw_entries() {
            Auth::read(key, entry)?;
        }
        match json::field(&secret.document, "HttpHeaders", "the document")? {
            None | Some(Value::Null) => {}
            Some(Value::Object(headers)) => {
                if let Some((field, _)) = headers
                    .iter()
                    .find(|(_, value)| !(value.is_string() || value.is_null()))
                {
                    return Err(PullSecretError::NotText {
                        key: "HttpHeaders".to_owned(),
                        field: field.clone(),
                    });
                }
            }
            Some(_) => {
                return Err(PullSecretError::NotAnObject {
                    at: "`HttpHeaders`".to_owned(),
                });
            }
        }
        Ok(secret)
    }

    /// The document as JSON without spaces, for the Secret's data.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        json::write(&self.document)
    }

    /// Sets the credentials for all images of a registry. Other fields of an entry that was
    /// there (`email`) stay; tokens that would take precedence go.
    pub fn insert(&mut self, host: &RegistryHost, credentials: &Credentials) {
        self.insert_key(&host.to_string(), credentials);
    }

    /// Sets the credentials for images of a registry whose path begins with `path` (no `/` at
    /// its start): `team/` for all of that team. See [`key_matches_image`](crate::key_matches_image).
    pub fn insert_path(&mut self, host: &RegistryHost, path: &str, credentials: &Credentials) {
        self.insert_key(
            &format!("{host}/{}", path.trim_start_matches('/')),
            credentials,
        );
    }

    /// Takes the entry of a registry out, under this very key. Whether it was there.
    pub fn remove(&mut self, key: &str) -> bool {
        let auths = json::named(&mut self.document, "auths").and_then(Value::as_object_mut);
        match auths.and_then(|auths| auths.shift_remove(key)) {
            Some(mut entry) => {
                wipe(&mut entry);
                true
            }
            None => false,
        }
    }

    /// Takes over every entry and setting of `other`; where both have one, `other`'s counts.
    /// Whatever `other` does not mention stays, also inside of settings that are objects, such
    /// as `credHelpers`, which names registries too.
    pub fn merge(&mut self, other: &PullSecret) {
        for (key, value) in &other.document {
            if json::is_field(key, "auths") {
                continue;
            }
            match (json::named(&mut self.document, key), value) {
                (Some(Value::Object(ours)), Value::Object(theirs)) => {
                    for (key, value) in theirs {
                        replace(ours, key, value.clone());
                    }
                }
                (Some(ours), theirs) => {
                    wipe(ours);
                    *ours = theirs.clone();
                }
                (None, theirs) => replace(&mut self.document, key, theirs.clone()),
            }
        }
        for (key, entry) in other.raw_entries() {
            replace(self.auths_mut(), key, entry.clone());
        }
    }

    /// The keys in the order of the document: `host`, `host:port`, with path or scheme.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.raw_entries().map(|(key, _)| key)
    }

    /// Every entry in the order of the document.
    pub fn auths(&self) -> impl Iterator<Item = Auth> {
        self.raw_entries()
            .filter_map(|(key, entry)| Auth::read(key, entry).ok())
    }

    /// The entry under this very key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Auth> {
        let (key, entry) = self.raw_entries().find(|(k, _)| *k == key)?;
        Auth::read(key, entry).ok()
    }

    /// What the kubelet would try for an image, in its order: the alphabetically last key
    /// first, so that longer paths come before shorter ones (`BasicDockerKeyring.Lookup`). For
    /// an image at Docker Hub without a match, the entry of `https://index.docker.io/v1/` (and
    /// also, oddly, for one at `localhost` without a port).
    /// Empty means that the kubelet pulls without a password.
    #[must_use]
    pub fn credentials_for(&self, image: &str) -> Vec<Auth> {
        let mut filed: BTreeMap<String, Vec<Auth>> = BTreeMap::new();
        for auth in self.auths() {
            if let Some(key) = keyring::index_key(auth.key()) {
                filed.entry(key).or_default().push(auth);
            }
        }
        let image = image::repository(image);
        let matching = filed
            .iter()
            .rev()
            .filter(|(key, _)| keyring::urls_match(key, &image));
        let found: Vec<Auth> = matching
            .flat_map(|(_, auths)| auths.iter().cloned())
            .collect();
        if found.is_empty() && keyring::falls_back_to_docker_hub(&image) {
            return filed.remove(keyring::DOCKER_HUB_KEY).unwrap_or_default();
        }
        found
    }

    fn insert_key(&mut self, key: &str, credentials: &Credentials) {
        let auths = self.auths_mut();
        if !auths.get(key).is_some_and(Value::is_object) {
            auths.insert(key.to_owned(), Value::Object(Map::new()));
        }
        let Some(entry) = auths.get_mut(key).and_then(Value::as_object_mut) else {
            return;
        };
        for token in ["identitytoken", "registrytoken"] {
            json::remove_all_but(entry, token, "")
                .iter_mut()
                .for_each(wipe);
        }
        for field in ["username", "password", "auth"] {
            json::remove_all_but(entry, field, field)
                .iter_mut()
                .for_each(wipe);
        }
        let password = credentials.password().expose_secret();
        replace(entry, "username", credentials.username().into());
        replace(entry, "password", password.into());
        replace(
            entry,
            "auth",
            credentials.basic_token().expose_secret().into(),
        );
    }

    fn auths_mut(&mut self) -> &mut Map<String, Value> {
        let key = json::key_of(&self.document, "auths")
            .unwrap_or("auths")
            .to_owned();
        let auths = self.document.entry(key).or_insert(Value::Null);
        if !auths.is_object() {
            *auths = Value::Object(Map::new());
        }
        match auths {
            Value::Object(auths) => auths,
            _ => unreachable!("made an object just above"),
        }
    }

    fn raw_entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        let key = json::key_of(&self.document, "auths").unwrap_or("auths");
        let auths = self.document.get(key).and_then(Value::as_object);
        auths
            .into_iter()
            .flatten()
            .map(|(key, entry)| (key.as_str(), entry))
    }
}

impl Default for PullSecret {
    fn default() -> PullSecret {
        PullSecret::new()
    }
}

impl Drop for PullSecret {
    fn drop(&mut self) {
        self.document.values_mut().for_each(wipe);
    }
}

impl fmt::Debug for PullSecret {
    /// The registries only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullSecret")
            .field("keys", &self.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A `.dockercfg` has these at its top level.
fn looks_like_an_entry(value: &Value) -> bool {
    value.get("auth").is_some() || value.get("username").is_some()
}

/// Inserts and wipes what was there.
fn replace(map: &mut Map<String, Value>, key: &str, value: Value) {
    if let Some(mut old) = map.insert(key.to_owned(), value) {
        wipe(&mut old);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
