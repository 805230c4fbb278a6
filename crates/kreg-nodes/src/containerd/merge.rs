//! How a release of containerd puts its files together: which table of registries holds.
//!
//! Every rule names its source; `docs/containerd.md` shows each against the real program.

use toml::{Table, Value};

use super::Version;

/// The table of registries is below this plugin from schema 3 on.
pub(super) const CRI_V3: &str = "io.containerd.cri.v1.images";
/// In schema 2.
pub(super) const CRI_V2: &str = "io.containerd.grpc.v1.cri";
/// In schema 1.
pub(super) const CRI_V1: &str = "cri";

/// The releases at which a rule changes, for where the release is not known.
pub(super) const RELEASES: [Version; 6] = [
    Version(1, 6, 0),
    Version(1, 7, 0),
    Version(2, 0, 0),
    Version(2, 2, 0),
    Version(2, 2, 2),
    Version(2, 3, 0),
];

/// Where containerd 2.2 and later look if no `config_path` is set.
pub(super) const BUILT_IN: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// One file, as far as it decides about registries.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    /// Its path.
    pub(super) path: String,
    /// Its `version`; 0 if it has none.
    pub(super) version: i64,
    /// Its `plugins`.
    pub(super) plugins: Table,
}

/// What holds in the end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Registry {
    /// The table of registries.
    pub(super) table: Table,
    /// `config_path`; empty if containerd looks in no directory.
    pub(super) config_path: String,
    /// Whether that is containerd's own default.
    pub(super) built_in: bool,
}

impl Registry {
    /// That of `release`, from its files in the order in which they are loaded.
    ///
    /// # Errors
    /// The file with which this release does not start, and why.
    pub(super) fn of(sheets: &[Sheet], release: Version) -> Result<Registry, (String, String)> {
        let (table, migrated) = match release {
            Version(..2, ..) => (replaced(sheets, release)?, false),
            Version(2, ..=2, _) => merged(sheets)?,
            _ => (migrated_each(sheets)?, false),
        };
        let set = table.get("config_path").and_then(Value::as_str);
        let mirrors = table.get("mirrors").and_then(Value::as_table);
        let is_default = match set {
            Some(path) if !path.is_empty() => false,
            _ if release < Version(2, 2, 0) => false,
            // 2.2.0 and 2.2.1 have it in their defaults, where an empty string overrides it, and put it
            // into migrated tables (internal/cri/config/config_unix.go, plugins/cri/images/plugin.go).
            _ if release < Version(2, 2, 2) => set.is_none() || migrated,
            // Later ones set it last (InitFn in plugins/cri/images/plugin.go).
            _ => mirrors.is_none_or(Table::is_empty),
        };
        Ok(Registry {
            config_path: match is_default {
                true => BUILT_IN.to_owned(),
                false => set.unwrap_or_default().to_owned(),
            },
            built_in: is_default,
            table,
        })
    }
}

/// 1.x: a plugin's table replaces that of an earlier file, the last `version` holds, and the plugin goes
/// by the name of that schema (services/server/config/config.go: mergeConfig, Decode).
fn replaced(sheets: &[Sheet], release: Version) -> Result<Table, (String, String)> {
    let mut version = 1;
    let (mut short, mut long) = (Table::new(), Table::new());
    for sheet in sheets {
        if sheet.version != 0 {
            version = sheet.version;
        }
        for (name, kept) in [(CRI_V1, &mut short), (CRI_V2, &mut long)] {
            if let Some(section) = section(&sheet.plugins, name) {
                *kept = section.clone();
            }
        }
    }
    // Early releases of 1.6 take such a file and read it as one of version 2.
    if version > 2 && release >= Version(1, 7, 0) {
        return Err(too_new(sheets, version, 2));
    }
    Ok(registry(match version {
        1 => &short,
        _ => &long,
    })
    .cloned()
    .unwrap_or_default())
}

/// 2.0 to 2.2: tables are merged first. A file without a version, or of version 1, only gets its plugins
/// renamed. The last version that a file names counts for the whole: below 3 the old plugin's table of
/// registries takes the place of the new one's (cmd/containerd/server/config/config.go: LoadConfig;
/// server.go: New). Whether the old plugin's table was there is said, too.
fn merged(sheets: &[Sheet]) -> Result<(Table, bool), (String, String)> {
    const NEWEST: i64 = 3;
    let mut version = NEWEST;
    let mut plugins = Table::new();
    for sheet in sheets {
        let mut own = known(&sheet.plugins);
        match sheet.version {
            // With a newer file before it, it panics.
            ..=1 if version > NEWEST => return Err(too_new(sheets, version, NEWEST)),
            ..=1 => rename(&mut own, &sheet.path)?,
            named => version = named,
        }
        merge(&mut plugins, &own);
    }
    if version > NEWEST {
        return Err(too_new(sheets, version, NEWEST));
    }
    let is_old = version < NEWEST && section(&plugins, CRI_V2).is_some();
    if is_old {
        migrate(&mut plugins);
    }
    let table = section(&plugins, CRI_V3).and_then(registry);
    Ok((table.cloned().unwrap_or_default(), is_old))
}

/// 2.3 and later: every file is brought to schema 4 by itself, and then merged
/// (cmd/containerd/server/config/config.go: LoadConfigWithPlugins).
fn migrated_each(sheets: &[Sheet]) -> Result<Table, (String, String)> {
    const NEWEST: i64 = 4;
    let mut plugins = Table::new();
    for sheet in sheets {
        if sheet.version > NEWEST {
            return Err(too_new(sheets, sheet.version, NEWEST));
        }
        let mut own = known(&sheet.plugins);
        if sheet.version <= 1 {
            rename(&mut own, &sheet.path)?;
        }
        if sheet.version < NEWEST {
            migrate(&mut own);
            own.remove(CRI_V2);
        }
        merge(&mut plugins, &own);
    }
    let table = section(&plugins, CRI_V3).and_then(registry);
    Ok(table.cloned().unwrap_or_default())
}

/// The plugins that registries are set in, under any of their names.
fn known(plugins: &Table) -> Table {
    let names = [CRI_V1, CRI_V2, CRI_V3];
    plugins
        .iter()
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// `cri` → `io.containerd.grpc.v1.cri` (config.go: v1MigratePluginName). Of two that come to the same name
/// either may win, from one start to the next.
fn rename(plugins: &mut Table, path: &str) -> Result<(), (String, String)> {
    let Some(section) = plugins.remove(CRI_V1) else {
        return Ok(());
    };
    match plugins.insert(CRI_V2.to_owned(), section) {
        None => Ok(()),
        Some(_) => Err((
            path.to_owned(),
            format!("sets one plugin under two names, {CRI_V1} and {CRI_V2}"),
        )),
    }
}

/// The old plugin's `registry`, whole, into the new one's place (plugins/cri/images/plugin.go:
/// migrateConfig).
fn migrate(plugins: &mut Table) {
    let Some(old) = section(plugins, CRI_V2).and_then(|old| old.get("registry")) else {
        return;
    };
    let old = old.clone();
    let new = plugins
        .entry(CRI_V3)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(new) = new {
        new.insert("registry".to_owned(), old);
    }
}

/// As mergo does with maps: table by table, and any other value replaces the earlier one, an empty string
/// too.
fn merge(to: &mut Table, from: &Table) {
    for (key, value) in from {
        match (to.get_mut(key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            _ => drop(to.insert(key.clone(), value.clone())),
        }
    }
}

fn section<'a>(plugins: &'a Table, name: &str) -> Option<&'a Table> {
    plugins.get(name)?.as_table()
}

fn registry(section: &Table) -> Option<&Table> {
    section.get("registry")?.as_table()
}

fn too_new(sheets: &[Sheet], version: i64, newest: i64) -> (String, String) {
    let file = sheets.iter().rev().find(|sheet| sheet.version == version);
    (
        file.map(|sheet| sheet.path.clone()).unwrap_or_default(),
        format!("is of version {version}, and this release knows versions up to {newest}"),
    )
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
