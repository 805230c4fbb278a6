//! The directory that remembers a cluster, `<cache>/cluster/<name>`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use crate::cache;
use crate::failure::{Failure, Result, Tried as _};

/// Paths of what is remembered; the directory itself may not be there yet.
#[derive(Debug)]
pub(super) struct State {
    pub(super) directory: PathBuf,
    name: String,
}

impl State {
    /// The place for this name, which must be one that Docker, DNS and a file system all take.
    pub(super) fn open(name: &str) -> Result<Self> {
        if !is_label(name) {
            return Err(
                Failure::new(format!("name a cluster {name:?}"), "it is not a DNS label")
                    .next("use lower-case letters, digits and inner hyphens, at most 40"),
            );
        }
        Ok(Self {
            directory: cache::directory("cluster")?.join(name),
            name: name.to_owned(),
        })
    }

    /// Held while somebody makes or removes this cluster.
    pub(super) fn lock(&self) -> PathBuf {
        self.directory
            .with_file_name(format!(".{}.lock", self.name))
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.file("kubeconfig")
    }

    /// Written last: where it is, the cluster was once whole.
    pub(super) fn config(&self) -> PathBuf {
        self.file("kreg.toml")
    }

    pub(super) fn make(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .tried(|| format!("make {}", self.directory.display()))
    }

    pub(super) fn remove(&self) -> Result<()> {
        if self.directory.exists() {
            fs::remove_dir_all(&self.directory)
                .tried(|| format!("remove {}", self.directory.display()))?;
        }
        Ok(())
    }

    /// Writes a file whole or not at all, readable by its owner only.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let place = self.file(name);
        let tried = || format!("write {}", place.display());
        let mut scratch = tempfile::NamedTempFile::new_in(&self.directory).tried(tried)?;
        scratch.write_all(text.as_bytes()).tried(tried)?;
        scratch.persist(&place).tried(tried)?;
        Ok(())
    }
}

/// A DNS label (RFC 1123), short enough for `<name>-control-plane` to be one too.
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::is_label;

    #[test]
    fn names_are_dns_labels() {
        for good in ["kreg", "a", "e2e-1-20"] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "../x", &"a".repeat(41)] {
            assert!(!is_label(bad), "{bad}");
        }
    }
}
