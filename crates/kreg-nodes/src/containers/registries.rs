//! `registries.conf` and its drop-ins, as containers/image puts them together.

use std::iter;

use serde::{Deserialize, Serialize};

use super::places::{Places, below};
use crate::NodeFacts;
use crate::facts::Found;

/// All `[[registry]]` tables of a node, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistriesConf {
    /// Each table that stands. Of two with the same prefix in one file that is the first, in two
    /// files that of the later file (containers/image `pkg/sysregistriesv2`).
    pub tables: Vec<RegistryTable>,
}

/// One `[[registry]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegistryTable {
    /// The file that it stands in.
    pub file: String,
    /// Images that begin with this are meant; `location` where the file does not say.
    pub prefix: String,
    /// Where they are fetched from; empty if from where their names say.
    pub location: String,
    /// TLS is not checked.
    pub insecure: bool,
    /// Nothing may be fetched.
    pub blocked: bool,
}

/// Why a file could not be read. A new process with containers/image then fails at every pull, and
/// CRI-O does not start; a CRI-O that runs keeps what it read before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} {detail}")]
pub struct RegistriesConfError {
    /// The file.
    pub file: String,
    /// What is wrong.
    pub detail: String,
}

impl RegistriesConfError {
    pub(super) fn not_toml(file: &str, error: &toml::de::Error) -> RegistriesConfError {
        let said = error.to_string().trim_end().replace('\n', " ");
        RegistriesConfError {
            file: file.to_owned(),
            detail: format!("cannot be read: {said}"),
        }
    }
}

/// A file of either version, with what matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Conf {
    registry: Vec<Table>,
    unqualified_search_registries: Option<Vec<String>>,
    credential_helpers: Option<Vec<String>>,
    /// Version 1.
    registries: V1,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Table {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<Mirror>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mirror {
    location: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct V1 {
    search: V1List,
    insecure: V1List,
    block: V1List,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct V1List {
    registries: Option<Vec<String>>,
}

impl RegistriesConf {
    /// That of a node: CRI-O's, else that of root's podman; see [`Places`].
    ///
    /// # Errors
    /// [`RegistriesConfError`] if one of its files, or CRI-O's own configuration, cannot be used.
    pub fn of(facts: &NodeFacts) -> Result<RegistriesConf, RegistriesConfError> {
        let places = Places::of(facts)?;
        let (main, dirs) = places.registries(facts);
        let drop_ins = dirs.iter().flat_map(|dir| below(facts, dir));
        let drop_ins = drop_ins.filter(|path| path.ends_with(".conf"));
        let mut conf = RegistriesConf::default();
        for file in iter::once(main.as_str()).chain(drop_ins) {
            let is_main = file == main;
            let detail = match facts.at(file) {
                Some(Found::File(found)) => {
                    conf.take(file, &found.content, is_main)?;
                    continue;
                }
                None | Some(Found::Link) if is_main && places.registries_conf.is_some() => {
                    "is not there, and CRI-O is started with it"
                }
                None | Some(Found::Link) => continue,
                // A directory among the drop-ins is passed over, a link to one is not.
                Some(Found::Directory) if !is_main && !facts.links.contains(file) => continue,
                Some(Found::Directory) => "is a directory",
                Some(_) => "cannot be read",
            };
            return Err(RegistriesConfError {
                file: file.to_owned(),
                detail: detail.to_owned(),
            });
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

    fn take(&mut self, file: &str, text: &[u8], main: bool) -> Result<(), RegistriesConfError> {
        let text = String::from_utf8_lossy(text);
        let conf: Conf =
            toml::from_str(&text).map_err(|e| RegistriesConfError::not_toml(file, &e))?;
        let registries = conf.tables(main).map_err(|detail| RegistriesConfError {
            file: file.to_owned(),
            detail,
        })?;
        let known = self.tables.len();
        for one in registries {
            if self.tables[known..]
                .iter()
                .any(|table| table.prefix == one.prefix)
            {
                continue;
            }
            self.tables.push(RegistryTable {
                file: file.to_owned(),
                prefix: one.prefix,
                location: one.location,
                insecure: one.insecure,
                blocked: one.blocked,
            });
        }
        let later: Vec<String> = self.tables[known..]
            .iter()
            .map(|t| t.prefix.clone())
            .collect();
        let mut at = 0;
        self.tables.retain(|table| {
            at += 1;
            at > known || !later.contains(&table.prefix)
        });
        Ok(())
    }
}

impl Conf {
    /// The tables, with each prefix filled in; or what containers/image finds wrong
    /// (`postProcessRegistries`, `ConvertToV2`).
    fn tables(self, main: bool) -> Result<Vec<Table>, String> {
        let V1 {
            search,
            insecure,
            block,
        } = self.registries;
        let has_v2 = !self.registry.is_empty()
            || self.unqualified_search_registries.is_some()
            || self.credential_helpers.is_some();
        let lists = [&search, &insecure, &block];
        if lists.iter().any(|list| list.registries.is_some()) {
            return match (main, has_v2) {
                (false, _) => {
                    Err("is in the form of version 1, which no drop-in may have".to_owned())
                }
                (true, true) => Err("mixes the forms of versions 1 and 2".to_owned()),
                (true, false) => of_v1(insecure, block),
            };
        }
        for name in self.unqualified_search_registries.iter().flatten() {
            bare(name)?;
        }
        let tables = self.registry.into_iter().map(Table::checked);
        let tables: Vec<Table> = tables.collect::<Result<_, _>>()?;
        for one in &tables {
            let place = |table: &Table| match table.location.as_str() {
                "" => table.prefix.clone(),
                location => location.to_owned(),
            };
            let mut same = tables.iter().filter(|other| place(other) == place(one));
            if same.any(|other| (other.insecure, other.blocked) != (one.insecure, one.blocked)) {
                return Err(format!(
                    "has more than one [[registry]] for {}, with different `insecure` or `blocked`",
                    place(one)
                ));
            }
        }
        Ok(tables)
    }
}

impl Table {
    fn checked(self) -> Result<Table, String> {
        let location = bare(&self.location)?;
        let prefix = match bare(&self.prefix)? {
            prefix if prefix.is_empty() => location.clone(),
            prefix => prefix,
        };
        if prefix.is_empty() {
            return Err("has a [[registry]] with neither prefix nor location".to_owned());
        }
        let wildcard = prefix.starts_with("*.");
        if location.is_empty() && !wildcard {
            return Err(format!(
                "has a [[registry]] for {prefix} without a location"
            ));
        }
        if wildcard && prefix.contains(['/', '@', ':']) {
            return Err(format!(
                "has prefix {prefix}: after `*.` only a domain may follow"
            ));
        }
        for mirror in &self.mirror {
            if bare(&mirror.location)?.is_empty() {
                return Err(format!("has a mirror of {prefix} without a location"));
            }
        }
        Ok(Table {
            prefix,
            location,
            ..self
        })
    }
}

/// The form of version 1: two lists of names.
fn of_v1(insecure: V1List, block: V1List) -> Result<Vec<Table>, String> {
    let mut tables: Vec<Table> = Vec::new();
    let named = [(insecure, false), (block, true)];
    for (list, blocks) in named {
        for name in list.registries.into_iter().flatten() {
            let name = bare(&name)?;
            let at = tables.iter().position(|table| table.prefix == name);
            let at = at.unwrap_or_else(|| {
                let (prefix, location) = (name.clone(), name);
                tables.push(Table {
                    prefix,
                    location,
                    ..Table::default()
                });
                tables.len() - 1
            });
            if let Some(table) = tables.get_mut(at) {
                match blocks {
                    true => table.blocked = true,
                    false => table.insecure = true,
                }
            }
        }
    }
    Ok(tables)
}

/// A place without its last slashes; one with a scheme is not valid.
fn bare(place: &str) -> Result<String, String> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return Err(format!("names {place}: a place has no scheme there"));
    }
    Ok(place.trim_end_matches('/').to_owned())
}

/// Whether images of `name` begin with `prefix`, which ends where a part of the name does; or are
/// in a domain below `*.domain`.
pub(super) fn fits(prefix: &str, name: &str) -> bool {
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
#[path = "registries_tests.rs"]
mod tests;
