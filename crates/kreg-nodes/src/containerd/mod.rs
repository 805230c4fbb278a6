//! containerd: what its configuration makes it read, and what to write there.

mod config;
mod edit;
mod hosts_toml;
mod layout;

pub use config::{ConfigError, ContainerdConfig, Version};
pub use edit::with_config_path;
pub use hosts_toml::hosts_toml;
pub use layout::{candidates, own_dir};

/// Where containerd 2.2 and later look if `config_path` and `mirrors` are both empty
/// (containerd `plugins/cri/images/plugin.go`).
pub const BUILT_IN_ROOTS: [&str; 2] = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];

/// containerd's configuration where `--config` does not say otherwise.
pub const CONFIG_FILE: &str = "/etc/containerd/config.toml";
