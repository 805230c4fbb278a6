//! Files that hold a key: owner only, and never half written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tempfile::{NamedTempFile, PersistError};

use crate::Error;

/// Writes `secret` to `path` with mode 0600. After a crash at any point the
/// file is either the old one or the new one: the text goes to a temporary
/// file in the same directory, is flushed to disk, takes the name in one step,
/// and the directory is flushed last.
///
/// A symbolic link at `path` is replaced by the file, not followed.
///
/// # Errors
/// [`Error::Write`] with the step that failed; the old file is then untouched,
/// except if only the last flush failed.
pub fn write_secret_file(path: &Path, secret: &SecretString) -> Result<(), Error> {
    write(path, secret, |file| file.persist(path))
}

/// The same for a file that must not be there yet: a key that others wrote first stays.
///
/// # Errors
/// As [`write_secret_file`], and if there is something at `path`.
pub fn write_new_secret_file(path: &Path, secret: &SecretString) -> Result<(), Error> {
    write(path, secret, |file| file.persist_noclobber(path))
}

fn write(
    path: &Path,
    secret: &SecretString,
    persist: impl FnOnce(NamedTempFile) -> Result<File, PersistError>,
) -> Result<(), Error> {
    let failed = |action| {
        move |source: io::Error| Error::Write {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // tempfile creates with mode 0600 on Unix, before a byte is written.
    let mut file = NamedTempFile::new_in(directory)
        .map_err(failed("make a temporary file in the directory of"))?;
    file.write_all(secret.expose_secret().as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed("write"))?;
    persist(file).map_err(|error| failed("put the new file in its place")(error.error))?;
    sync_directory(directory).map_err(failed("flush the directory of"))
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_file_takes_nobodys_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        write_new_secret_file(&path, &"first".into()).unwrap();
        let error = write_new_secret_file(&path, &"second".into()).unwrap_err();
        assert!(error.to_string().contains("ca.key"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(names(directory.path()), ["ca.key"]);
    }

    #[test]
    fn is_for_the_owner_alone_even_over_an_open_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_secret_file(&path, &"new".into()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(names(directory.path()), ["tls.key"]);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (
            directory.path().join("target"),
            directory.path().join("key"),
        );
        fs::write(&target, "other").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_secret_file(&link, &"secret".into()).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "other");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.key");
        // A full directory in the place of the file makes the last step fail.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("kept"), "kept").unwrap();
        let error = write_secret_file(&path, &"secret".into()).unwrap_err();
        assert!(error.to_string().contains("tls.key"), "{error}");
        assert_eq!(names(directory.path()), ["tls.key"]);
        let nowhere = directory.path().join("missing/tls.key");
        assert!(write_secret_file(&nowhere, &"secret".into()).is_err());
    }

    #[test]
    fn a_reader_sees_the_old_or_the_new_file_and_nothing_between() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.key");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        write_secret_file(&path, &texts[0].as_str().into()).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for round in 0..50 {
                    write_secret_file(&path, &texts[round % 2].as_str().into()).unwrap();
                }
            });
            while !writer.is_finished() {
                let seen = fs::read_to_string(&path).unwrap();
                assert!(texts.contains(&seen), "{} bytes", seen.len());
            }
        });
    }
}
