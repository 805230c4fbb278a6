//! `kreg verify --watch`: pulls on every node until it is told to stop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};
use kreg::{Scope, Standing};
use kreg_k8s::RegistryState;
use kreg_verify::Verdict;
use kreg_verify::watch::{Event, NodeTally, Pull, Watch, WatchReport};
use time::OffsetDateTime;

use super::WatchArgs;
use super::report::replace;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::{Session, count};
use crate::signals::shutdown_signal;

/// Between two lines that say how it stands, where there is no terminal.
const LINES: Duration = Duration::from_secs(10);
/// Between two writes of the metrics.
const METRICS: Duration = Duration::from_secs(1);

pub(super) async fn run(
    app: &App,
    session: &Session,
    standing: &Standing,
    nodes: &[String],
    args: &WatchArgs,
) -> Result<Ending, Error> {
    if let Some(file) = &args.metrics {
        replace(file, b"")?; // a folder that is not there ends it now, not at the end
    }
    let registry = &session.registry;
    let target = registry.target(standing)?;
    let pulls = registry.pulls(&Scope {
        nodes: nodes.to_vec(),
        timeout: Some(session.settings.timeout),
        ..Scope::default()
    })?;
    let voice = Arc::new(Voice::new(app, args));
    let teller = Arc::clone(&voice);
    let place = session.registry.place();
    let streams = session.registry.streams()?.clone();
    let report = Watch::of_cluster(target, streams, pulls, place.namespace(), place.service())
        .every(args.every)
        .bundle(bundle(session))
        .observe(move |event, report| teller.hear(event, report))
        .run_until(ended(args.length))
        .await
        .map_err(kreg::Error::Proof)?;
    voice.end(&report)?;
    output::whole(app.global.output, &report, table)?;
    judge(&report)
}

/// The CA bundle as the cluster holds it then: a rotation goes on while this watches.
fn bundle(session: &Session) -> impl Fn() -> BoxFuture<'static, Option<String>> + use<> {
    let (cluster, place) = (
        session.registry.cluster().clone(),
        session.registry.place().clone(),
    );
    move || {
        let (cluster, place) = (cluster.clone(), place.clone());
        Box::pin(async move {
            let state = RegistryState::read(cluster.as_ref(), &place).await.ok()?;
            state.ca_bundle_pem
        })
    }
}

/// The end of the time, Ctrl-C, or what a service manager ends a program with.
async fn ended(length: Option<Duration>) {
    match length {
        Some(length) => {
            let _ = tokio::time::timeout(length, shutdown_signal()).await;
        }
        None => shutdown_signal().await,
    }
}

fn judge(report: &WatchReport) -> Result<Ending, Error> {
    let (passed, failed, _) = report.counts();
    let silent = report.nodes.iter().filter(|node| node.passed == 0).count();
    let message = match (report.verdict, passed, failed) {
        (Verdict::Pass, ..) => return Ok(Ending::Done),
        (_, 0, 0) => "not a single pull came to its end, so nothing is shown".to_owned(),
        (_, _, 0) => format!(
            "on {silent} of {} not a single pull passed, so nothing is shown of them",
            count(report.nodes.len(), "node")
        ),
        (_, passed, failed) => format!("{failed} of {} pulls failed", passed + failed),
    };
    let lines: Vec<_> = report
        .nodes
        .iter()
        .filter(|node| node.failed > 0 || node.passed == 0)
        .map(|node| {
            let words = node.last_words.as_deref().unwrap_or("no pull");
            format!("- {}: {}; last: {words}", node.node, causes(&node.causes))
        })
        .collect();
    Err(Error::new(
        Ending::ProofFailed,
        format!("{message}:\n{}", lines.join("\n")),
    )
    .told())
}

fn table(report: &WatchReport) -> String {
    let row = |node: &NodeTally| {
        let mean = match node.passed {
            0 => String::new(),
            passed => format!("{:.1} s", node.total_seconds / passed as f64),
        };
        [
            node.node.clone(),
            node.passed.to_string(),
            node.failed.to_string(),
            node.undecided.to_string(),
            node.late.to_string(),
            mean,
            format!("{:.1} s", node.slowest_seconds),
            causes(&node.causes),
        ]
    };
    let heads = [
        "NODE",
        "PASSED",
        "FAILED",
        "UNDECIDED",
        "LATE",
        "MEAN",
        "SLOWEST",
        "CAUSES",
    ];
    let mut text = output::table(heads, report.nodes.iter().map(row));
    let pushes = &report.pushes;
    text.push_str(&format!(
        "\n\n{} images pushed, {} could not be ({:.0} s, one every {:.1} s)",
        pushes.pushed, pushes.failed, report.seconds, report.every
    ));
    if pushes.failed > 0 {
        text.push_str(&format!(": {}", causes(&pushes.causes)));
    }
    if !report.left.is_empty() {
        text.push_str(&format!("\nnot removed: {}", report.left.join(", ")));
    }
    text
}

/// `unreachable 3, pod 1`.
fn causes(causes: &BTreeMap<String, u64>) -> String {
    let words: Vec<_> = causes
        .iter()
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    words.join(", ")
}

/// Says what happens: one line that changes on a terminal, else a line now and then.
struct Voice {
    quiet: bool,
    bar: Option<ProgressBar>,
    metrics: Option<std::path::PathBuf>,
    last: Mutex<Last>,
}

struct Last {
    line: Instant,
    metrics: Option<Instant>,
    /// By node, or what else was told of.
    causes: BTreeMap<String, String>,
    /// The first thing that kept the metrics from being written; told at the end.
    trouble: Option<Error>,
}

impl Voice {
    fn new(app: &App, args: &WatchArgs) -> Self {
        let live = app.progress.is_live();
        let bar = live.then(|| {
            let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
            bar.set_message("waiting for the first pulls");
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            quiet: app.global.quiet,
            bar,
            metrics: args.metrics.clone(),
            last: Mutex::new(Last {
                line: Instant::now(),
                metrics: None,
                causes: BTreeMap::new(),
                trouble: None,
            }),
        }
    }

    fn hear(&self, event: &Event<'_>, report: &WatchReport) {
        let now = clock();
        match event {
            Event::Pull(node, Pull::Passed(_)) => self.forget(node),
            Event::Pushed => self.forget("no fresh image"),
            Event::Pull(node, Pull::Failed(cause, words)) => {
                self.line(&format!("✗ {now} {}", self.told(node, cause, words)));
            }
            Event::Pull(node, Pull::Undecided(cause, words)) => {
                self.line(&format!("! {now} {}", self.told(node, cause, words)));
            }
            Event::NotPushed(cause, words) => {
                self.line(&format!(
                    "! {now} {}",
                    self.told("no fresh image", cause, words)
                ));
            }
            _ => {}
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &self.bar {
            bar.set_message(standing(report));
        } else if last.line.elapsed() >= LINES {
            last.line = Instant::now();
            self.line(&format!("· {now} {}", standing(report)));
        }
        let due = last.metrics.is_none_or(|at| at.elapsed() >= METRICS);
        if let (Some(file), true) = (&self.metrics, due) {
            last.metrics = Some(Instant::now());
            if let Err(error) = replace(file, report.to_prometheus().as_bytes()) {
                last.trouble.get_or_insert(error);
            }
        }
    }

    fn forget(&self, who: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.causes.remove(who);
    }

    /// A cause that repeats itself is not explained again: who looks on sees what changes.
    fn told(&self, who: &str, cause: &str, words: &str) -> String {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.causes.insert(who.to_owned(), cause.to_owned());
        match before.is_some_and(|before| before == cause) {
            true => format!("{who}: {cause} again"),
            false => format!("{who}: {cause}: {words}"),
        }
    }

    fn end(&self, report: &WatchReport) -> Result<(), Error> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = last.trouble.take() {
            return Err(trouble);
        }
        match &self.metrics {
            Some(file) => replace(file, report.to_prometheus().as_bytes()),
            None => Ok(()),
        }
    }

    fn line(&self, text: &str) {
        use std::io::Write as _;
        match (&self.bar, self.quiet) {
            (_, true) => {}
            (Some(bar), _) => bar.println(text),
            (None, _) => {
                let _ = writeln!(anstream::stderr(), "{text}");
            }
        }
    }
}

/// `31 s: 42 pulls, 0 failed · control-plane 14/0 · worker 14/0`
fn standing(report: &WatchReport) -> String {
    let (passed, failed, undecided) = report.counts();
    let mut text = format!(
        "{:.0} s: {} pulls, {failed} failed",
        report.seconds,
        passed + failed
    );
    if undecided > 0 {
        text.push_str(&format!(", {undecided} undecided"));
    }
    for node in &report.nodes {
        text.push_str(&format!(" · {} {}", node.node, node.passed));
        if node.failed > 0 {
            text.push_str(&format!(" ({} failed)", node.failed));
        }
    }
    text
}

fn clock() -> String {
    let now = OffsetDateTime::now_utc().time();
    format!("{:02}:{:02}:{:02}Z", now.hour(), now.minute(), now.second())
}
