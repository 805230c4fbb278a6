//! Programs that must be on the machine: installed where that is possible, else listed.

use std::path::Path;

use crate::cache;
use crate::failure::{Failure, Result};
use crate::process::{self, Run};
use crate::progress::say;

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Name on `PATH`, or an absolute path of a file the package brings.
    pub(crate) program: &'static str,
    /// Debian's package.
    pub(crate) package: &'static str,
}

/// Shorthand for a [`Tool`].
pub(crate) const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// Another apt on a fresh machine, such as its automatic upgrades, is waited for: 300 s.
const WAIT: [&str; 2] = ["-o", "DPkg::Lock::Timeout=300"];

/// Installs what is missing with apt when root on Debian, else fails with the list.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !can_install() {
        return Err(Failure::new(
            "find every program that is needed",
            format!("missing, by Debian package: {list}"),
        )
        .next(format!(
            "install them (on Debian: apt-get install {list}), then run this again"
        )));
    }
    say(format!("installing {list}"));
    let log = cache::log("apt")?;
    let install = || {
        Run::new("apt-get")
            .args(WAIT)
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .log(&log)
    };
    // Package lists are often absent or stale on a fresh machine: look again only then.
    if !install().succeeds() {
        Run::new("apt-get")
            .args(WAIT)
            .arg("update")
            .log(&log)
            .run()
            .map_err(|failure| failure.next("repair apt's sources, then run this again"))?;
        install()
            .run()
            .map_err(|failure| failure.next(format!("install {list} by hand")))?;
    }
    Ok(())
}

/// Whether this is a Debian, or a relative of it, and this process is root there.
pub(crate) fn can_install() -> bool {
    is_root() && process::find("apt-get").is_some()
}

/// Whether this process is root; read from its own `/proc` entry, whose owner it is.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let mut missing: Vec<_> = tools
        .iter()
        .filter(|tool| match tool.program.strip_prefix('/') {
            Some(_) => !Path::new(tool.program).exists(),
            None => process::find(tool.program).is_none(),
        })
        .map(|tool| tool.package)
        .collect();
    missing.dedup();
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_absent_is_missing_and_named_once() {
        let tools = [
            tool("sh", "dash"),
            tool("no-such-program", "nowhere"),
            tool("/no/such/file", "nowhere"),
        ];
        assert_eq!(missing(&tools), ["nowhere"]);
    }
}
