//! Which directory a registry kept its images in.

use std::fmt;
use std::path::{Component, Path};

/// A directory on nodes that a registry used as its storage root (`hostPath` or `local` volumes).
///
/// Absolute, not `/`, and without `.` or `..`, as it is handed to `rm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageDir(String);

/// Why a path cannot be a registry's storage directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{path}` cannot be a registry's directory: it must be absolute, below `/`, without `.`, `..` or line breaks"
)]
pub struct StorageDirError {
    path: String,
}

impl StorageDir {
    /// Takes a path as a PersistentVolume has it.
    ///
    /// # Errors
    /// [`StorageDirError`] if it is relative, `/`, or has parts that lead elsewhere.
    pub fn new(path: &str) -> Result<StorageDir, StorageDirError> {
        let trimmed = path.trim_end_matches('/');
        let mut parts = Path::new(trimmed).components();
        let good = parts.next() == Some(Component::RootDir)
            && trimmed.split('/').all(|part| part != "." && part != "..")
            && parts.next().is_some()
            && !path.contains(['\n', '\r', '\0']);
        match good {
            true => Ok(StorageDir(trimmed.to_owned())),
            false => Err(StorageDirError {
                path: path.to_owned(),
            }),
        }
    }

    /// The path, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StorageDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::{Answer, InstanceId, NodeProgram, Output, State};

    #[test]
    fn only_paths_that_name_one_directory() {
        assert_eq!(
            StorageDir::new("/tmp/repository/").unwrap().as_str(),
            "/tmp/repository"
        );
        for bad in [
            "",
            "/",
            "//",
            "tmp",
            "./tmp",
            "/tmp/..",
            "/tmp/../etc",
            "/a/./b",
            "/a\n/b",
        ] {
            assert!(StorageDir::new(bad).is_err(), "{bad:?}");
        }
    }

    fn erase(root: &Path) -> Answer {
        let instance = InstanceId::new("docker-registry").unwrap();
        let storage = StorageDir::new("/tmp/it's here").unwrap();
        let program = NodeProgram::erase(&instance, &storage);
        let ran = Command::new("sh")
            .args(["-c", program.script()])
            .env("KREG_ROOT", root)
            .output()
            .unwrap();
        Answer::read(&Output {
            status: ran.status.code(),
            stdout: ran.stdout,
            stderr: ran.stderr,
        })
        .unwrap()
    }

    #[test]
    fn the_registrys_tree_goes_and_what_else_is_there_stays() {
        let root = tempfile::tempdir().unwrap();
        let storage = root.path().join("tmp/it's here");
        let blobs = storage.join("docker/registry/v2/blobs");
        fs::create_dir_all(&blobs).unwrap();
        fs::write(blobs.join("data"), "x").unwrap();
        fs::write(storage.join("notes"), "mine").unwrap();
        assert_eq!(erase(root.path()).state, State::Changed);
        assert!(storage.join("notes").exists());
        assert!(!storage.join("docker").exists());
        assert_eq!(erase(root.path()).state, State::Unchanged);
    }

    #[test]
    fn an_empty_directory_goes_too() {
        let root = tempfile::tempdir().unwrap();
        let storage = root.path().join("tmp/it's here");
        fs::create_dir_all(storage.join("docker/registry/v2")).unwrap();
        assert_eq!(erase(root.path()).state, State::Changed);
        assert!(!storage.exists());
        assert!(root.path().join("tmp").exists());
    }

    #[test]
    fn a_link_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = root.path().join("srv");
        fs::create_dir_all(elsewhere.join("docker/registry/v2/blobs")).unwrap();
        fs::create_dir_all(root.path().join("tmp")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.path().join("tmp/it's here")).unwrap();
        let answer = erase(root.path());
        assert_eq!(
            (answer.state, answer.step.as_str()),
            (State::Failed, "erase")
        );
        assert!(elsewhere.join("docker/registry/v2/blobs").exists());
    }
}
