//! Debian packages, binary and source, unpacked without installing them: a machine's services,
//! programs and apt sources stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use super::program::write;
use crate::failure::{Failure, Result, Tried as _};
use crate::packages::{self, tool};
use crate::process::{Run, find};

/// Debian's release that has every package asked for here.
const CODENAME: &str = "bookworm";

/// What Debian signs with; the one file that vouches for what [`source`] fetches.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads these packages (not what they depend on) and unpacks them below `into`.
pub(super) fn unpack(names: &[&str], into: &Path) -> Result<()> {
    needs_apt(&format!("fetch {}", names.join(" ")))?;
    let debs = tempfile::tempdir_in(into).tried(|| format!("write in {}", into.display()))?;
    let download = || {
        Run::new("apt-get")
            .args(["-o", "APT::Sandbox::User=root", "download"])
            .args(names)
            .cwd(debs.path())
    };
    if let Err(failure) = download().run() {
        refresh(failure)?;
        download().run()?;
    }
    let files = list(debs.path())?;
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "deb"))
    {
        Run::new("dpkg-deb")
            .arg("--extract")
            .arg(file)
            .arg(into)
            .run()?;
    }
    Ok(())
}

/// Fetches and unpacks a source package of [`CODENAME`] with Debian's patches to `into/source`.
///
/// apt is given a source list, an index directory and a cache of its own below `into`; where
/// packages come from is read from the machine's own configuration.
pub(super) fn source(package: &str, into: &Path) -> Result<PathBuf> {
    needs_apt(&format!("fetch the source of {package}"))?;
    packages::ensure(&[tool("dpkg-source", "dpkg-dev")])?;
    let mirror = match mirror()? {
        Some(mirror) => mirror,
        None => {
            refresh(no_mirror())?;
            mirror()?.ok_or_else(no_mirror)?
        }
    };
    let apt = Apt::new(into)?;
    write(
        &apt.list,
        format!("deb-src [signed-by={KEYRING}] {mirror} {CODENAME} main\n"),
    )?;
    apt.run("update").run()?;
    let archives = into.join("archives");
    fs::create_dir_all(&archives).tried(|| format!("make {}", archives.display()))?;
    apt.run("source")
        .args(["--download-only", package])
        .cwd(&archives)
        .run()?;
    let description = list(&archives)?
        .into_iter()
        .find(|file| file.extension().is_some_and(|kind| kind == "dsc"))
        .ok_or_else(|| Failure::new(format!("fetch the source of {package}"), "no .dsc came"))?;
    let tree = into.join("source");
    Run::new("dpkg-source")
        .arg("--extract")
        .arg(description)
        .arg(&tree)
        .run()?;
    Ok(tree)
}

/// An apt that leaves the machine's own alone.
struct Apt {
    list: PathBuf,
    lists: PathBuf,
    cache: PathBuf,
}

impl Apt {
    fn new(below: &Path) -> Result<Self> {
        let (lists, cache) = (below.join("apt-lists"), below.join("apt-cache"));
        for directory in [lists.join("partial"), cache.join("archives/partial")] {
            fs::create_dir_all(&directory).tried(|| format!("make {}", directory.display()))?;
        }
        Ok(Self {
            list: below.join("sources.list"),
            lists,
            cache,
        })
    }

    fn run(&self, command: &str) -> Run {
        let option = |name: &str, value: &Path| format!("{name}={}", value.display());
        Run::new("apt-get")
            .args(["-o", "APT::Sandbox::User=root"])
            .args(["-o", &option("Dir::Etc::SourceList", &self.list)])
            .args(["-o", "Dir::Etc::SourceParts=/dev/null"])
            .args(["-o", &option("Dir::State::Lists", &self.lists)])
            .args(["-o", &option("Dir::Cache", &self.cache)])
            .arg(command)
    }
}

/// Where this machine's apt takes [`CODENAME`]'s main packages from.
fn mirror() -> Result<Option<String>> {
    let targets = Run::new("apt-get")
        .args(["indextargets", "--format"])
        .arg("$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)")
        .arg("Identifier: Packages")
        .read()?;
    Ok(pick_mirror(&targets).map(str::to_owned))
}

fn pick_mirror(targets: &str) -> Option<&str> {
    let wanted = format!("Debian|{CODENAME}|main|");
    targets.lines().find_map(|line| line.strip_prefix(&wanted))
}

fn no_mirror() -> Failure {
    Failure::new(
        format!("find the sources of Debian {CODENAME}"),
        "this machine's apt knows no such release",
    )
    .next(format!(
        "run this on Debian 12, or add {CODENAME} main to apt's sources"
    ))
}

/// Renews apt's package lists; where only root may, `failure` stays the answer.
fn refresh(failure: Failure) -> Result<()> {
    if !packages::is_root() {
        return Err(failure.next("run `apt-get update` as root, then this again"));
    }
    Run::new("apt-get").arg("update").run()
}

fn needs_apt(tried: &str) -> Result<()> {
    match find("apt-get") {
        Some(_) => Ok(()),
        None => Err(Failure::new(tried, "there is no apt-get").next("run this on Debian 12")),
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let tried = || format!("list {}", directory.display());
    let mut files = Vec::new();
    for file in fs::read_dir(directory).tried(tried)? {
        files.push(file.tried(tried)?.path());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::pick_mirror;

    #[test]
    fn only_the_release_itself_is_a_mirror() {
        let targets = "Debian|bookworm-updates|main|http://a.test/debian/\n\
                       Debian|bookworm-security|main|http://a.test/debian-security/\n\
                       Other|bookworm|main|http://b.test/\n\
                       Debian|bookworm|main|http://c.test/debian/";
        assert_eq!(pick_mirror(targets), Some("http://c.test/debian/"));
        assert_eq!(
            pick_mirror("Debian|trixie|main|http://c.test/debian/"),
            None
        );
    }
}
