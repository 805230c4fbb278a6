//! `[storage.s3]` of `kreg.toml`: the bucket and the way to it, and its keys, which never stand there.

use std::path::PathBuf;

use ini::Ini;
use kreg_auth::SecretString;
use kreg_k8s::{S3Bucket, S3Keys};
use kreg_pki::TrustBundle;
use serde::Deserialize;

use crate::error::Error;

const ACCESS_VARIABLE: &str = "KREG_S3_ACCESS_KEY";
const SECRET_VARIABLE: &str = "KREG_S3_SECRET_KEY";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct S3Settings {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) credentials_file: Option<PathBuf>,
}

impl S3Settings {
    /// This bucket, and what is configured of the way to it; whether it is well formed is judged with the rest of the registry.
    pub(crate) fn bucket(&self, named: S3Bucket) -> Result<S3Bucket, Error> {
        let ca_pem = self.ca_file.as_ref().map(|file| {
            let unusable = || {
                Error::usage(format!(
                    "storage.s3.ca_file {} cannot be used",
                    file.display()
                ))
            };
            let text = std::fs::read_to_string(file).map_err(|cause| unusable().because(&cause))?;
            TrustBundle::from_pem(&text, &file.display().to_string())
                .map_err(|cause| unusable().because(&cause))?;
            Ok::<_, Error>(text)
        });
        Ok(S3Bucket {
            region: self.region.clone().unwrap_or(named.region),
            endpoint: self.endpoint.clone(),
            prefix: self.prefix.clone(),
            ca_pem: ca_pem.transpose()?,
            bucket: named.bucket,
        })
    }

    /// The keys that are given now, if any are.
    pub(crate) fn keys(&self) -> Result<Option<S3Keys>, Error> {
        match &self.credentials_file {
            Some(file) => self::file(file).map(Some),
            None => environment(|name| std::env::var(name).ok()),
        }
    }
}

/// Where keys come from, for a person who has given none.
pub(crate) fn sources() -> String {
    format!(
        "set {ACCESS_VARIABLE} and {SECRET_VARIABLE}, or name a file like ~/.aws/credentials as credentials_file in \
         [storage.s3]"
    )
}

fn environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<S3Keys>, Error> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match (set(ACCESS_VARIABLE), set(SECRET_VARIABLE)) {
        (None, None) => Ok(None),
        (Some(access), Some(secret)) => keys(&access, &secret).map(Some),
        (access, _) => {
            let lacking = match access {
                Some(_) => SECRET_VARIABLE,
                None => ACCESS_VARIABLE,
            };
            Err(Error::usage(format!(
                "of the two S3 keys {lacking} is not set"
            )))
        }
    }
}

/// The shared credentials file of Amazon's tools: `aws_access_key_id` and `aws_secret_access_key` in `[default]`.
fn file(path: &std::path::Path) -> Result<S3Keys, Error> {
    let unusable = || {
        Error::usage(format!(
            "storage.s3.credentials_file {} cannot be used",
            path.display()
        ))
    };
    // Neither escapes nor quotes mean anything there.
    let plain = ini::ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        ..ini::ParseOption::default()
    };
    let ini = Ini::load_from_file_opt(path, plain).map_err(|cause| unusable().because(&cause))?;
    let get = |key| ini.get_from(Some("default"), key).map(str::trim);
    match (get("aws_access_key_id"), get("aws_secret_access_key")) {
        (Some(access), Some(secret)) => keys(access, secret),
        _ => Err(unusable()
            .help("it needs aws_access_key_id and aws_secret_access_key in a section [default]")),
    }
}

fn keys(access: &str, secret: &str) -> Result<S3Keys, Error> {
    let whole = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    if !whole(access) || !whole(secret) {
        return Err(Error::usage(
            "an S3 key is empty, or has spaces or other characters that no key has",
        ));
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
            environment(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[]).expect("none").is_none());
        let both = with(&[(ACCESS_VARIABLE, "AK"), (SECRET_VARIABLE, "s/+=")]);
        let both = both.expect("both").expect("both");
        assert_eq!(both.secret_key.expose_secret(), "s/+=");
        let error = with(&[(ACCESS_VARIABLE, "AK")]).expect_err("one");
        assert!(error.to_string().contains(SECRET_VARIABLE), "{error}");
        assert!(with(&[(ACCESS_VARIABLE, "A K"), (SECRET_VARIABLE, "s")]).is_err());
    }

    #[test]
    fn amazons_file_is_read_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("credentials");
        let write = |text: &str| std::fs::write(&path, text).expect("write");
        write(
            "# mine\n[other]\naws_access_key_id=x\n\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key = a\\b/\"c\n",
        );
        let keys = file(&path).expect("keys");
        assert_eq!(
            (keys.access_key.as_str(), keys.secret_key.expose_secret()),
            ("AKIA1", "a\\b/\"c")
        );
        write("[default]\naws_access_key_id = AKIA1\n");
        let error = file(&path).expect_err("no secret key");
        assert!(error.to_string().contains("credentials"), "{error}");
    }
}
