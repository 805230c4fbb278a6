//! containerd's effective registry configuration, from its files.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{BUILT_IN_ROOTS, CONFIG_FILE};
use crate::NodeFacts;
use crate::rancher::Rancher;

/// containerd's release, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(
    /// Major.
    pub u32,
    /// Minor.
    pub u32,
);

/// What containerd's CRI plugin reads about registries: `config.toml` with all its imports,
/// in the table that each file's own `version` calls for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerdConfig {
    /// The file that containerd starts from.
    pub file: String,
    /// Its schema version; 0 if there is no such file.
    pub schema: i64,
    /// containerd's release, if known.
    pub release: Option<Version>,
    /// The roots that containerd looks in, in order; none if it looks nowhere.
    pub roots: Vec<String>,
    /// Whether the roots are containerd's own, not set by any file.
    pub built_in: bool,
    /// Registries under the old `registry.mirrors`: with `config_path` set, the CRI plugin
    /// does not load at all.
    pub mirrors: Vec<String>,
    /// Registries under the old `registry.configs.*.tls`: fatal with `config_path` on 1.x.
    pub tls: Vec<String>,
    /// Whether `disabled_plugins` turns the CRI plugin off.
    pub cri_disabled: bool,
    /// A `config_path` in a table that this schema does not read: file and table.
    pub misplaced: Option<(String, String)>,
    /// Whether releases of containerd differ in how they put these files together.
    pub ambiguous: bool,
    /// The socket that it listens on.
    pub socket: String,
    /// When the newest of the files was changed, in seconds since 1970 UTC.
    pub modified: u64,
}

/// Why containerd's configuration could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML.
    #[error("{file} is not TOML: {detail}")]
    Malformed {
        /// The file.
        file: String,
        /// Where and what.
        detail: String,
    },
    /// There, and cannot be read.
    #[error("{file} cannot be read")]
    Unreadable {
        /// The file.
        file: String,
    },
}

/// The CRI plugin's table up to schema 2, and by its short name in schema 1.
const CRI_V2: &str = "io.containerd.grpc.v1.cri";
const CRI_V1: &str = "cri";
/// The table with the registries from schema 3 on.
const CRI_V3: &str = "io.containerd.cri.v1.images";
/// Where containerd listens unless told otherwise.
const SOCKET: &str = "/run/containerd/containerd.sock";
/// Imported from 2.2 on where there is no configuration file (containerd `defaults_unix.go`).
const DROP_INS: &str = "/etc/containerd/conf.d/*.toml";

impl Version {
    /// The release in a line of `containerd --version`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Version> {
        line.split_whitespace().find_map(|word| {
            let mut parts = word.trim_start_matches('v').split('.');
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            Some(Version(major, minor))
        })
    }
}

impl ContainerdConfig {
    /// The effective configuration on a node.
    ///
    /// # Errors
    /// [`ConfigError`] if a file that containerd reads is not TOML or was not readable.
    pub fn of(facts: &NodeFacts) -> Result<ContainerdConfig, ConfigError> {
        ContainerdConfig::of_program(facts, "containerd", CONFIG_FILE)
    }

    /// That of another containerd on the node: `program` as the facts name it, and the `file` that
    /// it starts from where its command line does not say.
    ///
    /// # Errors
    /// [`ConfigError`] if a file that it reads is not TOML or was not readable.
    pub fn of_program(
        facts: &NodeFacts,
        program: &str,
        file: &str,
    ) -> Result<ContainerdConfig, ConfigError> {
        let reader = Reader::new(facts, program, file);
        reader.read().map(|(config, _)| config)
    }

    /// The table of registries in this file's schema, and the line that a new file begins with.
    pub(crate) fn table(&self) -> (&'static str, &'static str) {
        let new = self.release.is_some_and(|release| release >= Version(2, 0));
        match self.schema {
            3.. => ("", CRI_V3),
            2 => ("", CRI_V2),
            1 => ("", CRI_V1),
            _ if new => ("version = 3\n", CRI_V3),
            _ => ("version = 2\n", CRI_V2),
        }
    }

    /// Paths and patterns that this configuration names and that were not asked for yet.
    /// Empty also where the configuration cannot be read: [`ContainerdConfig::of`] says why.
    #[must_use]
    pub fn unseen(facts: &NodeFacts) -> BTreeSet<String> {
        let own = Rancher::ALL.map(|one| (one.containerd(), one.containerd_config()));
        let all = [("containerd", CONFIG_FILE.to_owned())]
            .into_iter()
            .chain(own);
        let read = all.filter_map(|(name, file)| Reader::new(facts, name, &file).read().ok());
        let named = read.flat_map(|(config, imports)| config.roots.into_iter().chain(imports));
        named.filter(|path| !facts.asked.contains(path)).collect()
    }
}

struct Reader<'a> {
    facts: &'a NodeFacts,
    config: ContainerdConfig,
    /// The registry table as 1.x puts it together: a plugin's table replaces the earlier one.
    replaced: Table,
    /// And as later releases do: table merged into table.
    merged: Table,
    imports: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(facts: &'a NodeFacts, name: &str, file: &str) -> Reader<'a> {
        let program = facts.program(name);
        let started_with = program.and_then(|p| p.config.clone());
        let config = ContainerdConfig {
            file: started_with.unwrap_or_else(|| file.to_owned()),
            socket: SOCKET.to_owned(),
            release: program
                .and_then(|p| p.version.as_deref())
                .and_then(Version::parse),
            ..ContainerdConfig::default()
        };
        Reader {
            facts,
            config,
            replaced: Table::new(),
            merged: Table::new(),
            imports: Vec::new(),
        }
    }

    fn read(mut self) -> Result<(ContainerdConfig, Vec<String>), ConfigError> {
        let first = self.config.file.clone();
        let mut pending = VecDeque::from([first.clone()]);
        if self.facts.at(&first).is_none() && first == CONFIG_FILE {
            pending.extend(self.resolve(&first, DROP_INS));
        }
        let mut loaded = BTreeSet::new();
        while let Some(path) = pending.pop_front() {
            if !loaded.insert(path.clone()) || self.facts.at(&path).is_none() {
                continue;
            }
            let table = self.load(&path)?;
            for import in strings(table.get("imports")) {
                pending.extend(self.resolve(&path, &import));
            }
            self.take(&path, &table);
        }
        self.settle();
        Ok((self.config, self.imports))
    }

    fn load(&mut self, path: &str) -> Result<Table, ConfigError> {
        let file = || path.to_owned();
        let Some(crate::facts::Found::File(found)) = self.facts.at(path) else {
            return Err(ConfigError::Unreadable { file: file() });
        };
        self.config.modified = self.config.modified.max(found.modified);
        let text = String::from_utf8_lossy(&found.content);
        toml::from_str(&text).map_err(|e| ConfigError::Malformed {
            file: file(),
            detail: e.to_string().trim_end().replace('\n', " "),
        })
    }

    /// The files that an import means, in the order of their names.
    fn resolve(&mut self, parent: &str, import: &str) -> Vec<String> {
        let absolute = match import.starts_with('/') {
            true => import.to_owned(),
            false => {
                let folder = parent.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{}", import.trim_start_matches("./"))
            }
        };
        self.imports.push(absolute.clone());
        match absolute.contains('*') {
            true => self
                .facts
                .found
                .keys()
                .filter(|path| glob(&absolute, path))
                .cloned()
                .collect(),
            false => vec![absolute],
        }
    }

    fn take(&mut self, path: &str, table: &Table) {
        let schema = table
            .get("version")
            .and_then(Value::as_integer)
            .unwrap_or(1);
        if path == self.config.file {
            self.config.schema = schema;
        }
        let socket = || table.get("grpc")?.get("address")?.as_str();
        if let Some(socket) = socket().filter(|socket| !socket.is_empty()) {
            self.config.socket = socket.to_owned();
        }
        let disabled = strings(table.get("disabled_plugins"));
        self.config.cri_disabled |= disabled
            .iter()
            .any(|id| [CRI_V1, CRI_V2, CRI_V3].contains(&id.as_str()));
        let plugin = |name: &str| table.get("plugins")?.get(name)?.as_table();
        let (right, wrong): (&[&str], &[&str]) = match schema {
            ..=1 => (&[CRI_V1, CRI_V2], &[CRI_V3]),
            2 => (&[CRI_V2], &[CRI_V3, CRI_V1]),
            _ => (&[CRI_V3], &[CRI_V2, CRI_V1]),
        };
        for name in wrong {
            let path_there = plugin(name)
                .and_then(|section| section.get("registry")?.get("config_path")?.as_str());
            if path_there.is_some_and(|text| !text.is_empty()) {
                self.config.misplaced = Some((path.to_owned(), (*name).to_owned()));
            }
        }
        for section in right.iter().filter_map(|name| plugin(name)) {
            let empty = Table::new();
            let registry = section
                .get("registry")
                .and_then(Value::as_table)
                .unwrap_or(&empty);
            self.replaced = registry.clone();
            merge(&mut self.merged, registry);
        }
    }

    fn settle(&mut self) {
        let old = self
            .config
            .release
            .is_some_and(|release| release < Version(2, 0));
        let (used, other) = match old {
            true => (&self.replaced, &self.merged),
            false => (&self.merged, &self.replaced),
        };
        let roots = |registry: &Table| -> Vec<String> {
            let text = registry
                .get("config_path")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let roots = text.split(':').filter(|root| root.starts_with('/'));
            roots
                .map(|root| root.trim_end_matches('/').to_owned())
                .collect()
        };
        let keys = |name: &str| -> Vec<String> {
            let table = used.get(name).and_then(Value::as_table);
            table
                .map(|table| table.keys().cloned().collect())
                .unwrap_or_default()
        };
        let with_tls = |host: &String| {
            let tls = || used.get("configs")?.get(host)?.get("tls")?.as_table();
            tls().is_some_and(|table| !table.is_empty())
        };
        self.config.ambiguous = !old && roots(used) != roots(other);
        self.config.roots = roots(used);
        self.config.mirrors = keys("mirrors");
        self.config.tls = keys("configs").into_iter().filter(with_tls).collect();
        let built_in = self
            .config
            .release
            .is_some_and(|release| release >= Version(2, 2));
        if self.config.roots.is_empty() && self.config.mirrors.is_empty() && built_in {
            self.config.roots = BUILT_IN_ROOTS.map(str::to_owned).to_vec();
            self.config.built_in = true;
        }
    }
}

/// Merges as mergo does with override: what is empty overrides nothing.
fn merge(to: &mut Table, from: &Table) {
    for (key, value) in from {
        match (to.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(_), Value::String(text)) if text.is_empty() => {}
            _ => drop(to.insert(key.clone(), value.clone())),
        }
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    items
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Whether `path` fits a pattern in which `*` stands for anything but `/`, as in Go's
/// `filepath.Glob`.
fn glob(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (number, part) in parts.iter().enumerate() {
        let at = match number + 1 == parts.len() {
            true if rest.len() >= part.len() && rest.ends_with(part) => rest.len() - part.len(),
            true => return false,
            false => match rest.find(part) {
                Some(at) => at,
                None => return false,
            },
        };
        if rest[..at].contains('/') {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_releases() {
        let of = |line: &str| Version::parse(line);
        let debian = "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3";
        assert_eq!(of(debian), Some(Version(1, 6)));
        assert_eq!(
            of("containerd containerd.io 1.7.27 05044ec0"),
            Some(Version(1, 7))
        );
        assert_eq!(
            of("containerd github.com/containerd/containerd/v2 v2.1.4 x"),
            Some(Version(2, 1))
        );
        assert_eq!(of("no such thing"), None);
    }

    #[test]
    fn globs_as_go_does() {
        assert!(glob("/etc/c/*.toml", "/etc/c/a.toml"));
        assert!(glob("/etc/c/*.toml", "/etc/c/.toml"));
        assert!(!glob("/etc/c/*.toml", "/etc/c/d/a.toml"));
        assert!(!glob("/etc/c/*.toml", "/etc/c/a.toml.bak"));
        assert!(glob("/etc/*/a*.toml", "/etc/c/ab.toml"));
        assert!(!glob("/etc/c/a.toml", "/etc/c/a.toml2"));
    }
}
