//! `kreg verify --watch`: pulls on every node until it is told to stop.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kreg::Standing;
use kreg::watch::{Trouble, Watching};
use kreg_verify::watch::WatchReport;
use time::OffsetDateTime;

use super::WatchArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::Session;
use crate::signals::shutdown_signal;

/// Between two lines that say how it stands, where there is no terminal.
const LINES: Duration = Duration::from_secs(10);

pub(super) async fn run(
    app: &App,
    session: &Session,
    standing: &Standing,
    nodes: &[String],
    args: &WatchArgs,
) -> Result<Ending, Error> {
    let how = Watching {
        nodes: nodes.to_vec(),
        every: Some(args.every),
        length: args.length,
        timeout: Some(session.settings.timeout),
        metrics: args.metrics.clone(),
    };
    let voice = Voice::new(app);
    let bar = voice.bar.clone();
    let says = move |trouble: Option<Trouble<'_>>, report: &WatchReport| voice.say(trouble, report);
    let watched = session
        .registry
        .watch(standing, how, shutdown_signal(), says);
    let watched = watched.await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = watched?;
    output::whole(app.global.output, &report, WatchReport::to_text)?;
    match report.shortfall() {
        None => Ok(Ending::Done),
        Some(shortfall) => Err(Error::new(Ending::ProofFailed, shortfall).told()),
    }
}

/// Says what happens: one line that changes on a terminal, else a line now and then.
struct Voice {
    quiet: bool,
    bar: Option<ProgressBar>,
    /// When it last said how it stands.
    last: Mutex<Instant>,
}

impl Voice {
    fn new(app: &App) -> Self {
        let bar = app.progress.is_live().then(|| {
            let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            bar.set_message("waiting for the first pulls");
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            quiet: app.global.quiet,
            bar,
            last: Mutex::new(Instant::now()),
        }
    }

    fn say(&self, trouble: Option<Trouble<'_>>, report: &WatchReport) {
        if let Some(trouble) = trouble {
            let mark = if trouble.failed { '✗' } else { '!' };
            self.line(mark, trouble);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &self.bar {
            bar.set_message(report.to_string());
        } else if last.elapsed() >= LINES {
            *last = Instant::now();
            self.line('·', report);
        }
    }

    /// With a mark and the time of day.
    fn line(&self, mark: char, what: impl std::fmt::Display) {
        use std::io::Write as _;
        let now = OffsetDateTime::now_utc().time();
        let (hour, minute, second) = (now.hour(), now.minute(), now.second());
        let text = format!("{mark} {hour:02}:{minute:02}:{second:02}Z {what}");
        match (&self.bar, self.quiet) {
            (_, true) => {}
            (Some(bar), _) => bar.println(text),
            (None, _) => {
                let _ = writeln!(anstream::stderr(), "{text}");
            }
        }
    }
}
