//! The Debian roots that all other images start from, by debootstrap.

use std::path::{Path, PathBuf};

use crate::cache;
use crate::failure::{Failure, Result, Tried as _};
use crate::packages::{self, tool};
use crate::process::Run;
use crate::progress::say;

/// A release of Debian as an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base {
    /// Name of the image.
    pub(super) tag: &'static str,
    suite: &'static str,
}

/// The releases that something is built on. Most is on the first.
pub(super) const BASES: [Base; 3] = [
    Base {
        tag: "kreg.test/base:12",
        suite: "bookworm",
    },
    Base {
        tag: "kreg.test/base:13",
        suite: "trixie",
    },
    Base {
        tag: "kreg.test/base:14",
        suite: "forky",
    },
];

/// Changes when the bases are to be made anew.
const REVISION: &str = "1";

impl Base {
    /// Those that a Dockerfile starts from.
    pub(super) fn of(dockerfile: &str) -> impl Iterator<Item = Base> {
        let named = |base: &Base| dockerfile.contains(base.tag);
        BASES.into_iter().filter(named)
    }

    /// What [`crate::images::Recipe::build`] compares to know whether the base changed.
    pub(super) fn content(self) -> String {
        cache::digest([self.suite, REVISION])
    }

    /// Makes the root file system (once, kept as a tar in the cache) and gives it to Docker.
    pub(super) fn build(self) -> Result<()> {
        let suite = self.suite;
        let entry = cache::entry("base", &format!("{suite}-{REVISION}"), |scratch| {
            packages::ensure(&[
                tool("debootstrap", "debootstrap"),
                tool("unshare", "util-linux"),
            ])?;
            bootstrap(suite, scratch)
        })?;
        Run::new("docker")
            .args(["import", "--change"])
            .arg(format!("LABEL kreg.content={}", self.content()))
            .arg(entry.join("root.tar"))
            .arg(self.tag)
            .run()
    }
}

/// debootstrap's own files, with a script for every suite: a release does not know its successors.
fn scripts(suite: &str, scratch: &Path) -> Result<PathBuf> {
    let own = Path::new("/usr/share/debootstrap");
    if own.join("scripts").join(suite).exists() {
        return Ok(own.to_path_buf());
    }
    let copy = scratch.join("debootstrap");
    Run::new("cp").arg("--archive").arg(own).arg(&copy).run()?;
    let script = copy.join("scripts").join(suite);
    std::os::unix::fs::symlink("sid", &script).tried(|| format!("make {}", script.display()))?;
    Ok(copy)
}

fn bootstrap(suite: &str, scratch: &Path) -> Result<()> {
    if !packages::is_root() {
        return Err(
            Failure::new("make a Debian root file system", "debootstrap needs root")
                .next("run this as root"),
        );
    }
    say(format!(
        "making a root file system of Debian {suite} with debootstrap (about a minute and a half)"
    ));
    let log = cache::log(&format!("debootstrap-{suite}"))?;
    let scripts = scripts(suite, scratch)?;
    let root = scratch.join("root");
    // In a mount namespace of its own nothing that debootstrap mounts can stay behind.
    Run::new("unshare")
        .args(["--mount", "debootstrap", "--variant=minbase", suite])
        .arg(&root)
        .env("DEBOOTSTRAP_DIR", &scripts)
        .log(&log)
        .dies_with_us()
        .run()
        .map_err(|failure| failure.next("check that Debian's packages can be reached"))?;
    Run::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(scratch.join("root.tar"))
        .arg("--directory")
        .arg(&root)
        .args([
            "--numeric-owner",
            "--exclude=./var/cache/apt/archives/*.deb",
            ".",
        ])
        .run()?;
    Run::new("rm")
        .arg("-rf")
        .args([root, scratch.join("debootstrap")])
        .run()
}
