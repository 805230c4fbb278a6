//! The program that holds a Pod's namespaces.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::packages::{self, tool};
use crate::process::Run;

/// Compiles Kubernetes' own pause.c from an unpacked source tree to `entry/pause`, static, with
/// the flags of build/pause/Makefile.
pub(super) fn build(source: &Path, version: &str, entry: &Path) -> Result<()> {
    // 1.20 has it one directory higher.
    let file = ["build/pause/linux/pause.c", "build/pause/pause.c"]
        .map(|path| source.join(path))
        .into_iter()
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Failure::new(
                "compile pause",
                format!("no pause.c in {}", source.display()),
            )
        })?;
    packages::ensure(&[tool("gcc", "gcc")])?;
    Run::new("gcc")
        .args(["-Os", "-Wall", "-Werror", "-static", "-s"])
        .arg(format!("-DVERSION=v{version}"))
        .arg("-o")
        .arg(entry.join("pause"))
        .arg(file)
        .run()
        .map_err(|failure| {
            failure.next("install a static C library (Debian: apt-get install libc6-dev)")
        })
}
