//! The Debian root that every other image starts from, by debootstrap.

use std::path::Path;

use crate::cache;
use crate::failure::{Failure, Result};
use crate::packages::{self, tool};
use crate::process::Run;
use crate::progress::say;

/// Name of the base image.
pub(super) const BASE: &str = "kreg.test/base:12";

const SUITE: &str = "bookworm";

/// Changes when the base is to be made anew.
const REVISION: &str = "1";

/// What [`crate::images::Recipe::build`] compares to know whether the base changed.
pub(super) fn content() -> String {
    cache::digest([SUITE, REVISION])
}

/// Makes the root file system (once, kept as a tar in the cache) and gives it to Docker.
pub(super) fn build() -> Result<()> {
    let entry = cache::entry("base", &format!("{SUITE}-{REVISION}"), |scratch| {
        packages::ensure(&[
            tool("debootstrap", "debootstrap"),
            tool("unshare", "util-linux"),
        ])?;
        bootstrap(scratch)
    })?;
    Run::new("docker")
        .args(["import", "--change"])
        .arg(format!("LABEL kreg.content={}", content()))
        .arg(entry.join("root.tar"))
        .arg(BASE)
        .run()
}

fn bootstrap(scratch: &Path) -> Result<()> {
    if !packages::is_root() {
        return Err(
            Failure::new("make a Debian root file system", "debootstrap needs root")
                .next("run this as root"),
        );
    }
    say("making a Debian root file system with debootstrap (about a minute and a half)");
    let log = cache::log("debootstrap")?;
    let root = scratch.join("root");
    // In a mount namespace of its own nothing that debootstrap mounts can stay behind.
    Run::new("unshare")
        .args(["--mount", "debootstrap", "--variant=minbase", SUITE])
        .arg(&root)
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
    Run::new("rm").arg("-rf").arg(&root).run()
}
