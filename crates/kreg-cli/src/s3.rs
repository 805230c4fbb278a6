//! `[storage.s3]` of `kreg.toml`: the bucket and the way to it, and its keys, which never stand there.

use std::path::{Path, PathBuf};

use kreg::s3::{self, KeySource, S3Error};
use kreg_k8s::{S3Bucket, S3Keys};
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
        let read =
            |file: &PathBuf| s3::ca_pem(file).map_err(|cause| unusable("ca_file", file, &cause));
        Ok(S3Bucket {
            region: self.region.clone().unwrap_or(named.region),
            endpoint: self.endpoint.clone(),
            prefix: self.prefix.clone(),
            ca_pem: self.ca_file.as_ref().map(read).transpose()?,
            bucket: named.bucket,
        })
    }

    /// The keys that are given now, if any are.
    pub(crate) fn keys(&self) -> Result<Option<S3Keys>, Error> {
        if let Some(file) = &self.credentials_file {
            let keys = KeySource::File(file.clone()).read();
            return keys.map_err(|cause| unusable("credentials_file", file, &cause));
        }
        let variables = KeySource::Environment {
            access: ACCESS_VARIABLE.to_owned(),
            secret: SECRET_VARIABLE.to_owned(),
        };
        variables.read().map_err(|cause| Error::input(&cause))
    }
}

fn unusable(key: &str, file: &Path, cause: &S3Error) -> Error {
    Error::usage(format!(
        "storage.s3.{key} {} cannot be used",
        file.display()
    ))
    .because(cause)
}

/// Where keys come from, for a person who has given none.
pub(crate) fn sources() -> String {
    format!(
        "set {ACCESS_VARIABLE} and {SECRET_VARIABLE}, or name a file like ~/.aws/credentials as credentials_file in \
         [storage.s3]"
    )
}
