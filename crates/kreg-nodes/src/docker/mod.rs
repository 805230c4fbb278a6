//! Docker: what its daemon's configuration says about registries.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use kreg_auth::RegistryHost;
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

/// The first release that goes by a byte order mark in its configuration, UTF-16 included (moby
/// `daemon/config/config.go`, `getConflictFreeConfiguration`).
const MARKS: u32 = 23;

/// What dockerd's configuration says about registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DaemonConfig {
    /// Registries whose certificates are not checked, and for which no directory is read: names,
    /// addresses and ranges of them, as the file has them.
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
    /// [`DaemonConfigError`] if `daemon.json` is not a JSON object, or has a byte order mark that
    /// this release does not read.
    pub fn of(facts: &NodeFacts) -> Result<DaemonConfig, DaemonConfigError> {
        let bad = |detail: String| DaemonConfigError { detail };
        let release = facts
            .program("dockerd")
            .and_then(|program| program.version.as_deref())
            .and_then(release);
        let text = facts.content(CONFIG_FILE).unwrap_or_default();
        let text = match release {
            Some(..MARKS) if mark(text).is_some() => {
                return Err(bad(format!(
                    "it begins with a byte order mark, which Docker before {MARKS}.0 does not read"
                )));
            }
            _ => decode(text).ok_or_else(|| bad("it is not valid UTF-16".to_owned()))?,
        };
        let value: Value = match text.trim_ascii() {
            [] => Value::Object(serde_json::Map::new()),
            text => serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?,
        };
        if !value.is_object() {
            return Err(bad("it is not an object".to_owned()));
        }
        let insecure = value["insecure-registries"].as_array();
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

impl DaemonConfig {
    /// The entry of [`DaemonConfig::insecure`] for which dockerd checks no certificate of `host`,
    /// which its node finds at `address`: the same name, `http://` or `https://` before it or not,
    /// or a range with the address in it (moby `daemon/pkg/registry/config.go`).
    #[must_use]
    pub fn insecure_for(&self, host: &RegistryHost, address: Option<IpAddr>) -> Option<&str> {
        let address = host.ip().or(address);
        let name = host.to_string();
        let covers = |entry: &&String| {
            let bare = match entry.split_once("://") {
                Some((scheme, rest)) if is_http(scheme) => rest,
                _ => entry,
            };
            match bare.parse::<IpNet>() {
                Ok(range) => address.is_some_and(|address| range.contains(&address)),
                Err(_) => bare == name,
            }
        };
        self.insecure.iter().find(covers).map(String::as_str)
    }
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

/// A byte order mark.
enum Mark {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
}

/// The byte order mark at the start of the text, if any.
fn mark(text: &[u8]) -> Option<Mark> {
    match text {
        [0xef, 0xbb, 0xbf, ..] => Some(Mark::Utf8),
        [0xff, 0xfe, ..] => Some(Mark::Utf16(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Some(Mark::Utf16(u16::from_be_bytes)),
        _ => None,
    }
}

/// The text as UTF-8, by its byte order mark.
fn decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    match mark(text) {
        None => Some(Cow::Borrowed(text)),
        Some(Mark::Utf8) => Some(Cow::Borrowed(&text[3..])),
        Some(Mark::Utf16(unit)) => {
            let (pairs, rest) = text[2..].as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
            let text = String::from_utf16(&units)
                .ok()
                .filter(|_| rest.is_empty())?;
            Some(Cow::Owned(text.into_bytes()))
        }
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

    fn read(json: impl AsRef<[u8]>, version: &str) -> Result<DaemonConfig, DaemonConfigError> {
        let mut facts = NodeFacts::default();
        facts.put(CONFIG_FILE, json.as_ref());
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

    /// Docker 23.0 and later read it (its tests of `getConflictFreeConfiguration`); 20.10 says
    /// `invalid character 'ï' looking for beginning of value`.
    #[test]
    fn a_byte_order_mark_is_read_as_docker_reads_it() {
        let json = r#"{"insecure-registries": ["a:5000"]}"#;
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = "\u{feff}".encode_utf16().chain(json.encode_utf16());
            units.flat_map(bytes).collect()
        };
        let marked = [
            format!("\u{feff}{json}").into_bytes(),
            utf16(u16::to_le_bytes),
            utf16(u16::to_be_bytes),
        ];
        for text in &marked {
            for version in [
                "Docker version 23.0.0, build x",
                "Docker version 28.5.2",
                "",
            ] {
                assert_eq!(read(text, version).unwrap().insecure, ["a:5000"]);
            }
            let error = read(text, "Docker version 20.10.24+dfsg1, build x").unwrap_err();
            assert!(error.to_string().contains("byte order mark"), "{error}");
        }
        assert!(read("\u{feff}", "").unwrap().insecure.is_empty());
        assert!(read(&marked[1][..marked[1].len() - 1], "").is_err());
        assert!(read("\u{feff}\u{feff}{}", "").is_err());
    }

    #[test]
    fn an_insecure_registry_is_a_name_a_url_or_a_range() {
        let host: RegistryHost = "docker-registry:5000".parse().unwrap();
        let address = "10.96.0.50".parse().ok();
        let covers = |entry: &str, host: &RegistryHost, address| {
            let json = serde_json::json!({ "insecure-registries": ["x:1", entry] });
            let config = read(json.to_string(), "").unwrap();
            config.insecure_for(host, address).is_some()
        };
        for entry in [
            "docker-registry:5000",
            "http://docker-registry:5000",
            "HTTPS://docker-registry:5000",
            "10.0.0.0/8",
            "10.96.0.50/32",
            "http://10.96.0.0/12",
            "0.0.0.0/0",
        ] {
            assert!(covers(entry, &host, address), "{entry}");
        }
        for entry in [
            "docker-registry",
            "docker-registry:5001",
            "ftp://docker-registry:5000",
            "10.96.0.50",
            "10.96.0.50:5000",
            "192.168.0.0/16",
            "::/0",
            "10.0.0.0/33",
        ] {
            assert!(!covers(entry, &host, address), "{entry}");
        }
        assert!(!covers("10.0.0.0/8", &host, None));
        let by_address: RegistryHost = "10.96.0.50:5000".parse().unwrap();
        assert!(covers("10.0.0.0/8", &by_address, None));
        assert!(covers("10.96.0.50:5000", &by_address, None));
        let v6: RegistryHost = "[fd00::10]:5000".parse().unwrap();
        assert!(covers("fd00::/8", &v6, None));
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
