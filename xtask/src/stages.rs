//! Stages of a long chore: a head as each begins, its seconds, and a table at the end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::failure::Result;
use crate::progress::say;

/// What has been done, in order.
#[derive(Debug, Default)]
pub(crate) struct Stages(Vec<Stage>);

#[derive(Debug)]
struct Stage {
    name: String,
    took: Duration,
    good: bool,
}

impl Stages {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Runs a stage and remembers how long it took and whether it was good.
    pub(crate) fn stage<T>(&mut self, name: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
        say(format!("==> {name}"));
        let start = Instant::now();
        let result = body();
        self.0.push(Stage {
            name: name.to_owned(),
            took: start.elapsed(),
            good: result.is_ok(),
        });
        result
    }

    /// Runs a stage whose failure must not keep the next ones from running: it is shown now, and
    /// counted by [`Stages::failed`].
    pub(crate) fn try_stage(&mut self, name: &str, body: impl FnOnce() -> Result<()>) -> bool {
        let result = self.stage(name, body);
        if let Err(failure) = &result {
            say(format!("failed: {name}: {failure}"));
        }
        result.is_ok()
    }

    /// Names of the stages that failed.
    pub(crate) fn failed(&self) -> Vec<&str> {
        let failed = self.0.iter().filter(|stage| !stage.good);
        failed.map(|stage| stage.name.as_str()).collect()
    }

    /// One line a stage, and the sum.
    pub(crate) fn table(&self) -> String {
        let width = self.0.iter().map(|stage| stage.name.chars().count()).max();
        let width = width.unwrap_or_default().max("total".len());
        let mut text = String::new();
        for Stage { name, took, good } in &self.0 {
            let mark = if *good { "" } else { "  FAILED" };
            let _ = writeln!(text, "{name:<width$}  {:>7.1} s{mark}", took.as_secs_f64());
        }
        let total: Duration = self.0.iter().map(|stage| stage.took).sum();
        let _ = writeln!(text, "{:<width$}  {:>7.1} s", "total", total.as_secs_f64());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn failed_stages_are_named_and_marked_and_the_next_ones_run() {
        let mut stages = Stages::new();
        assert!(stages.try_stage("one", || Ok(())));
        assert!(!stages.try_stage("two", || Err(Failure::new("do it", "no"))));
        assert_eq!(stages.stage("three", || Ok(3)).unwrap(), 3);
        assert_eq!(stages.failed(), ["two"]);
        let table = stages.table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].starts_with("two") && lines[1].ends_with("FAILED"),
            "{table}"
        );
        assert!(lines[3].starts_with("total"), "{table}");
    }
}
