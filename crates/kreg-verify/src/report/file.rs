//! A report in a file, for CI servers and for people.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use super::Report;
use crate::file::{folder, replace};

/// A file, and the form in which a report is written to it.
///
/// As text: `junit=FILE`, `html=FILE` or `json=FILE`. `Display` gives the file.
///
/// ```
/// use kreg_verify::ReportFile;
/// let page: ReportFile = "html=proof.html".parse()?;
/// assert_eq!(page.to_string(), "proof.html");
/// # Ok::<(), kreg_verify::ReportFileError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    form: Form,
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Junit,
    Html,
    Json,
}

/// Text that names no report to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportFileError {
    /// No report has that form.
    #[error("there is no report `{0}`; say junit=FILE, html=FILE or json=FILE")]
    Form(
        /// The form as given.
        String,
    ),
    /// It has a form, and no file.
    #[error("say where to write it: {0}=FILE")]
    File(
        /// The text as given.
        String,
    ),
}

impl FromStr for ReportFile {
    type Err = ReportFileError;

    fn from_str(text: &str) -> Result<Self, ReportFileError> {
        let (form, file) = text.split_once('=').unwrap_or((text, ""));
        let form = match form {
            "junit" => Form::Junit,
            "html" => Form::Html,
            "json" => Form::Json,
            other => return Err(ReportFileError::Form(other.to_owned())),
        };
        if file.is_empty() {
            return Err(ReportFileError::File(text.to_owned()));
        }
        let file = file.into();
        Ok(ReportFile { form, file })
    }
}

impl fmt::Display for ReportFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(f)
    }
}

impl ReportFile {
    /// Whether its place takes a file: what would not be written should not cost a proof. Leaves nothing there.
    ///
    /// # Errors
    /// If it is a directory, or its folder takes no file.
    pub fn check_place(&self) -> io::Result<()> {
        if self.file.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        tempfile::tempfile_in(folder(&self.file)).map(drop)
    }

    /// Writes the report there, whole or not at all.
    ///
    /// # Errors
    /// If it has no such form, or cannot be written.
    pub fn write(&self, report: &Report) -> io::Result<()> {
        let text = match self.form {
            Form::Junit => report.to_junit().map_err(io::Error::other)?,
            Form::Html => report.to_html(),
            Form::Json => serde_json::to_string_pretty(report)?,
        };
        replace(&self.file, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_form_and_a_file() {
        let junit: ReportFile = "junit=out/a=b.xml".parse().unwrap();
        let file = PathBuf::from("out/a=b.xml");
        assert_eq!((junit.form, junit.file), (Form::Junit, file));
        for (bad, words) in [
            ("pdf=x", "junit=FILE"),
            ("html", "html=FILE"),
            ("html=", "=FILE"),
        ] {
            let error = bad.parse::<ReportFile>().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_place_that_takes_no_report_is_found_out_without_writing() {
        let place = tempfile::tempdir().unwrap();
        let report = |name: &str| -> ReportFile {
            let file = place.path().join(name);
            format!("html={}", file.display()).parse().unwrap()
        };
        report("a.html").check_place().unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        for name in ["none/a.html", ""] {
            report(name).check_place().unwrap_err();
        }
    }

    #[test]
    fn each_form_is_written() {
        let place = tempfile::tempdir().unwrap();
        let found = Report::new("r:5000".to_owned(), String::new(), String::new());
        for (form, begins) in [("junit", "<?xml"), ("html", "<!DOCTYPE"), ("json", "{")] {
            let file = place.path().join(form);
            let report: ReportFile = format!("{form}={}", file.display()).parse().unwrap();
            report.write(&found).unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with(begins), "{text}");
        }
    }
}
