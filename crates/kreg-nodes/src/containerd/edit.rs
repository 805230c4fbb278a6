//! `config_path` set in a configuration that others wrote, with all else as it was.

use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::merge::{CRI_V1, CRI_V2, CRI_V3};
use super::{ContainerdConfig, Version};
use crate::NodeFacts;

/// A file with one root set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SingleRoot {
    /// Its path.
    pub(crate) file: String,
    /// The plugin in whose table it is set.
    pub(crate) plugin: &'static str,
    /// The lines to set: for people.
    pub(crate) lines: String,
    /// The whole file.
    pub(crate) text: String,
}

/// `config_path` set to `root` in the file that containerd starts from, or else in the last of its imports
/// in which it holds, in the first table in which it does. None if it holds nowhere, as in files of an
/// unusual form.
pub(crate) fn with_single_root(
    facts: &NodeFacts,
    config: &ContainerdConfig,
    root: &str,
) -> Option<SingleRoot> {
    let (head, tables) = plugins(config);
    let imports = config.files.iter().skip(1).rev();
    std::iter::once(&config.file)
        .chain(imports)
        .find_map(|file| {
            let now = match facts.content(file) {
                Some(bytes) => std::str::from_utf8(bytes).ok()?,
                None => head,
            };
            tables.into_iter().find_map(|table| {
                let text = with_config_path(now, table, root)?;
                let mut then = facts.clone();
                then.put(file, &text);
                let holds = ContainerdConfig::of(&then).is_ok_and(|then| then.config_path == root);
                holds.then(|| SingleRoot {
                    file: file.clone(),
                    plugin: table,
                    lines: format!("{head}{}", registry_lines(table, root)),
                    text,
                })
            })
        })
}

/// The lines that set `root` in the table of this plugin.
pub(crate) fn registry_lines(plugin: &str, root: &str) -> String {
    format!("[plugins.\"{plugin}\".registry]\n  config_path = \"{root}\"")
}

/// The plugin whose table is the usual one for `config_path` in a configuration of this schema.
pub(crate) fn usual_plugin(config: &ContainerdConfig) -> &'static str {
    plugins(config).1[0]
}

/// How a new file begins, and the plugins whose table may hold `config_path`: the likeliest first.
fn plugins(config: &ContainerdConfig) -> (&'static str, [&'static str; 3]) {
    let is_new = config
        .release
        .is_some_and(|release| release >= Version(2, 0, 0));
    match config.schema {
        3.. => ("", [CRI_V3, CRI_V2, CRI_V1]),
        2 => ("", [CRI_V2, CRI_V3, CRI_V1]),
        1 => ("", [CRI_V1, CRI_V3, CRI_V2]),
        _ if is_new => ("version = 3\n", [CRI_V3, CRI_V2, CRI_V1]),
        _ => ("version = 2\n", [CRI_V2, CRI_V3, CRI_V1]),
    }
}

/// `text` with `config_path` set to `root` in the registry table of `plugin`; comments and order
/// stay. None if it is no TOML, or holds something else where tables should be.
#[must_use]
pub fn with_config_path(text: &str, plugin: &str, root: &str) -> Option<String> {
    let mut doc: DocumentMut = text.parse().ok()?;
    let trailing = doc.trailing().as_str().unwrap_or_default().to_owned();
    doc.set_trailing("");
    let mut table: &mut dyn TableLike = doc.as_table_mut();
    for key in ["plugins", plugin, "registry"] {
        let implicit = || {
            let mut new = Table::new();
            new.set_implicit(key != "registry");
            Item::Table(new)
        };
        table = table
            .entry(key)
            .or_insert_with(implicit)
            .as_table_like_mut()?;
    }
    let mut path = value(root);
    if let (Some(old), Some(new)) = (
        table.get("config_path").and_then(Item::as_value),
        path.as_value_mut(),
    ) {
        *new.decor_mut() = old.decor().clone();
    }
    match table.get_mut("config_path") {
        Some(item) => *item = path,
        None => drop(table.insert("config_path", path)),
    }
    let edited = doc.to_string();
    // Comments at the end of the file stay before a table that comes after all others.
    let body = text.strip_suffix(trailing.as_str()).unwrap_or(text);
    Some(match edited.strip_prefix(body) {
        Some(added) if trailing.ends_with('\n') || trailing.is_empty() => {
            format!("{body}{trailing}{added}")
        }
        Some(added) => format!("{body}{trailing}\n{added}"),
        None => edited + &trailing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V2: &str = "io.containerd.grpc.v1.cri";

    #[test]
    fn all_else_stays() {
        let text = "# mine\nversion = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  \
                    # empty on purpose\n  config_path = \"\" # to be set\n\n[plugins.other]\n  a = 1\n";
        assert_eq!(
            with_config_path(text, V2, "/etc/containerd/certs.d").unwrap(),
            text.replace("= \"\" #", "= \"/etc/containerd/certs.d\" #")
        );
    }

    #[test]
    fn a_table_that_is_not_there_is_made() {
        let text =
            "version = 2 # two\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    x = 1\n";
        let edited = with_config_path(text, V2, "/r").unwrap();
        assert!(edited.starts_with(text), "{edited}");
        let read: toml::Table = toml::from_str(&edited).unwrap();
        assert_eq!(
            read["plugins"][V2]["registry"]["config_path"].as_str(),
            Some("/r")
        );
        assert_eq!(
            with_config_path("version = 3\n", "io.containerd.cri.v1.images", "/r").unwrap(),
            "version = 3\n\n[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = \"/r\"\n"
        );
    }

    #[test]
    fn what_has_another_form_is_left_alone() {
        for text in [
            "plugins = 1\n",
            "[[plugins]]\n",
            "= no toml",
            "[plugins]\n\"io.containerd.grpc.v1.cri\" = []\n",
        ] {
            assert_eq!(with_config_path(text, V2, "/r"), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn only_the_one_key_differs(lines in prop::collection::vec("(# [a-z]{0,8}|[a-d] = [1-9]{1,3}|[e-h]\\.x = 'x')", 0..6)) {
            let mut seen = std::collections::BTreeSet::new();
            let text: String = lines
                .iter()
                .filter(|line| line.starts_with('#') || seen.insert(line.split(' ').next().unwrap().to_owned()))
                .map(|line| format!("{line}\n"))
                .collect();
            let edited = with_config_path(&text, V2, "/r").unwrap();
            prop_assert!(edited.starts_with(&text));
            let again = with_config_path(&edited, V2, "/r").unwrap();
            prop_assert_eq!(&again, &edited);
            let mut read: toml::Table = toml::from_str(&edited).unwrap();
            prop_assert!(read.remove("plugins").is_some());
            prop_assert_eq!(read, toml::from_str::<toml::Table>(&text).unwrap());
        }
    }
}
