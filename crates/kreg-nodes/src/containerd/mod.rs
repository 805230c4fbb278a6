//! containerd: what its configuration makes it read, and what to write there.

mod config;
mod edit;
mod hosts_toml;
mod imports;
mod layout;
mod merge;
mod version;

pub use config::{ConfigError, ContainerdConfig};
pub use edit::with_config_path;
pub(crate) use edit::{SingleRoot, registry_lines, usual_plugin, with_single_root};
pub use hosts_toml::hosts_toml;
pub(crate) use layout::is_plain;
pub use layout::{candidates, own_dir, places, roots};
pub use version::Version;

/// What containerd 2.2 and later take for `config_path` where none is set (containerd
/// `plugins/cri/images/plugin.go`).
pub const BUILT_IN_CONFIG_PATH: &str = merge::BUILT_IN;

/// The root that is set where containerd is told to look in one.
pub const ROOT: &str = "/etc/containerd/certs.d";

/// containerd's configuration where `--config` does not say otherwise.
pub const CONFIG_FILE: &str = "/etc/containerd/config.toml";
