//! `--report KIND=FILE`: what was found, for CI servers and for people.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use kreg_verify::Report;

use crate::error::{Error, Tried as _};

/// One report to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportFile {
    kind: Kind,
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Junit,
    Html,
    Json,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, file) = text.split_once('=').unwrap_or((text, ""));
        let kind = match kind {
            "junit" => Kind::Junit,
            "html" => Kind::Html,
            "json" => Kind::Json,
            other => {
                return Err(format!(
                    "there is no report `{other}`; say junit=FILE, html=FILE or json=FILE"
                ));
            }
        };
        match file {
            "" => Err(format!("say where to write it: {text}=FILE")),
            file => Ok(Self {
                kind,
                file: file.into(),
            }),
        }
    }
}

impl fmt::Display for ReportFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)
    }
}

impl ReportFile {
    /// Before anything is begun: a folder that takes no file must not cost a proof.
    pub(super) fn can_be_written(&self) -> Result<(), Error> {
        let file = &self.file;
        if file.is_dir() {
            return Err(
                Error::usage(format!("cannot write the report {self}: it is a directory"))
                    .help("name a file in it"),
            );
        }
        tempfile::tempfile_in(folder(file))
            .map(drop)
            .map_err(|cause| {
                Error::usage(format!("cannot write the report {self}"))
                    .because(&cause)
                    .help("make its folder first, or name another")
            })
    }

    pub(super) fn write(&self, report: &Report) -> Result<(), Error> {
        let text = match self.kind {
            Kind::Junit => report
                .to_junit()
                .tried(format!("cannot write the report {self}"))?,
            Kind::Html => report.to_html(),
            Kind::Json => serde_json::to_string_pretty(report)
                .tried(format!("cannot write the report {self}"))?,
        };
        replace(&self.file, text.as_bytes())
    }
}

/// Writes beside the file and renames: whoever reads it finds all of it, the old or the new. Others
/// may read it, as any file that a program writes; what is in reports is no secret.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> Result<(), Error> {
    let what = || format!("cannot write {}", file.display());
    let mut beside = tempfile::Builder::new();
    #[cfg(unix)]
    beside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less what umask takes
    let mut beside = beside.tempfile_in(folder(file)).tried(what())?;
    beside.write_all(bytes).tried(what())?;
    beside.as_file().sync_all().tried(what())?;
    beside
        .persist(file)
        .map(drop)
        .map_err(|error| error.error)
        .tried(what())
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_kind_and_a_file() {
        let junit: ReportFile = "junit=out/a=b.xml".parse().unwrap();
        assert_eq!(
            (junit.kind, junit.file),
            (Kind::Junit, "out/a=b.xml".into())
        );
        for (bad, words) in [
            ("pdf=x", "junit=FILE"),
            ("html", "html=FILE"),
            ("html=", "=FILE"),
        ] {
            let error = bad.parse::<ReportFile>().unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_place_that_takes_no_report_is_told_before_anything_is_begun() {
        let place = tempfile::tempdir().unwrap();
        let report = |name: &str| -> ReportFile {
            let file = place.path().join(name);
            format!("html={}", file.display()).parse().unwrap()
        };
        report("a.html").can_be_written().unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        for name in ["none/a.html", ""] {
            let error = report(name).can_be_written().unwrap_err();
            assert_eq!(error.ending(), crate::error::Ending::Usage);
            let path = place.path().display().to_string();
            assert!(error.message().contains(&path), "{error}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.prom");
        replace(&file, b"one").unwrap();
        replace(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = replace(&folder.path().join("none/a"), b"").unwrap_err();
        assert!(error.message().contains("none/a"), "{error}");
    }
}
