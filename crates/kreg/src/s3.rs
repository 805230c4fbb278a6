//! The keys of an S3 server, and the CA of its certificate, as a person keeps them.

use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};
use kreg_auth::SecretString;
use kreg_k8s::S3Keys;
use kreg_pki::TrustBundle;

use crate::error::BoxError;

/// Where the keys of an S3 server are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// Two environment variables.
    Environment {
        /// The name of the one with the access key.
        access: String,
        /// The name of the one with the secret key.
        secret: String,
    },
    /// The shared credentials file of Amazon's tools: `aws_access_key_id` and `aws_secret_access_key` in `[default]`.
    File(PathBuf),
}

/// Why there are no keys, or no CA. No key is in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// One of the two variables is set, and the other one is not.
    #[error("of the two S3 keys {0} is not set")]
    Half(
        /// The variable that is not set.
        String,
    ),
    /// The file has no keys where they should be.
    #[error("it needs aws_access_key_id and aws_secret_access_key in a section [default]")]
    NoKeys,
    /// No server has such a key.
    #[error("an S3 key is empty, or has spaces or other characters that no key has")]
    Malformed,
    /// The file is not there, or is of another kind.
    #[error(transparent)]
    Unreadable(BoxError),
}

impl KeySource {
    /// Reads them; `None` where neither variable is set.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn read(&self) -> Result<Option<S3Keys>, S3Error> {
        match self {
            KeySource::Environment { access, secret } => {
                environment(access, secret, |name| std::env::var(name).ok())
            }
            KeySource::File(path) => file(path).map(Some),
        }
    }
}

/// The CA certificates of an endpoint, from a PEM file that holds nothing else.
///
/// # Errors
/// [`S3Error::Unreadable`].
pub fn ca_pem(path: &Path) -> Result<String, S3Error> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|cause| S3Error::Unreadable(cause.into()))?;
    let checked = TrustBundle::from_pem(&text, &path.display().to_string());
    checked.map_err(|cause| S3Error::Unreadable(cause.into()))?;
    Ok(text)
}

fn environment(
    access: &str,
    secret: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<S3Keys>, S3Error> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match (set(access), set(secret)) {
        (None, None) => Ok(None),
        (Some(access), Some(secret)) => keys(&access, &secret).map(Some),
        (Some(_), None) => Err(S3Error::Half(secret.to_owned())),
        (None, Some(_)) => Err(S3Error::Half(access.to_owned())),
    }
}

fn file(path: &Path) -> Result<S3Keys, S3Error> {
    // Neither escapes nor quotes mean anything there.
    let plain = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ParseOption::default()
    };
    let ini = Ini::load_from_file_opt(path, plain);
    let ini = ini.map_err(|cause| S3Error::Unreadable(cause.into()))?;
    let get = |key| ini.get_from(Some("default"), key).map(str::trim);
    match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (Some(access), Some(secret)) => keys(access, secret),
        _ => Err(S3Error::NoKeys),
    }
}

fn keys(access: &str, secret: &str) -> Result<S3Keys, S3Error> {
    let whole = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if !whole(access) || !whole(secret) {
        return Err(S3Error::Malformed);
    }
    Ok(S3Keys {
        access_key: access.to_owned(),
        secret_key: SecretString::from(secret),
    })
}

#[cfg(test)]
mod tests {
    use kreg_auth::ExposeSecret as _;

    use super::*;

    #[test]
    fn keys_come_in_pairs_or_not_at_all() {
        let with = |pairs: &'static [(&str, &str)]| {
            environment("ACCESS", "SECRET", |name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[]).expect("none").is_none());
        let both = with(&[("ACCESS", "AK"), ("SECRET", "s/+=")]);
        let both = both.expect("both").expect("both");
        assert_eq!(both.secret_key.expose_secret(), "s/+=");
        for (set, lacking) in [("ACCESS", "SECRET"), ("SECRET", "ACCESS")] {
            let half = environment("ACCESS", "SECRET", |name| {
                (name == set).then(|| "key".to_owned())
            });
            let error = half.expect_err("one").to_string();
            assert!(error.contains(&format!("{lacking} is not set")), "{error}");
        }
        assert!(with(&[("ACCESS", "A K"), ("SECRET", "s")]).is_err());
    }

    #[test]
    fn amazons_file_is_read_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("credentials");
        let write = |text: &str| std::fs::write(&path, text).expect("write");
        let read = || KeySource::File(path.clone()).read();
        write(
            "# mine\n[other]\naws_access_key_id=x\n\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key = a\\b/\"c\n",
        );
        let keys = read().expect("read").expect("keys");
        assert_eq!(
            (keys.access_key.as_str(), keys.secret_key.expose_secret()),
            ("AKIA1", "a\\b/\"c")
        );
        write("[default]\naws_access_key_id = AKIA1\n");
        let error = read().expect_err("no secret key");
        assert!(matches!(error, S3Error::NoKeys), "{error}");
    }

    #[test]
    fn a_ca_file_holds_certificates() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ca.crt");
        assert!(ca_pem(&path).is_err(), "missing");
        std::fs::write(&path, "no PEM").expect("write");
        let error = ca_pem(&path).expect_err("no PEM").to_string();
        assert!(error.contains("ca.crt"), "{error}");
        let request = kreg_pki::AuthorityRequest::new("s3");
        let ca = kreg_pki::Authority::generate(&request).expect("CA");
        std::fs::write(&path, ca.certificate_pem()).expect("write");
        assert_eq!(ca_pem(&path).expect("CA"), ca.certificate_pem());
    }
}
