//! The file in which a watch keeps its counts.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::report::WatchReport;
use crate::file::replace;

/// Between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// A file that always has the counts so far, as [`WatchReport::to_prometheus`] gives them. A reader finds all of them, the
/// old or the new.
#[derive(Debug)]
pub struct MetricsFile {
    file: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    written: Option<Instant>,
    /// The first thing that kept the counts from being written.
    trouble: Option<io::Error>,
}

impl MetricsFile {
    /// Writes an empty file: what cannot be written is found out now, not at the end.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn new(file: PathBuf) -> io::Result<Self> {
        replace(&file, "")?;
        Ok(MetricsFile {
            file,
            last: Mutex::default(),
        })
    }

    /// Writes the counts, unless they were written within the last second. What goes wrong is kept for the end.
    pub fn keep(&self, report: &WatchReport) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.written.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        last.written = Some(Instant::now());
        if let Err(error) = replace(&self.file, &report.to_prometheus()) {
            last.trouble.get_or_insert(error);
        }
    }

    /// Writes the last counts.
    ///
    /// # Errors
    /// If they cannot be written, or if any before could not.
    pub fn end(&self, report: &WatchReport) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match last.trouble.take() {
            Some(trouble) => Err(trouble),
            None => replace(&self.file, &report.to_prometheus()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn the_counts_are_written_once_a_second_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        let read = || std::fs::read_to_string(&path).unwrap();
        let metrics = MetricsFile::new(path.clone()).unwrap();
        assert_eq!(read(), "");
        let mut report = report();
        metrics.keep(&report);
        let first = report.to_prometheus();
        assert_eq!(read(), first);
        report.pushes.pushed += 1;
        metrics.keep(&report);
        assert_eq!(read(), first, "it was written just now");
        metrics.end(&report).unwrap();
        assert_eq!(read(), report.to_prometheus());
    }

    #[test]
    fn counts_that_could_not_be_written_are_told_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.prom");
        assert!(MetricsFile::new(folder.path().join("none/a.prom")).is_err());
        let metrics = MetricsFile::new(path.clone()).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        metrics.keep(&report());
        std::fs::remove_dir(&path).unwrap();
        assert!(metrics.end(&report()).is_err());
    }
}
