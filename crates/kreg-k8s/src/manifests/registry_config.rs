//! distribution's `config.yml`, for 2.8 and 3.x alike.

use std::fmt::Write as _;

use crate::{s3::S3Bucket, spec::RegistrySpec};

/// Where the ConfigMap is mounted.
pub(crate) const FOLDER: &str = "/etc/kreg";
/// Key of the configuration itself.
pub(crate) const FILE: &str = "config.yml";
/// Key of the same configuration but that it takes no pushes; for garbage collection.
pub(crate) const READ_ONLY_FILE: &str = "read-only.yml";
/// Key of the CA certificates that the S3 server is verified by.
pub(super) const STORAGE_CA: &str = "storage-ca.crt";

/// Seconds that requests under way may take after SIGTERM. distribution's default is none: pushes die on each rollout.
pub(super) const DRAIN_SECONDS: u32 = 30;
/// Seconds between a Pod's end and its SIGTERM, for every node to learn that it is no longer behind the Service: a
/// draining registry takes no new connections.
pub(super) const LINGER_SECONDS: u32 = 5;

/// Source of the keys: distribution, `docs/content/about/configuration.md`.
///
/// Neither a debug address (it serves without a password) nor a blob descriptor cache (after a garbage collection it
/// would still claim that deleted blobs are there).
pub(super) fn render(spec: &RegistrySpec) -> String {
    with_maintenance(spec, "")
}

/// The same registry, which answers 405 to everything that would write.
pub(super) fn read_only(spec: &RegistrySpec) -> String {
    with_maintenance(spec, "  maintenance:\n    readonly:\n      enabled: true\n")
}

fn with_maintenance(spec: &RegistrySpec, maintenance: &str) -> String {
    let storage = spec
        .storage()
        .bucket()
        .map_or_else(|| FILESYSTEM.to_owned(), s3);
    format!(
        "\
version: 0.1
log:
  level: info
  fields:
    service: registry
storage:
{storage}{maintenance}  delete:
    enabled: true
http:
  addr: :{port}
  draintimeout: {DRAIN_SECONDS}s
  headers:
    X-Content-Type-Options: [nosniff]
  tls:
    certificate: /certs/tls.crt
    key: /certs/tls.key
auth:
  htpasswd:
    realm: kreg
    path: /auth/htpasswd
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
",
        port = RegistrySpec::CONTAINER_PORT,
    )
}

const FILESYSTEM: &str = "  filesystem:
    rootdirectory: /var/lib/registry
";

/// The keys come by environment. No redirects: nodes would have to reach the S3 server, and to trust it.
fn s3(bucket: &S3Bucket) -> String {
    // JSON strings are YAML strings.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut text = format!(
        "  s3:\n    bucket: {}\n    region: {}\n",
        quoted(&bucket.bucket),
        quoted(&bucket.region)
    );
    if let Some(endpoint) = &bucket.endpoint {
        let _ = write!(
            text,
            "    regionendpoint: {}\n    forcepathstyle: true\n    secure: {}\n",
            quoted(endpoint),
            !bucket.is_plain()
        );
    }
    if let Some(prefix) = &bucket.prefix {
        let _ = writeln!(text, "    rootdirectory: {}", quoted(prefix));
    }
    text.push_str("  redirect:\n    disable: true\n");
    text
}
