//! `kreg gc`: what no image needs any more is removed from the registry's storage.
//!
//! distribution's own collector must not run beside pushes: what was pushed and not yet named by a
//! manifest would go. So the registry serves read-only meanwhile (pulls go on), and whether it does
//! is asked of every Pod, and so is whether it takes pushes again afterwards. Which way it serves is one
//! field of its Deployment; a run that was killed is ended by the next one, and told by `kreg status`.

mod collect;
mod storage;
mod switch;

use clap::Args;
use kreg_k8s::{Cluster as _, Names, Serving, WorkloadState, rights};
use serde::Serialize;

use crate::app::App;
use crate::args::{ProfileArg, TargetArgs};
use crate::confirm;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::session::{Session, count};

use collect::Collector;
use switch::Switch;

#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Only say what would be removed, and how much room that gives
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    target: TargetArgs,
}

/// What went, or would go.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    dry_run: bool,
    /// Digests of blobs: layers, configurations and manifests.
    blobs: Vec<String>,
    /// How much room they take; `None` where the storage does not tell (S3).
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Seconds in which no push was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only_seconds: Option<f64>,
    /// An earlier run had left the registry read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    taken_up: bool,
}

pub(crate) async fn run(app: &App, args: &GcArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    rights::require(&session.cluster, rights::needed_to_collect(&session.spec))
        .await
        .tried("cannot collect; nothing was changed")?;
    let state = session.existing().await?;
    if session.settings.profile == ProfileArg::Tutorial {
        return Err(Error::usage(
            "the tutorial's registry is a bare Pod that keeps a cache of what it has: it cannot be made \
             read-only and back without being replaced",
        )
        .help("move to the default profile: `kreg down`, then `kreg up --storage claim:NAME` on a claim of your own"));
    }
    let was = left_by_another_run(&session).await?;
    if !matches!(state.workload, WorkloadState::Ready { .. }) && was == Serving::Usual {
        return Err(Error::failed(format!("the registry is {}", state.workload))
            .help("`kreg status` says why; nothing was changed"));
    }
    let switch = Switch::new(&session, &state)?;
    if was == Serving::ReadOnly && args.dry_run {
        app.progress.note(
            "the registry is read-only: an earlier `kreg gc` was cut short, or one runs now; without --dry-run \
             this command ends it",
        );
    }
    let mut outcome = Outcome {
        registry: session.spec.registry_name(),
        dry_run: args.dry_run,
        blobs: Vec::new(),
        bytes: None,
        read_only_seconds: None,
        taken_up: was == Serving::ReadOnly && !args.dry_run,
    };
    let step = app.progress.step("what no image needs");
    let collector = Collector::of(&session).await?;
    let found = collector.look(was).await?;
    outcome.bytes = storage::size(&collector, &session, &found).await?;
    step.done(told(&found, outcome.bytes));
    outcome.blobs = found;
    if args.dry_run || (outcome.blobs.is_empty() && was == Serving::Usual) {
        output::print(app.global.output, "Gc", &outcome, text)?;
        return Ok(Ending::Done);
    }
    confirm(app, &session, &outcome)?;
    let collected = collected(app, &session, &switch, &mut outcome).await;
    // Whatever became of it: never left read-only.
    let step = app.progress.step("registry as usual");
    let back = switch.to(Serving::Usual).await;
    if back.is_ok() {
        step.done("it takes pushes again");
    }
    collected?;
    back?;
    outcome.read_only_seconds = switch.read_only_seconds();
    output::print(app.global.output, "Gc", &outcome, text)?;
    Ok(Ending::Done)
}

/// The part between the two switches. Ctrl-C ends it early, and the registry is put back all the same.
async fn collected(
    app: &App,
    session: &Session,
    switch: &Switch<'_>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let work = async {
        let step = app.progress.step("registry read-only");
        switch.to(Serving::ReadOnly).await?;
        step.done("pulls go on, pushes are refused");
        let step = app.progress.step("collection");
        let collector = Collector::of(session).await?;
        // Pushes may have come since the first look.
        let found = collector.look(Serving::ReadOnly).await?;
        let bytes = storage::size(&collector, session, &found).await?;
        collector.collect().await?;
        let left = collector.look(Serving::ReadOnly).await?;
        if switch.now().await? != Some(Serving::ReadOnly) {
            return Err(Error::failed(
                "somebody changed the registry's Deployment during the collection; images pushed meanwhile may lack \
                 layers",
            )
            .help("push again what was pushed in the last minutes; do not run `kreg up` beside `kreg gc`"));
        }
        if !left.is_empty() {
            return Err(Error::failed(format!(
                "the collector ended, but {} still there that no image needs",
                match left.len() {
                    1 => "one blob is".to_owned(),
                    many => format!("{many} blobs are"),
                }
            ))
            .help("look at the registry's log and storage, then run `kreg gc` again"));
        }
        step.done(told(&found, bytes).replace("to remove", "removed"));
        (outcome.blobs, outcome.bytes) = (found, bytes);
        Ok(())
    };
    tokio::select! {
        done = work => done,
        // Without a signal handler it just goes to its end.
        Ok(()) = tokio::signal::ctrl_c() => Err(Error::failed("interrupted; what was removed was not needed by any image")),
    }
}

/// Whether the Deployment serves read-only before anything was done.
async fn left_by_another_run(session: &Session) -> Result<Serving, Error> {
    let names = Names::of(&session.spec);
    let workload = session
        .cluster
        .get(&names.workload)
        .await
        .tried("cannot read the registry's Deployment")?;
    let serving = workload.as_ref().and_then(Serving::of);
    let config = match &names.config {
        Some(config) => session
            .cluster
            .get(config)
            .await
            .tried("cannot read the registry's configuration")?,
        None => None,
    };
    let has_both = config.is_some_and(|config| {
        let file = config.value().get("data");
        file.is_some_and(|data| data.get(Serving::ReadOnly.key()).is_some())
    });
    match (serving, has_both) {
        (Some(serving), true) => Ok(serving),
        _ => Err(Error::failed(
            "this registry was put up by an older kreg, or its Deployment was changed by hand: it has no \
             configuration to serve read-only with",
        )
        .help("run `kreg up` first")),
    }
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, session: &Session, outcome: &Outcome) -> Result<(), Error> {
    if app.global.yes {
        return Ok(());
    }
    let what = format!(
        "remove {} from registry {} in namespace {}, which takes no pushes meanwhile and starts twice",
        count(outcome.blobs.len(), "blob"),
        session.spec.instance(),
        session.spec.namespace(),
    );
    confirm::ask(
        &what,
        "say --yes, or --dry-run to see what would be removed",
    )
}

fn told(blobs: &[String], bytes: Option<u64>) -> String {
    match (blobs.len(), bytes) {
        (0, _) => "nothing to remove".to_owned(),
        (number, None) => format!("{} to remove", count(number, "blob")),
        (number, Some(bytes)) => format!("{} to remove, {}", count(number, "blob"), human(bytes)),
    }
}

fn text(outcome: &Outcome) -> String {
    let room = outcome
        .bytes
        .map_or(String::new(), |bytes| format!(", {}", human(bytes)));
    let blobs = count(outcome.blobs.len(), "blob");
    match (outcome.blobs.is_empty(), outcome.dry_run) {
        (true, _) => "every blob is needed by an image".to_owned(),
        (false, true) => format!("would remove {blobs}{room}:\n{}", outcome.blobs.join("\n")),
        (false, false) => format!("removed {blobs}{room}"),
    }
}

/// `1.5 GiB`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    let mut amount = bytes as f64;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{amount:.1} {}", UNITS.get(unit).unwrap_or(&"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_told_in_the_unit_that_fits() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(1 << 30), "1.0 GiB");
        assert_eq!(human(u64::MAX), "16777216.0 TiB");
    }
}
