//! `registries.conf` and its drop-ins, as containers/image puts them together.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{DROP_INS, REGISTRIES_CONF};
use crate::NodeFacts;
use crate::facts::Found;

/// All `[[registry]]` tables of a node, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistriesConf {
    /// Each table that stands; of two with the same prefix the later one (containers/image
    /// `pkg/sysregistriesv2`).
    pub tables: Vec<RegistryTable>,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistryTable {
    /// The file that it stands in.
    pub file: String,
    /// Images that begin with this are meant; `location` where the file says none.
    pub prefix: String,
    /// Where they are fetched from; empty if from where their names say.
    pub location: String,
    /// TLS is not checked.
    pub insecure: bool,
    /// Nothing may be fetched.
    pub blocked: bool,
}

/// Why a file could not be read: containers/image then reads none, and every pull fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} {detail}")]
pub struct RegistriesConfError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub detail: String,
}

impl RegistriesConf {
    /// That of a node.
    ///
    /// # Errors
    /// [`RegistriesConfError`] if one of its files is not TOML or was not readable.
    pub fn of(facts: &NodeFacts) -> Result<RegistriesConf, RegistriesConfError> {
        let below = format!("{DROP_INS}/");
        let drop_ins = facts
            .found
            .range(below.clone()..)
            .map(|(path, _)| path.as_str())
            .take_while(|path| path.starts_with(&below))
            .filter(|path| path.ends_with(".conf"));
        let mut conf = RegistriesConf::default();
        for file in std::iter::once(REGISTRIES_CONF).chain(drop_ins) {
            match facts.at(file) {
                None | Some(Found::Directory) => continue,
                Some(Found::File(found)) => conf.take(file, &found.content)?,
                Some(_) => {
                    return Err(RegistriesConfError {
                        file: file.to_owned(),
                        detail: "cannot be read".to_owned(),
                    });
                }
            }
        }
        Ok(conf)
    }

    /// The table that images of `name` fall under: the one with the longest prefix.
    #[must_use]
    pub fn applying(&self, name: &str) -> Option<&RegistryTable> {
        let fitting = self.tables.iter().filter(|table| fits(&table.prefix, name));
        fitting.max_by_key(|table| table.prefix.len())
    }

    /// Tables for single repositories of `host`: what lies under them is not fetched where the
    /// host's own table says.
    pub fn within<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a RegistryTable> {
        self.tables
            .iter()
            .filter(move |table| table.prefix != host && fits(host, &table.prefix))
    }

    fn take(&mut self, file: &str, content: &[u8]) -> Result<(), RegistriesConfError> {
        let bad = |detail: String| RegistriesConfError {
            file: file.to_owned(),
            detail,
        };
        let text = String::from_utf8_lossy(content);
        let table: Table = toml::from_str(&text).map_err(|e| {
            bad(format!(
                "is not TOML: {}",
                e.to_string().trim_end().replace('\n', " ")
            ))
        })?;
        // The form of version 1 has a table there, which names no prefix.
        let Some(Value::Array(registries)) = table.get("registry") else {
            return Ok(());
        };
        for registry in registries {
            let text = |key: &str| {
                let found = registry.get(key).and_then(Value::as_str);
                found.unwrap_or_default().trim_end_matches('/').to_owned()
            };
            let flag = |key: &str| registry.get(key).and_then(Value::as_bool).unwrap_or(false);
            let (prefix, location) = (text("prefix"), text("location"));
            let prefix = if prefix.is_empty() {
                location.clone()
            } else {
                prefix
            };
            self.tables.retain(|known| known.prefix != prefix);
            self.tables.push(RegistryTable {
                file: file.to_owned(),
                prefix,
                location,
                insecure: flag("insecure"),
                blocked: flag("blocked"),
            });
        }
        Ok(())
    }
}

/// Whether images of `name` begin with `prefix`, which ends where a part of the name does; or are
/// in a domain below `*.domain`.
fn fits(prefix: &str, name: &str) -> bool {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split('/').next().unwrap_or_default();
        return host
            .split(':')
            .next()
            .is_some_and(|host| host.ends_with(domain))
            || host.ends_with(domain);
    }
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn conf(files: &[(&str, &str)]) -> Result<RegistriesConf, RegistriesConfError> {
        let mut facts = NodeFacts::default();
        for (path, text) in files {
            facts.put(path, text);
        }
        RegistriesConf::of(&facts)
    }

    #[rstest]
    #[case("docker-registry:5000", "docker-registry:5000", true)]
    #[case("docker-registry:5000", "docker-registry:5000/a", true)]
    #[case("docker-registry", "docker-registry:5000", true)]
    #[case("docker-registry:500", "docker-registry:5000", false)]
    #[case("*.example.com", "r.example.com:5000/a", true)]
    #[case("*.example.com", "example.com", false)]
    fn fits_as_containers_image_does(#[case] prefix: &str, #[case] name: &str, #[case] yes: bool) {
        assert_eq!(fits(prefix, name), yes);
    }

    #[test]
    fn the_longest_prefix_and_of_equal_ones_the_last() {
        let (a, b) = (
            "/etc/containers/registries.conf.d/a.conf",
            "/etc/containers/registries.conf.d/b.conf",
        );
        let read = conf(&[
            (REGISTRIES_CONF, "[[registry]]\nlocation = \"h:1\"\ninsecure = true\n"),
            (b, "[[registry]]\nprefix = \"h:1\"\nlocation = \"last:1\"\n"),
            (a, "[[registry]]\nprefix = \"h:1\"\nlocation = \"first:1\"\n[[registry]]\nprefix=\"h:1/team\"\nlocation=\"x/y\"\n"),
            ("/etc/containers/registries.conf.d/c.toml", "no conf"),
        ])
        .unwrap();
        assert_eq!(read.applying("h:1/app").unwrap().location, "last:1");
        assert_eq!(read.applying("h:1/team/app").unwrap().location, "x/y");
        assert_eq!(read.applying("other/app"), None);
        assert_eq!(read.within("h:1").count(), 1);
    }

    #[test]
    fn the_old_form_names_no_prefix_and_no_toml_is_said() {
        let old = "[registries.search]\nregistries = ['docker.io']\n";
        assert!(conf(&[(REGISTRIES_CONF, old)]).unwrap().tables.is_empty());
        let error = conf(&[(REGISTRIES_CONF, "[[")]).unwrap_err().to_string();
        assert!(error.contains("registries.conf is not TOML"), "{error}");
    }
}
