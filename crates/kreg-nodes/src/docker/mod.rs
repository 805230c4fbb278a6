//! Docker: what its daemon's configuration says about registries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::NodeFacts;

/// Certificates by registry, whatever dockerd's configuration (moby
/// `daemon/pkg/registry/config.go`).
pub const CERTS_D: &str = "/etc/docker/certs.d";

/// dockerd's configuration where `--config-file` does not say otherwise.
pub const CONFIG_FILE: &str = "/etc/docker/daemon.json";

/// The first release whose new installations keep images in containerd.
const IMAGE_STORE_BY_DEFAULT: u32 = 29;

/// What dockerd's configuration says about registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DaemonConfig {
    /// Registries whose certificates are not checked, and for which no directory is read.
    pub insecure: Vec<String>,
    /// Whether images are kept by containerd, whose rules then hold below [`CERTS_D`] too: also
    /// `HOST_PORT_`, also `hosts.toml`. None if that depends on how Docker was first installed.
    pub image_store: Option<bool>,
    /// Its `proxies` as the variables in whose place they stand (`HTTPS_PROXY`, `NO_PROXY`): where
    /// one is set, dockerd does not go by its environment (moby `daemon/command/daemon.go`,
    /// `configureProxyEnv`). What stands before an `@` in a proxy's address is masked.
    pub proxies: BTreeMap<String, String>,
}

/// Why `daemon.json` could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{CONFIG_FILE} is not JSON: {detail}")]
pub struct DaemonConfigError {
    detail: String,
}

impl DaemonConfig {
    /// That of a node.
    ///
    /// # Errors
    /// [`DaemonConfigError`] if `daemon.json` is no JSON object.
    pub fn of(facts: &NodeFacts) -> Result<DaemonConfig, DaemonConfigError> {
        let text = facts.content(CONFIG_FILE).unwrap_or_default();
        let bad = |detail: String| DaemonConfigError { detail };
        let value: Value = match text.trim_ascii() {
            [] => Value::Object(serde_json::Map::new()),
            text => serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?,
        };
        if !value.is_object() {
            return Err(bad("it is no object".to_owned()));
        }
        let insecure = value["insecure-registries"].as_array();
        let release = facts
            .program("dockerd")
            .and_then(|program| program.version.as_deref())
            .and_then(release);
        let image_store = match value["features"]["containerd-snapshotter"].as_bool() {
            Some(said) => Some(said),
            None if release.is_some_and(|major| major < IMAGE_STORE_BY_DEFAULT) => Some(false),
            None => None,
        };
        let words = insecure.into_iter().flatten().filter_map(Value::as_str);
        Ok(DaemonConfig {
            insecure: words.map(str::to_owned).collect(),
            image_store,
            proxies: proxies(&value["proxies"]),
        })
    }
}

fn proxies(value: &Value) -> BTreeMap<String, String> {
    let keys = [
        ("http-proxy", "HTTP_PROXY"),
        ("https-proxy", "HTTPS_PROXY"),
        ("no-proxy", "NO_PROXY"),
    ];
    let set = keys.iter().filter_map(|(key, variable)| {
        let said = value[key].as_str().filter(|said| !said.is_empty())?;
        let shown = match said.rsplit_once('@') {
            Some((_, host)) if *key != "no-proxy" => format!("***@{host}"),
            _ => said.to_owned(),
        };
        Some(((*variable).to_owned(), shown))
    });
    set.collect()
}

/// `Docker version 26.1.5+dfsg1, build a72d7cd` → 26.
fn release(line: &str) -> Option<u32> {
    let words = line.split_whitespace();
    words
        .filter_map(|word| word.split_once('.'))
        .find_map(|(major, _)| major.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, version: &str) -> Result<DaemonConfig, DaemonConfigError> {
        let mut facts = NodeFacts::default();
        facts.put(CONFIG_FILE, json);
        facts
            .programs
            .entry("dockerd".to_owned())
            .or_default()
            .version = Some(version.to_owned());
        DaemonConfig::of(&facts)
    }

    #[test]
    fn proxies_are_read_without_their_passwords() {
        let json = r#"{"proxies": {"http-proxy": "", "https-proxy": "http://u:secret@p:3128",
            "no-proxy": "localhost,10.0.0.0/8"}}"#;
        let proxies = read(json, "").unwrap().proxies;
        let wanted = [
            ("HTTPS_PROXY", "***@p:3128"),
            ("NO_PROXY", "localhost,10.0.0.0/8"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(proxies, BTreeMap::from(wanted));
    }

    #[test]
    fn knows_where_images_are_kept() {
        let old = "Docker version 26.1.5+dfsg1, build a72d7cd";
        assert_eq!(read("", old).unwrap().image_store, Some(false));
        let on =
            r#"{"features": {"containerd-snapshotter": true}, "insecure-registries": ["a:5000"]}"#;
        let on = read(on, old).unwrap();
        assert_eq!(
            (on.image_store, on.insecure),
            (Some(true), vec!["a:5000".to_owned()])
        );
        assert_eq!(
            read("{}", "Docker version 29.0.1, build x")
                .unwrap()
                .image_store,
            None
        );
        assert!(read("{", old).is_err() && read("[]", old).is_err());
    }
}
