//! What is going on, on stderr: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use kreg::{End, Event, Observer, Stage};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const FAINT: Style = Style::new().dimmed();

/// Shows stages, those of the library and of the program; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    quiet: bool,
    live: bool,
    /// Those under way, the innermost last.
    open: Arc<Mutex<Vec<Open>>>,
}

/// A stage under way.
#[derive(Debug)]
struct Open {
    stage: String,
    bar: Option<ProgressBar>,
    start: Instant,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            live: !quiet && std::io::stderr().is_terminal(),
            open: Arc::default(),
        }
    }

    /// Whether a person looks on: a line may change.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Begins a stage of the program's own.
    pub(crate) fn step(&self, what: impl Into<String>) -> Stage<'_> {
        let on: &dyn Observer = self;
        on.stage(what)
    }

    /// A line of its own, for what a person should know.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        self.line(WARN, "!", text.as_ref(), None);
    }

    fn began(&self, stage: &str) -> Open {
        let bar = self.live.then(|| {
            let bar = ProgressBar::new_spinner()
                .with_style(ProgressStyle::default_spinner())
                .with_message(stage.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Open {
            stage: stage.to_owned(),
            bar,
            start: Instant::now(),
        }
    }

    fn ended(&self, open: &Open, end: End, result: &str) {
        if let Some(bar) = &open.bar {
            bar.finish_and_clear();
        }
        let (style, mark) = match end {
            End::Done => (GOOD, "✓"),
            End::Partly => (WARN, "!"),
            End::Failed => (BAD, "✗"),
            // The error that is returned says more.
            End::CutShort => return,
        };
        let text = if result.is_empty() {
            open.stage.clone()
        } else {
            format!("{}: {result}", open.stage)
        };
        self.line(style, mark, &text, Some(open.start.elapsed()));
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

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = |open: &[Open], name: &str| open.iter().rposition(|one| one.stage == name);
        match event {
            Event::Began { stage } => open.push(self.began(stage)),
            Event::At { stage, what } => {
                if let Some(bar) = place(&open, stage).and_then(|at| open[at].bar.as_ref()) {
                    bar.set_message(format!("{stage}: {what}"));
                }
            }
            Event::Ended { stage, end, result } => {
                if let Some(at) = place(&open, stage) {
                    self.ended(&open.remove(at), *end, result);
                }
            }
            Event::Note(text) => self.note(text),
            Event::Unmarked { directory, receipt } => self.note(format!(
                "{directory} is not marked as this registry's, so `kreg down --delete-data` will leave its images: \
                 {receipt}"
            )),
            _ => {}
        }
    }
}
