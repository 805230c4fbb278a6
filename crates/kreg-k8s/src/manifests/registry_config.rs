//! distribution's `config.yml`, for 2.8 and 3.x alike.

use crate::spec::RegistrySpec;

/// Seconds that requests under way may take after SIGTERM. distribution's default is none: pushes die on each rollout.
pub(super) const DRAIN_SECONDS: u32 = 30;

/// Source of the keys: distribution, `docs/content/about/configuration.md`.
///
/// Neither a debug address (it serves without a password) nor a blob descriptor cache (after a garbage collection it
/// would still claim that deleted blobs are there).
pub(super) fn render() -> String {
    format!(
        "\
version: 0.1
log:
  level: info
  fields:
    service: registry
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
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
