//! htpasswd files on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::{Htpasswd, HtpasswdError};

impl Htpasswd {
    /// Reads a file.
    ///
    /// # Errors
    /// [`HtpasswdError::Read`] with the path and what the system said.
    pub fn load(path: &Path) -> Result<Htpasswd, HtpasswdError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Htpasswd::parse(bytes)),
            Err(source) => Err(HtpasswdError::Read {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Writes the file in one step: a reader, at any moment and also after a crash,
    /// sees the old file or the new one. A symbolic link is followed. An existing file keeps
    /// its mode and owner; a new one is for its owner alone (0600), so open it up if the
    /// registry runs as somebody else.
    ///
    /// The file is replaced, not rewritten: a container that mounts just this file keeps
    /// seeing the old one, so mount its directory.
    ///
    /// # Errors
    /// [`HtpasswdError::Unusable`] if the registry would refuse the whole file, see
    /// [`validate`](Htpasswd::validate); [`HtpasswdError::Write`] with the path and what the
    /// system said. The old file is then untouched.
    pub fn save(&self, path: &Path) -> Result<(), HtpasswdError> {
        self.validate()?;
        self.write(path).map_err(|source| HtpasswdError::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let target = match fs::canonicalize(path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
                // A link to a file that is not there yet.
                Ok(to) => path.parent().unwrap_or(Path::new("")).join(to),
                Err(_) => path.to_owned(),
            },
            Err(error) => return Err(error),
        };
        let directory = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(&self.to_bytes())?;
        if let Ok(old) = fs::metadata(&target) {
            keep_owner(file.as_file(), &old)?;
            file.as_file().set_permissions(old.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        sync_directory(directory)
    }
}

/// A registry that reads the file as its owner must go on doing so when root edits it.
#[cfg(unix)]
fn keep_owner(file: &File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    fchown(file, Some(old.uid()), Some(old.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _old: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere a directory cannot be opened as a file; the rename is all there is.
#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_followed_and_the_mode_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&path, "u:x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        let mut file = Htpasswd::load(&link).unwrap();
        file.remove("u").unwrap();
        file.save(&link).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_to_nothing_gets_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("later", &link).unwrap();
        Htpasswd::parse("u:x\n").save(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(dir.path().join("later")).unwrap(), b"u:x\n");
    }

    #[test]
    fn a_new_file_is_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        Htpasswd::parse("u:x\n").save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"u:x\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn failures_name_the_file_and_leave_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        let error = Htpasswd::load(&path).unwrap_err();
        assert!(error.to_string().contains("htpasswd"), "{error}");
        fs::write(&path, "u:x\n").unwrap();
        let error = Htpasswd::parse("no colon\n").save(&path).unwrap_err();
        assert!(matches!(error, HtpasswdError::Unusable(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"u:x\n");
        let nowhere = dir.path().join("missing/htpasswd");
        let error = Htpasswd::default().save(&nowhere).unwrap_err();
        assert!(error.to_string().contains("missing/htpasswd"), "{error}");
    }
}
