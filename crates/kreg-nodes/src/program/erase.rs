//! Which directory a registry keeps its images in, and how it says whose they are.

use std::fmt;

/// A directory on nodes that a registry used as its storage root (`hostPath` or `local` volumes).
///
/// Absolute, not `/`, and without `.`, `..` or doubled slashes, as a program that erases goes down it.
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

/// The file in a registry's directory whose one line is the id of the registry that it belongs to.
pub const STORAGE_MARKER: &str = ".kreg-registry-id";

/// The user and group, beside root, that a registry's directories may belong to: those that its Pod
/// runs as.
pub const STORAGE_OWNER: u32 = 65532;

/// How far [`crate::NodeProgram::mark`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// It only looks whether the directory is another registry's. For before the registry starts.
    Look,
    /// It looks whether the directory is another registry's, or holds images and nothing says whose.
    Fresh,
    /// It marks the directory, if it is there.
    Write,
    /// The same, also where it is marked as another registry's.
    Adopt,
}

impl Marking {
    pub(super) fn word(self) -> &'static str {
        match self {
            Marking::Look => "look",
            Marking::Fresh => "fresh",
            Marking::Write => "write",
            Marking::Adopt => "adopt",
        }
    }
}

/// What tells one registry from all others: 1 to 64 letters, digits and `-`, such as a UUID. Unlike
/// its name it is never given twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryId(String);

/// Why a text cannot be a registry's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a valid registry id: it must be 1 to 64 letters, digits and `-`")]
pub struct RegistryIdError {
    given: String,
}

impl RegistryId {
    /// An id of this text.
    ///
    /// # Errors
    /// [`RegistryIdError`] if it has other characters or another length.
    pub fn new(given: impl Into<String>) -> Result<RegistryId, RegistryIdError> {
        let given = given.into();
        let plain = given
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match plain && (1..=64).contains(&given.len()) {
            true => Ok(RegistryId(given)),
            false => Err(RegistryIdError { given }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StorageDir {
    /// Takes a path as a PersistentVolume has it.
    ///
    /// # Errors
    /// [`StorageDirError`] if it is relative, `/`, or has parts that lead elsewhere.
    pub fn new(path: &str) -> Result<StorageDir, StorageDirError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let good = path.starts_with('/')
            && !parts.is_empty()
            && parts.iter().all(|part| !matches!(*part, "." | ".."))
            && !path.contains(['\n', '\r', '\0']);
        match good {
            true => Ok(StorageDir(format!("/{}", parts.join("/")))),
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
    use super::*;

    #[test]
    fn only_paths_that_name_one_directory() {
        assert_eq!(
            StorageDir::new("/tmp//repository/").unwrap().as_str(),
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

    #[test]
    fn an_id_is_one_plain_word() {
        assert!(RegistryId::new("3f6c1f2e-8a51-4f0e-9d3c-6f1a2b3c4d5e").is_ok());
        for bad in ["", "a b", "a\nb", "../x", "$(x)", &"a".repeat(65)] {
            assert!(RegistryId::new(bad).is_err(), "{bad:?}");
        }
    }
}
