//! The packages of the workspace, as cargo knows them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Result, Tried as _};
use crate::process::Run;
use crate::process::cargo_program;

/// A package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// First files of its library and programs.
    pub(super) roots: Vec<PathBuf>,
    /// Packages of the workspace that its users get with it.
    pub(super) needs: Vec<String>,
}

impl Package {
    /// Whether programs that are not `kreg` may use it.
    pub(super) fn is_for_others(&self) -> bool {
        !["kreg-cli", "xtask"].contains(&self.name.as_str())
    }
}

pub(super) fn of(workspace: &Path) -> Result<Vec<Package>> {
    let told = metadata(workspace)?;
    Ok(list(&told["packages"]).iter().map(package).collect())
}

/// Where cargo puts what it builds of this workspace.
pub(super) fn target(workspace: &Path) -> Result<PathBuf> {
    let told = metadata(workspace)?;
    Ok(told["target_directory"].as_str().unwrap_or_default().into())
}

fn metadata(workspace: &Path) -> Result<Value> {
    let told = Run::new(cargo_program())
        .args(["metadata", "--no-deps", "--format-version=1", "--locked"])
        .cwd(workspace)
        .read()?;
    serde_json::from_str(&told).tried(|| "read what cargo says of the workspace".to_owned())
}

fn package(told: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_product = |target: &&Value| {
        let kinds = list(&target["kind"]);
        kinds.iter().any(|kind| kind == "lib" || kind == "bin")
    };
    let roots = list(&told["targets"]);
    let needs = list(&told["dependencies"]);
    // Those of tests and examples have a kind.
    let ours = |need: &&Value| need["path"].is_string() && need["kind"].is_null();
    Package {
        name: text(&told["name"]),
        roots: roots
            .iter()
            .filter(is_product)
            .map(|target| text(&target["src_path"]).into())
            .collect(),
        needs: needs
            .iter()
            .filter(ours)
            .map(|need| text(&need["name"]))
            .collect(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_need_is_left_out() {
        let told = serde_json::json!({ "name": "a", "targets": [
            { "kind": ["lib"], "src_path": "/w/lib.rs" },
            { "kind": ["test"], "src_path": "/w/tests/t.rs" },
        ], "dependencies": [
            { "name": "b", "path": "/b", "kind": null },
            { "name": "c", "path": "/c", "kind": "dev" },
            { "name": "serde", "kind": null },
        ] });
        let package = package(&told);
        assert_eq!(package.roots, [PathBuf::from("/w/lib.rs")]);
        assert_eq!(package.needs, ["b"]);
    }
}
