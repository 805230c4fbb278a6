//! The operating system's own description.

use serde::{Deserialize, Serialize};

/// From `os-release(5)`; empty where the file says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Os {
    /// `ID`, such as `debian`, `talos`, `bottlerocket`.
    pub id: String,
    /// `ID_LIKE`: the distributions that it is like, the nearest first, such as `rhel fedora`.
    pub id_like: String,
    /// `VERSION_ID`, such as `12`.
    pub version_id: String,
    /// `VARIANT_ID`, if any.
    pub variant_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

impl Os {
    /// Reads an `os-release` file: shell assignments, values quoted or not.
    #[must_use]
    pub fn parse(text: &str) -> Os {
        let mut os = Os::default();
        for line in text.lines() {
            let Some((key, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim_matches(['"', '\'']).to_owned();
            match key {
                "ID" => os.id = value,
                "ID_LIKE" => os.id_like = value,
                "VERSION_ID" => os.version_id = value,
                "VARIANT_ID" => os.variant_id = value,
                "PRETTY_NAME" => os.pretty_name = value,
                _ => {}
            }
        }
        os
    }
}
