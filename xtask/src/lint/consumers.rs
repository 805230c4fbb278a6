//! Programs outside the workspace, one for each library: at most ten lines, and of no more packages than their
//! manifests say.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::Table;

use super::packages;
use crate::failure::{Failure, Result, Tried as _};
use crate::process::Run;
use crate::process::cargo_program;
use crate::progress::say;

/// More lines than this are not a short program.
const LINES: usize = 10;

/// Checks each by itself, so that none is built with the features of another.
pub(super) fn check(workspace: &Path) -> Result<()> {
    let folder = workspace.join("xtask/consumers");
    // The same versions as in the workspace; cargo leaves out what is not needed.
    let lock = |folder: &Path| folder.join("Cargo.lock");
    fs::copy(lock(workspace), lock(&folder)).tried(|| "copy Cargo.lock".to_owned())?;
    let target = packages::target(workspace)?;
    for package in packages::of(workspace)? {
        if package.is_for_others() {
            one(&folder, &target, &package.name)?;
        }
    }
    Ok(())
}

fn one(folder: &Path, target: &Path, library: &str) -> Result<()> {
    let place = folder.join(library.trim_start_matches("kreg-"));
    let read = |file: &str| {
        let file = place.join(file);
        let missing = || {
            format!(
                "read the program that uses only {library}, {}",
                file.display()
            )
        };
        fs::read_to_string(&file).tried(missing)
    };
    let (manifest, program) = (read("Cargo.toml")?, read("src/main.rs")?);
    let name = format!("use-{library}");
    let lines = lines(&program);
    if lines > LINES {
        return Err(Failure::new(
            format!("keep {name} short"),
            format!("it has {lines} lines, more than {LINES}"),
        ));
    }
    let cargo = |arguments: &[&str]| {
        Run::new(cargo_program())
            .args(arguments)
            .args(["--package", &name])
            .env("CARGO_TARGET_DIR", target)
            .env("OPENSSL_NO_VENDOR", "1")
            .cwd(folder)
    };
    cargo(&["check", "--quiet"]).run()?;
    let tree = cargo(&["tree", "--edges=normal", "--prefix=none", "--format={p}"]).read()?;
    let (packages, limit) = (packages_of(&tree), limit(&manifest)?);
    say(format!(
        "{library} in a program of {lines} lines: {packages} packages"
    ));
    if packages > limit {
        let why = format!("{packages} packages, and its manifest allows {limit}");
        return Err(
            Failure::new(format!("keep {library} light"), why).next(format!(
                "see `cargo tree --package {name}` in xtask/consumers"
            )),
        );
    }
    Ok(())
}

/// Lines of code: comments and empty ones do not count.
fn lines(program: &str) -> usize {
    let lines = program.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

/// Each version of each package once, the program itself left out.
fn packages_of(tree: &str) -> usize {
    let lines = tree.lines().filter(|line| !line.is_empty());
    let once = lines.map(|line| line.trim_end_matches(" (*)"));
    once.collect::<BTreeSet<_>>().len() - 1
}

fn limit(manifest: &str) -> Result<usize> {
    let table: Table = manifest.parse().tried(|| "read the manifest".to_owned())?;
    let mut words = ["package", "metadata", "kreg", "packages"].into_iter();
    let limit = words
        .try_fold(&toml::Value::Table(table), |value, key| value.get(key))
        .and_then(toml::Value::as_integer);
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| {
            Failure::new(
                "find the limit",
                "the manifest has no package.metadata.kreg.packages",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_count_once_and_lines_without_comments() {
        let tree = "use-kreg-auth v0.0.0 (/w)\nkreg-auth v0.1.0 (/k)\nsha2 v0.11.0\nsha2 v0.10.0\nsha2 v0.11.0 (*)\n";
        assert_eq!(packages_of(tree), 3);
        assert_eq!(lines("//! a\n\nfn main() {\n    // b\n}\n"), 2);
        assert_eq!(limit("[package.metadata.kreg]\npackages = 7").unwrap(), 7);
        assert!(limit("[package]").is_err());
    }
}
