//! `./kreg.toml`, which nobody named: whether kreg may use it, and what it may set.
//!
//! An account that can change this file decides what kreg does, and kreg often runs as root. git has its `safe.directory`
//! for the same reason. Under sudo the caller is root: `SUDO_UID` is a variable that anybody can set, so it decides nothing.

use std::fs::File;
use std::io::{ErrorKind, Read as _};

use kreg_nodes::this_machine::others_can_change;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::Error;

/// Looked for in the working directory.
pub(super) const FILE: &str = "./kreg.toml";

/// Keys that lead to other code or to another cluster. Only a file that is named may set them.
const NAMED_ONLY: [&str; 8] = [
    "cluster.kubeconfig",
    "cluster.context",
    "registry.image",
    "nodes.ssh.config",
    "nodes.ssh.identity",
    "nodes.ssh.known_hosts",
    "nodes.ssh.passphrase_file",
    "nodes.ssh.accept_new",
];

const NAME_IT: &str = "read it; if it says what you want, name it: `--config ./kreg.toml`";

/// The file's text; `None` if there is no file.
///
/// # Errors
/// If it cannot be read, or if somebody else can change it.
pub(super) fn read() -> Result<Option<String>, Error> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(FILE, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
        Err(cause) => return Err(unreadable(&cause.into())),
    };
    let own = file.metadata().map_err(|cause| unreadable(&cause))?;
    if !own.is_file() {
        return Err(refused("it is not a regular file"));
    }
    let path = std::env::current_dir().map(|directory| directory.join("kreg.toml"));
    let others = path.and_then(|path| others_can_change(&file, &path));
    if let Some(why) = others.map_err(|cause| unreadable(&cause))? {
        return Err(refused(&why));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|cause| unreadable(&cause))?;
    Ok(Some(text))
}

/// Refuses a file that sets what only a named one may set.
///
/// # Errors
/// With every such key.
pub(super) fn only_harmless(text: &str) -> Result<(), Error> {
    // The parser, which runs first, reports what is not valid TOML.
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let table = toml::Value::Table(table);
    let is_set = |key: &&str| {
        let mut steps = key.split('.');
        steps
            .try_fold(&table, |value, step| value.get(step))
            .is_some()
    };
    let set: Vec<&str> = NAMED_ONLY.into_iter().filter(is_set).collect();
    if set.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{FILE} sets {}, which only a file that --config names may set",
        set.join(", ")
    ))
    .help(NAME_IT))
}

fn refused(why: &str) -> Error {
    Error::usage(format!(
        "kreg does not use {FILE}, because --config does not name it and {why}"
    ))
    .help(NAME_IT)
}

fn unreadable(cause: &std::io::Error) -> Error {
    let error = Error::usage(format!("cannot read the configuration file {FILE}")).because(cause);
    match cause.kind() {
        ErrorKind::InvalidData => error.help("write it in UTF-8"),
        _ => error.help(NAME_IT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TEMPLATE;

    /// Each key of the template alone: those that lead elsewhere are refused by name, the others are not.
    #[test]
    fn keys_that_lead_elsewhere_are_refused_by_name_and_no_others() {
        let mut section = "";
        let mut refused = Vec::new();
        for line in TEMPLATE.lines() {
            let line = line.strip_prefix('#').unwrap_or(line);
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
            } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' '))
            {
                let error = only_harmless(&format!("[{section}]\n{line}\n"));
                if let Err(error) = error {
                    let key = format!("{section}.{key}");
                    assert!(error.message().contains(&key), "{error}");
                    refused.push(key);
                }
            }
        }
        let mut expected = NAMED_ONLY.map(str::to_owned);
        refused.sort();
        expected.sort();
        assert_eq!(refused, expected);
        let inline = "nodes = { ssh = { accept_new = false } }\nregistry.image = \"a\"\n";
        let error = only_harmless(inline).expect_err("both").to_string();
        assert!(
            error.contains("registry.image, nodes.ssh.accept_new"),
            "{error}"
        );
    }
}
