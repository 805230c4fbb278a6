//! The certificates of a registry as files, and the file of its key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use time::OffsetDateTime;

use super::Lint;
use super::finding::Severity;
use super::report::{Report, Row};
use crate::San;

const FILES: &str = "files";

/// A file that could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// It is not there, or this user may not read it.
    #[error("cannot read {}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It is another kind of file.
    #[error("the key file {} is not text; give the private key as PEM", .0.display())]
    NotText(
        /// The file.
        PathBuf,
    ),
}

/// Judges the certificate or chain, and the key that belongs to it, as every client would that trusts what `ca` holds and
/// reaches the registry by `endpoints`. A key file that others than its owner may read or change is a finding too.
///
/// # Errors
/// [`FilesError`].
pub fn files(
    chain: &Path,
    key: Option<&Path>,
    ca: &Path,
    endpoints: &[San],
    now: OffsetDateTime,
) -> Result<Report, FilesError> {
    let mut looked_at = vec![chain.display().to_string(), ca.display().to_string()];
    let (chain, trust) = (read(chain)?, read(ca)?);
    let lint = Lint::new(&chain, &trust, now).endpoints(endpoints.iter().cloned());
    let Some(path) = key else {
        let found = Row::all(FILES, lint.run()).collect();
        return Ok(Report::new(looked_at, found));
    };
    looked_at.push(path.display().to_string());
    let text = String::from_utf8(read(path)?);
    let key = SecretString::from(text.map_err(|_| FilesError::NotText(path.to_owned()))?);
    let mut found: Vec<Row> = Row::all(FILES, lint.key(&key).run()).collect();
    found.extend(open_to_others(path));
    Ok(Report::new(looked_at, found))
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    std::fs::read(path).map_err(|source| FilesError::Unread {
        path: path.to_owned(),
        source,
    })
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<Row> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| Row {
        source: FILES,
        severity: Severity::Warning,
        code: "key-file-open",
        subject: path.display().to_string(),
        message: format!("others than its owner may read or change the key (mode {mode:o})"),
        remedy: "chmod 600 it; if others were on this machine, replace the key",
        refused_by: BTreeSet::new(),
    })
}

#[cfg(not(unix))]
fn open_to_others(_path: &Path) -> Option<Row> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::{Authority, AuthorityRequest, ExposeSecret as _, Issuer as _, LeafRequest};

    #[test]
    fn files_are_read_and_an_open_key_file_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let ca = Authority::generate(&AuthorityRequest::new("r")).unwrap();
        let san: San = "registry".parse().unwrap();
        let leaf = ca
            .issue(&LeafRequest::new("r").sans([san.clone()]))
            .unwrap();
        let chain = write("tls.crt", leaf.chain_pem().as_bytes());
        let trust = write("ca.crt", ca.certificate_pem().as_bytes());
        let key = write("tls.key", leaf.key_pem().expose_secret().as_bytes());
        let judged = |key: Option<&Path>| {
            let now = OffsetDateTime::now_utc();
            files(&chain, key, &trust, std::slice::from_ref(&san), now)
        };
        assert_eq!(judged(None).unwrap().findings, []);
        for (mode, codes) in [(0o600, &[] as &[_]), (0o644, &["key-file-open"])] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&key, permissions).unwrap();
            let report = judged(Some(&key)).unwrap();
            let found: Vec<_> = report.findings.iter().map(|row| row.code).collect();
            assert_eq!(found, codes, "{mode:o}");
            assert_eq!((report.errors, report.looked_at.len()), (0, 3));
        }
        let binary = write("binary", b"\xff");
        let error = judged(Some(&binary)).unwrap_err().to_string();
        assert!(error.contains("binary is not text"), "{error}");
        let missing = folder.path().join("missing");
        let error = judged(Some(&missing)).unwrap_err().to_string();
        assert!(error.ends_with("missing"), "{error}");
    }
}
