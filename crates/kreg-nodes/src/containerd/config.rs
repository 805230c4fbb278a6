//! containerd's effective registry configuration, from its files.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::imports::{absolute, glob};
use super::layout::{places, roots};
use super::merge::{CRI_V1, CRI_V2, CRI_V3, RELEASES, Registry, Sheet};
use super::{CONFIG_FILE, Version};
use crate::NodeFacts;
use crate::facts::{DEFAULT_SOCKET, socket_in};
use crate::rancher::Rancher;

/// What containerd's CRI plugin reads about registries: `config.toml` with all its imports, put
/// together as the release that runs there does. Where the release is not known, all must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainerdConfig {
    /// The file that containerd starts from.
    pub file: String,
    /// It and its imports, in the order in which containerd loads them.
    pub files: Vec<String>,
    /// Its schema version; 0 if there is no such file.
    pub schema: i64,
    /// containerd's release, if known.
    pub release: Option<Version>,
    /// `config_path`; empty if containerd looks in no directory.
    pub config_path: String,
    /// Whether `config_path` is containerd's own default, not set by any file.
    pub built_in: bool,
    /// Registries under the old `registry.mirrors`: with `config_path` set, the CRI plugin
    /// does not load at all.
    pub mirrors: Vec<String>,
    /// Registries under the old `registry.configs.*.tls`: with `config_path`, the CRI plugin of 1.x
    /// does not load.
    pub tls: Vec<String>,
    /// Whether `disabled_plugins` turns the CRI plugin off.
    pub cri_disabled: bool,
    /// A `config_path` that does not hold, in a table that is not read: file and table.
    pub misplaced: Option<(String, String)>,
    /// The file that sets `config_path` to nothing, where an earlier one set a directory.
    pub emptied_by: Option<String>,
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
    /// Imported by its name, and not there.
    #[error("{file} imports {import}, which is not there")]
    Missing {
        /// The file with `imports`.
        file: String,
        /// The file that it names.
        import: String,
    },
    /// This release does not start with it.
    #[error("{file} {detail}")]
    Refused {
        /// The file.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
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

    /// The roots of `config_path`, as a release that splits the list takes them; none if containerd
    /// looks nowhere.
    #[must_use]
    pub fn roots(&self) -> Vec<String> {
        roots(&self.config_path)
    }

    /// The directories below which a host's own directory has to lie, so that containerd reads it
    /// however it pulls: see [`places`].
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        places(&self.config_path)
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
        let named = read.flat_map(|(config, imports)| config.places().into_iter().chain(imports));
        named.filter(|path| !facts.asked.contains(path)).collect()
    }
}

struct Reader<'a> {
    facts: &'a NodeFacts,
    config: ContainerdConfig,
    sheets: Vec<Sheet>,
    imports: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(facts: &'a NodeFacts, name: &str, file: &str) -> Reader<'a> {
        let program = facts.program(name);
        let started_with = program.and_then(|p| p.config.clone());
        let config = ContainerdConfig {
            file: started_with.unwrap_or_else(|| file.to_owned()),
            socket: DEFAULT_SOCKET.to_owned(),
            release: program
                .and_then(|p| p.version.as_deref())
                .and_then(Version::parse),
            ..ContainerdConfig::default()
        };
        Reader {
            facts,
            config,
            sheets: Vec::new(),
            imports: Vec::new(),
        }
    }

    /// The files in containerd's order (config.go: LoadConfig): a file, then what it imports; each once.
    /// Where the first is not there, nothing is read (cmd/containerd/command/main.go).
    fn read(mut self) -> Result<(ContainerdConfig, Vec<String>), ConfigError> {
        let first = self.config.file.clone();
        let mut pending = VecDeque::from([first]);
        let mut loaded = BTreeSet::new();
        while let Some(path) = pending.pop_front() {
            if !loaded.insert(path.clone()) || self.facts.at(&path).is_none() {
                continue;
            }
            let table = self.load(&path)?;
            for import in strings(table.get("imports")) {
                pending.extend(self.resolve(&path, &import)?);
            }
            self.take(path, table);
        }
        self.settle()?;
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

    /// The files that an import means, in the order of their names. One that holds a `*` is a pattern, any
    /// other a file that must be there (config.go: resolveImports).
    fn resolve(&mut self, parent: &str, import: &str) -> Result<Vec<String>, ConfigError> {
        let absolute = absolute(parent, import);
        self.imports.push(absolute.clone());
        if absolute.contains('*') {
            let known = self.facts.found.keys();
            return Ok(known
                .filter(|path| glob(&absolute, path))
                .cloned()
                .collect());
        }
        // One that nobody asked for yet is asked for next.
        if self.facts.asked.contains(&absolute) && self.facts.at(&absolute).is_none() {
            return Err(ConfigError::Missing {
                file: parent.to_owned(),
                import: absolute,
            });
        }
        Ok(vec![absolute])
    }

    fn take(&mut self, path: String, mut table: Table) {
        let version = table.get("version").and_then(Value::as_integer);
        if path == self.config.file {
            self.config.schema = version.unwrap_or(1);
        }
        if let Some(socket) = socket_in(&table) {
            self.config.socket = socket.to_owned();
        }
        let disabled = strings(table.get("disabled_plugins"));
        self.config.cri_disabled |= disabled
            .iter()
            .any(|id| [CRI_V1, CRI_V2, CRI_V3].contains(&id.as_str()));
        let plugins = match table.remove("plugins") {
            Some(Value::Table(plugins)) => plugins,
            _ => Table::new(),
        };
        self.config.files.push(path.clone());
        self.sheets.push(Sheet {
            path,
            version: version.unwrap_or(0),
            plugins,
        });
    }

    fn settle(&mut self) -> Result<(), ConfigError> {
        let refused = |(file, detail)| ConfigError::Refused { file, detail };
        let registry = match self.config.release {
            Some(release) => Registry::of(&self.sheets, release).map_err(refused)?,
            None => self.whatever_runs(),
        };
        let keys = |name: &str| -> Vec<String> {
            let table = registry.table.get(name).and_then(Value::as_table);
            table
                .map(|table| table.keys().cloned().collect())
                .unwrap_or_default()
        };
        let with_tls = |host: &String| {
            let tls = || {
                registry
                    .table
                    .get("configs")?
                    .get(host)?
                    .get("tls")?
                    .as_table()
            };
            tls().is_some_and(|table| !table.is_empty())
        };
        self.config.mirrors = keys("mirrors");
        self.config.tls = keys("configs").into_iter().filter(with_tls).collect();
        self.config.built_in = registry.built_in;
        self.config.config_path = registry.config_path;
        if self.config.config_path.is_empty() {
            self.config.emptied_by = emptied_by(&self.sheets);
            self.config.misplaced = self.sheets.iter().find_map(misplaced);
        }
        Ok(())
    }

    /// What every release makes of the files; nothing where they differ.
    fn whatever_runs(&self) -> Registry {
        let all = RELEASES.map(|release| Registry::of(&self.sheets, release).ok());
        let [Some(first), rest @ ..] = all else {
            return Registry::default();
        };
        match rest.iter().all(|other| other.as_ref() == Some(&first)) {
            true => first,
            false => Registry::default(),
        }
    }
}

/// A `config_path` in a file, and the table that it stands in.
fn misplaced(sheet: &Sheet) -> Option<(String, String)> {
    [CRI_V1, CRI_V2, CRI_V3].into_iter().find_map(|name| {
        let path = set_path(sheet, name).filter(|path| !path.is_empty());
        path.map(|_| (sheet.path.clone(), name.to_owned()))
    })
}

/// The file that says the last of a table's `config_path`, if it takes away what an earlier one set.
fn emptied_by(sheets: &[Sheet]) -> Option<String> {
    [CRI_V1, CRI_V2, CRI_V3].into_iter().find_map(|name| {
        let mut said = sheets
            .iter()
            .filter_map(|sheet| Some((sheet, set_path(sheet, name)?)));
        let (last, path) = said.next_back()?;
        let earlier = said.any(|(_, path)| !path.is_empty());
        (path.is_empty() && earlier).then(|| last.path.clone())
    })
}

/// What a file sets as `config_path` in the table of this plugin.
fn set_path<'a>(sheet: &'a Sheet, plugin: &str) -> Option<&'a str> {
    let registry = sheet.plugins.get(plugin)?.get("registry")?;
    registry.get("config_path")?.as_str()
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
