//! Images in a bucket of an S3-compatible server: the one kind of storage here that several Pods can share.

use crate::rules::{self, SpecError};

/// A bucket and the way to it; nothing secret. The keys are [`crate::S3Keys`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Bucket {
    /// Name of the bucket, which has to be there.
    pub bucket: String,
    /// Region that requests are signed for. Servers other than Amazon's mostly take any, or `us-east-1`.
    pub region: String,
    /// `https://host:port` or `http://host:port`; `None` for Amazon's own.
    ///
    /// With an endpoint the bucket stands in the path, not in the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where in the bucket, as `/some/prefix`; `None` for its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// CA certificates that the endpoint is verified by, PEM; `None` for those of the registry's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

impl S3Bucket {
    /// The region of a bucket of which nothing else is said.
    pub const DEFAULT_REGION: &str = "us-east-1";

    /// A bucket of this name in [`S3Bucket::DEFAULT_REGION`] of Amazon's, all of it.
    #[must_use]
    pub fn new(bucket: &str) -> Self {
        S3Bucket {
            bucket: bucket.to_owned(),
            region: Self::DEFAULT_REGION.to_owned(),
            endpoint: None,
            prefix: None,
            ca_pem: None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        rules::bucket("storage.s3.bucket", &self.bucket)?;
        rules::region("storage.s3.region", &self.region)?;
        if let Some(endpoint) = &self.endpoint {
            rules::endpoint("storage.s3.endpoint", endpoint)?;
        }
        if let Some(prefix) = &self.prefix {
            rules::absolute_path("storage.s3.prefix", prefix)?;
        }
        let is_pem = |pem: &&String| !pem.contains("-----BEGIN CERTIFICATE-----");
        match self.ca_pem.as_ref().filter(is_pem) {
            None => Ok(()),
            Some(_) => Err(SpecError::new(
                "storage.s3.ca",
                "the CA of an endpoint must be PEM certificates",
                "",
            )),
        }
    }

    pub(crate) fn is_same_place(&self, other: &S3Bucket) -> bool {
        let place = |one: &S3Bucket| {
            let endpoint = one.endpoint.as_deref();
            let endpoint = endpoint.map(|text| text.trim_end_matches('/').to_owned());
            (one.bucket.clone(), one.prefix.clone(), endpoint)
        };
        place(self) == place(other)
    }

    /// The endpoint's port, which a NetworkPolicy has to let the registry out to.
    #[must_use]
    pub fn port(&self) -> u16 {
        let Some(endpoint) = &self.endpoint else {
            return 443;
        };
        let uri: Option<http::Uri> = endpoint.parse().ok();
        let known = uri.as_ref().and_then(http::Uri::port_u16);
        known.unwrap_or(if self.is_plain() { 80 } else { 443 })
    }

    /// Whether requests go without TLS.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.starts_with("http://"))
    }
}

impl std::fmt::Display for S3Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        f.write_str(self.prefix.as_deref().unwrap_or(""))?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => write!(f, " in {}", self.region),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(endpoint: Option<&str>) -> S3Bucket {
        S3Bucket {
            bucket: "images".into(),
            region: "us-east-1".into(),
            endpoint: endpoint.map(str::to_owned),
            prefix: None,
            ca_pem: None,
        }
    }

    #[test]
    fn the_port_is_the_endpoints_or_its_schemes() {
        for (endpoint, port, plain) in [
            (None, 443, false),
            (Some("https://s3.example.com"), 443, false),
            (Some("https://s3.example.com:9000"), 9000, false),
            (Some("http://[fd00::1]:7070"), 7070, true),
            (Some("http://10.0.0.1"), 80, true),
        ] {
            let bucket = bucket(endpoint);
            assert!(bucket.check().is_ok(), "{endpoint:?}");
            assert_eq!(
                (bucket.port(), bucket.is_plain()),
                (port, plain),
                "{endpoint:?}"
            );
        }
    }

    #[test]
    fn what_no_server_would_take_is_refused_by_field() {
        let with = |change: fn(&mut S3Bucket)| {
            let mut changed = bucket(None);
            change(&mut changed);
            changed.check().unwrap_err().field()
        };
        assert_eq!(with(|b| b.bucket = "A_b".into()), "storage.s3.bucket");
        assert_eq!(with(|b| b.region = "eu west".into()), "storage.s3.region");
        assert_eq!(with(|b| b.prefix = Some("a/".into())), "storage.s3.prefix");
        assert_eq!(with(|b| b.ca_pem = Some("x".into())), "storage.s3.ca");
        for bad in [
            "s3.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://",
            "https://x/?a",
        ] {
            let mut changed = bucket(None);
            changed.endpoint = Some(bad.into());
            assert_eq!(
                changed.check().unwrap_err().field(),
                "storage.s3.endpoint",
                "{bad}"
            );
        }
    }
}
