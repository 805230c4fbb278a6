//! `registries.yaml`: which registries the administrator already speaks of.

use std::collections::{BTreeMap, BTreeSet};

use kreg_auth::RegistryHost;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Rancher;
use crate::{NodeFacts, Trust};

/// The registries that a `registries.yaml` has an entry for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    hosts: BTreeSet<String>,
}

/// Why it could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is not what {name} reads: {detail}")]
pub struct RegistriesError {
    file: String,
    name: &'static str,
    detail: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    mirrors: Option<BTreeMap<String, IgnoredAny>>,
    configs: Option<BTreeMap<String, IgnoredAny>>,
}

impl Registries {
    /// Reads the text of such a file.
    ///
    /// # Errors
    /// What is wrong with it, in the parser's words.
    pub fn parse(text: &str) -> Result<Registries, String> {
        if text.trim().is_empty() {
            return Ok(Registries::default());
        }
        let file: Option<File> = serde_saphyr::from_str(text).map_err(|e| e.to_string())?;
        let file = file.unwrap_or_default();
        let tables = [file.mirrors, file.configs];
        Ok(Registries {
            hosts: tables
                .into_iter()
                .flatten()
                .flatten()
                .map(|(host, _)| host)
                .collect(),
        })
    }

    /// That of a node; none is an empty one.
    ///
    /// # Errors
    /// [`RegistriesError`] if it is no such YAML.
    pub fn of(facts: &NodeFacts, rancher: Rancher) -> Result<Registries, RegistriesError> {
        let file = rancher.registries_yaml();
        let text = String::from_utf8_lossy(facts.content(&file).unwrap_or_default());
        Registries::parse(&text).map_err(|detail| RegistriesError {
            file,
            name: rancher.name(),
            detail: detail.replace('\n', " "),
        })
    }

    /// Whether it has an entry for `host`, whose directory is then written again at each start.
    #[must_use]
    pub fn names(&self, host: &RegistryHost) -> bool {
        self.hosts.contains(&host.to_string())
    }

    /// The entries that lead a node to the registry of `trust`, with its CA in `ca_file`.
    #[must_use]
    pub fn entry(trust: &Trust, ca_file: &str) -> String {
        let (host, endpoint) = (trust.host(), trust.endpoint_url());
        // Some releases heed `configs` only for hosts that have a mirror (k3s issue 9839), and look
        // them up by the endpoint's name.
        let physical = trust.endpoint_authority();
        let mut text =
            format!("mirrors:\n  \"{host}\":\n    endpoint: [\"{endpoint}\"]\nconfigs:\n");
        for name in BTreeSet::from([host.to_string(), physical]) {
            text += &format!("  \"{name}\":\n    tls: {{ca_file: {ca_file}}}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_who_is_spoken_of() {
        let text = "mirrors:\n  \"*\":\n  docker.io:\n    endpoint:\n      - https://m.example:5000\n\
                    configs:\n  'docker-registry:5000':\n    auth: {username: u, password: p}\n";
        let read = Registries::parse(text).unwrap();
        assert!(read.names(&"docker-registry:5000".parse().unwrap()));
        assert!(read.names(&"docker.io".parse().unwrap()));
        assert!(!read.names(&"docker-registry:5001".parse().unwrap()));
        for empty in [
            "",
            "\n",
            "# nothing\n",
            "mirrors:\n",
            "configs: {}\nmirrors: {}\n",
        ] {
            assert_eq!(
                Registries::parse(empty).unwrap(),
                Registries::default(),
                "{empty:?}"
            );
        }
        assert!(Registries::parse("mirrors: [a, b]\n").is_err());
        assert!(Registries::parse("mirrors: {\n").is_err());
    }

    #[test]
    fn its_own_entry_reads_back() {
        let instance = crate::InstanceId::new("docker-registry").unwrap();
        let ca = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
        let trust = Trust::new(instance, "docker-registry:5000".parse().unwrap(), ca)
            .unwrap()
            .with_endpoint("10.96.0.50".parse().unwrap());
        let read =
            Registries::parse(&Registries::entry(&trust, "/etc/rancher/k3s/ca.crt")).unwrap();
        assert!(read.names(trust.host()));
        assert!(read.names(&"10.96.0.50:5000".parse().unwrap()));
    }
}
