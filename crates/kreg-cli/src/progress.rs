//! What is going on, on stderr: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// Tells of steps; cheap to pass by reference.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    quiet: bool,
    live: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            live: !quiet && std::io::stderr().is_terminal(),
        }
    }

    /// Whether a person looks on: a line may change.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Begins a step; it ends with one of the methods of [`Step`].
    pub(crate) fn step(&self, what: impl Into<String>) -> Step {
        let what = what.into();
        let bar = self.live.then(|| {
            let bar = ProgressBar::new_spinner()
                .with_style(ProgressStyle::default_spinner())
                .with_message(what.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Step {
            progress: self.clone(),
            what,
            bar,
            start: Instant::now(),
        }
    }

    /// A line of its own, for what a person should know.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        self.line(WARN, "!", text.as_ref(), None);
    }

    fn line(&self, style: Style, mark: &str, text: &str, took: Option<Duration>) {
        if self.quiet {
            return;
        }
        let took = took
            .map(|took| format!(" {FAINT}{:.1} s{FAINT:#}", took.as_secs_f64()))
            .unwrap_or_default();
        // A closed stderr is no reason to stop.
        let _ = writeln!(anstream::stderr(), "{style}{mark}{style:#} {text}{took}");
    }
}

/// A step under way.
#[must_use]
#[derive(Debug)]
pub(crate) struct Step {
    progress: Progress,
    what: String,
    bar: Option<ProgressBar>,
    start: Instant,
}

impl Step {
    /// What it is at; seen on a terminal only.
    pub(crate) fn at(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {what}", self.what));
        }
    }

    pub(crate) fn done(self, result: impl AsRef<str>) {
        self.end(GOOD, "✓", result.as_ref());
    }

    pub(crate) fn partly(self, result: impl AsRef<str>) {
        self.end(WARN, "!", result.as_ref());
    }

    pub(crate) fn failed(self, result: impl AsRef<str>) {
        self.end(BAD, "✗", result.as_ref());
    }

    fn end(mut self, style: Style, mark: &str, result: &str) {
        self.clear();
        let text = if result.is_empty() {
            self.what.clone()
        } else {
            format!("{}: {result}", self.what)
        };
        self.progress
            .line(style, mark, &text, Some(self.start.elapsed()));
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A step that an error cut short still leaves a clean line.
impl Drop for Step {
    fn drop(&mut self) {
        self.clear();
    }
}
