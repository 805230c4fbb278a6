//! Files that are never found half written.

use std::io::{self, Write as _};
use std::path::Path;

/// Writes beside the file and renames: a reader finds all of it, the old or the new. Others may read it, as any file that
/// a program writes; what is in reports and counts is no secret.
pub(crate) fn replace(file: &Path, text: &str) -> io::Result<()> {
    let mut beside = tempfile::Builder::new();
    #[cfg(unix)]
    beside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what umask takes
    let mut beside = beside.tempfile_in(folder(file))?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    beside.persist(file)?;
    Ok(())
}

/// Where the file lies.
pub(crate) fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.prom");
        replace(&file, "one").unwrap();
        replace(&file, "two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = replace(&folder.path().join("none/a"), "").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
