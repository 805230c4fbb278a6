//! Dependencies that nothing uses: of each crate by cargo-machete, of the workspace's table by its members' manifests,
//! which cargo-machete does not read for that. cargo-shear does, and needs a newer compiler than ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use crate::cache;
use crate::failure::{Failure, Result, Tried as _};
use crate::process::cargo_program;
use crate::process::{self, Run};
use crate::progress::say;

/// The release that is built where none is on `PATH`.
const MACHETE: &str = "0.9.2";

pub(super) fn none(workspace: &Path) -> Result<()> {
    in_the_table(workspace)?;
    Run::new(machete()?)
        // As cargo starts its commands, and this one looks which it is by the variable.
        .env("CARGO", cargo_program())
        .arg("machete")
        .cwd(workspace)
        .run()
        .map_err(|failure| {
            failure.next(
                "remove them; what only a macro uses goes into [package.metadata.cargo-machete]",
            )
        })
}

/// cargo-machete, built once and kept in the cache.
fn machete() -> Result<PathBuf> {
    let name = "cargo-machete";
    if let Some(program) = process::find(name) {
        return Ok(program);
    }
    let kept = cache::entry("programs", &format!("{name}-{MACHETE}"), |folder| {
        say(format!("building {name}"));
        // Outside this folder: it is a program of its own, built by the default compiler.
        Run::new("cargo")
            .args(["install", "--locked", "--version", MACHETE, "--root"])
            .arg(folder)
            .arg(name)
            .cwd(folder)
            .log(cache::log(name)?)
            .run()
            .map_err(|failure| failure.next(format!("run `cargo install {name}` by hand")))
    })?;
    Ok(kept.join("bin").join(name))
}

/// Rows of `[workspace.dependencies]` that no member takes.
fn in_the_table(workspace: &Path) -> Result<()> {
    let read = |folder: &Path| {
        let file = folder.join("Cargo.toml");
        let text = fs::read_to_string(&file).tried(|| format!("read {}", file.display()))?;
        text.parse::<Table>()
            .tried(|| format!("read {}", file.display()))
    };
    let mut members = vec![read(&workspace.join("xtask"))?];
    let crates = workspace.join("crates");
    for entry in fs::read_dir(&crates).tried(|| format!("list {}", crates.display()))? {
        members.push(read(
            &entry.tried(|| format!("list {}", crates.display()))?.path(),
        )?);
    }
    let root = read(workspace)?;
    let rows = root
        .get("workspace")
        .and_then(|table| table.get("dependencies"));
    let rows = rows
        .and_then(|rows| rows.as_table())
        .map(|rows| rows.keys());
    let taken: BTreeSet<&str> = members.iter().flat_map(taken).collect();
    let unused: Vec<&str> = rows
        .into_iter()
        .flatten()
        .map(String::as_str)
        .filter(|row| !taken.contains(row))
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        "see a member take each of [workspace.dependencies]",
        unused.join(", "),
    )
    .next("remove what no member takes from Cargo.toml"))
}

/// What a member takes from the workspace's table, for whatever purpose and platform.
fn taken(member: &Table) -> Vec<&str> {
    let mut found = Vec::new();
    for (name, value) in member {
        let Some(table) = value.as_table() else {
            continue;
        };
        if name.ends_with("dependencies") {
            let from_there = |row: &toml::Value| {
                row.get("workspace").and_then(|taken| taken.as_bool()) == Some(true)
            };
            found.extend(
                table
                    .iter()
                    .filter(|(_, row)| from_there(row))
                    .map(|(name, _)| name.as_str()),
            );
        } else {
            // `[target.'cfg(unix)'.dependencies]`.
            found.extend(taken(table));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_take_for_any_purpose_counts_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let folder = folder.path().join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("Cargo.toml"), text).unwrap();
        };
        let member = "[dependencies]\na.workspace = true\n[target.'cfg(unix)'.dev-dependencies]\nb = { workspace = true }\nc = \"1\"";
        write("crates/x", member);
        write("xtask", "");
        write("", "[workspace.dependencies]\na = \"1\"\nb = \"1\"\n");
        assert!(in_the_table(folder.path()).is_ok());
        write("", "[workspace.dependencies]\na = \"1\"\nc = \"1\"\n");
        let failure = in_the_table(folder.path()).unwrap_err().to_string();
        assert!(failure.contains(": c\n"), "{failure}");
    }
}
