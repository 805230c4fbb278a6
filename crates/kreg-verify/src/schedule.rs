//! Runs each check as soon as what it builds on has passed.

use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::check::{Check, Context, Outcome, Status};
use crate::report::CheckReport;

pub(crate) type Observer = Box<dyn Fn(&CheckReport) + Send + Sync>;

/// Runs each check once everything it builds on has ended; fills `slots` as results come.
pub(crate) async fn run_all(
    checks: &[Box<dyn Check>],
    context: &Context,
    slots: &mut [Option<CheckReport>],
    observer: &Observer,
) {
    let mut started = vec![false; checks.len()];
    let mut running = FuturesUnordered::new();
    loop {
        for (index, check) in checks.iter().enumerate() {
            if started[index] {
                continue;
            }
            match readiness(check.as_ref(), checks, slots) {
                Readiness::Wait => continue,
                Readiness::Go => running.push(timed(index, check.as_ref(), context, None)),
                Readiness::Skip(why) => {
                    running.push(timed(index, check.as_ref(), context, Some(why)))
                }
            }
            started[index] = true;
        }
        match running.next().await {
            Some((index, report)) => {
                observer(&report);
                slots[index] = Some(report);
            }
            None => break,
        }
    }
    // What waits now waits for itself, in a circle; say so instead of leaving it out.
    for (check, slot) in checks.iter().zip(slots).filter(|(_, slot)| slot.is_none()) {
        let outcome = Outcome::fail("it builds on checks that build on it; correct their `after`");
        *slot = Some(result(check.as_ref(), outcome, 0.0));
    }
}

enum Readiness {
    Wait,
    Go,
    Skip(String),
}

fn readiness(
    check: &dyn Check,
    checks: &[Box<dyn Check>],
    slots: &[Option<CheckReport>],
) -> Readiness {
    for needed in check.after() {
        let mut found = false;
        for (other, slot) in checks.iter().zip(slots) {
            if other.name() != *needed {
                continue;
            }
            found = true;
            match slot.as_ref().map(|report| report.status) {
                None => return Readiness::Wait,
                Some(Status::Pass) => {}
                Some(Status::Fail) => {
                    return Readiness::Skip(format!("builds on `{needed}`, which failed"));
                }
                Some(Status::Skipped) => {
                    return Readiness::Skip(format!("builds on `{needed}`, which was skipped"));
                }
            }
        }
        if !found {
            return Readiness::Skip(format!("builds on `{needed}`, which was left out"));
        }
    }
    Readiness::Go
}

async fn timed(
    index: usize,
    check: &dyn Check,
    context: &Context,
    skip: Option<String>,
) -> (usize, CheckReport) {
    let begun = Instant::now();
    let outcome = match skip {
        Some(why) => Outcome::skipped(why),
        None => check.run(context).await,
    };
    (index, result(check, outcome, begun.elapsed().as_secs_f64()))
}

pub(crate) fn result(check: &dyn Check, outcome: Outcome, seconds: f64) -> CheckReport {
    CheckReport::new(check.name(), check.title(), check.node(), outcome, seconds)
}

/// Whether a push may have left something: it passed, or it was cut off or failed on the way.
pub(crate) fn touched(push: &CheckReport, stopped: bool) -> bool {
    push.status != Status::Skipped || stopped
}
