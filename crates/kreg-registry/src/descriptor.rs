//! What names content in a registry: digests, media types, descriptors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A content digest, `sha256:` and 64 lower-case hex digits (OCI image specification, descriptor.md).
///
/// ```
/// use kreg_registry::Digest;
/// let digest = Digest::of(b"");
/// assert_eq!(
///     digest.as_str(),
///     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
/// );
/// assert_eq!(digest.as_str().parse(), Ok(digest));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is not a digest that can be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a digest that can be checked; one reads `sha256:` followed by 64 lower-case hex digits"
)]
pub struct DigestError(pub String);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest::finish(Sha256::new_with_prefix(bytes))
    }

    /// The digest of everything this hasher has seen.
    #[must_use]
    pub fn finish(hasher: Sha256) -> Digest {
        Digest(format!("sha256:{}", hex::encode(hasher.finalize())))
    }

    /// The whole text, with `sha256:`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hex digits alone, as file names in an OCI layout.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.trim_start_matches("sha256:")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let good = text.strip_prefix("sha256:").is_some_and(|digits| {
            digits.len() == 64
                && digits
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if good {
            Ok(Digest(text.to_owned()))
        } else {
            Err(DigestError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Digest, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

/// The four media types of one family of image formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTypes {
    /// Of a manifest for one platform.
    pub manifest: &'static str,
    /// Of an index (Docker: manifest list).
    pub index: &'static str,
    /// Of an image's configuration.
    pub config: &'static str,
    /// Of a layer, a gzip-compressed tar archive.
    pub layer: &'static str,
}

impl MediaTypes {
    /// Docker's image manifest V2, schema 2: what every registry since 2.3 and every runtime takes.
    pub const DOCKER: MediaTypes = MediaTypes {
        manifest: "application/vnd.docker.distribution.manifest.v2+json",
        index: "application/vnd.docker.distribution.manifest.list.v2+json",
        config: "application/vnd.docker.container.image.v1+json",
        layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    };

    /// The OCI image specification's; the registry takes them from 2.7 on.
    pub const OCI: MediaTypes = MediaTypes {
        manifest: "application/vnd.oci.image.manifest.v1+json",
        index: "application/vnd.oci.image.index.v1+json",
        config: "application/vnd.oci.image.config.v1+json",
        layer: "application/vnd.oci.image.layer.v1.tar+gzip",
    };

    /// The family to which this manifest's or index's media type belongs.
    #[must_use]
    pub fn of_manifest(media_type: &str) -> Option<MediaTypes> {
        [MediaTypes::DOCKER, MediaTypes::OCI]
            .into_iter()
            .find(|family| media_type == family.manifest || media_type == family.index)
    }
}

/// A pointer to content (OCI image specification, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: String,
    /// The content's length in bytes.
    pub size: u64,
    /// The content's digest.
    pub digest: Digest,
    /// For which platform, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// The descriptor of these bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
            platform: None,
        }
    }
}

/// For which machine an image is (OCI image specification, image-index.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// A `GOARCH` word such as `amd64`.
    pub architecture: String,
    /// A `GOOS` word such as `linux`.
    pub os: String,
    /// Such as `v6` for `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_digest_are_refused() {
        let digits = "0".repeat(64);
        for bad in [
            String::new(),
            digits.clone(),
            format!("sha512:{digits}"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256:{}G", &digits[1..]),
            format!("sha256:{}A", &digits[1..]),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(DigestError(bad.clone())));
        }
    }

    #[test]
    fn a_descriptor_reads_as_the_specification_writes_it() {
        let mut descriptor = Descriptor::of("a/b", b"abc");
        descriptor.platform = Some(Platform {
            architecture: "arm64".into(),
            os: "linux".into(),
            variant: None,
        });
        let json = serde_json::to_string(&descriptor).unwrap();
        assert_eq!(
            json,
            r#"{"mediaType":"a/b","size":3,"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","platform":{"architecture":"arm64","os":"linux"}}"#
        );
        assert_eq!(
            serde_json::from_str::<Descriptor>(&json).unwrap(),
            descriptor
        );
    }
}
