//! `kreg gc`: what no image needs any more is removed from the registry's storage.
//!
//! distribution's own collector must not run beside pushes: it would remove what was pushed and is not yet named by a
//! manifest. So the collector runs in a turn of its own ([`Turn`](kreg_k8s::Turn)): it begins when every process that
//! can write is proved to have ended, and pushes are taken again when the collector is proved to have ended. A run that
//! was killed leaves the registry read-only; `kreg status` says so, and the next `kreg gc` or `kreg up` puts it back.

mod collect;
mod storage;
mod switch;

use std::time::{Duration, Instant};

use clap::Args;
use kreg_k8s::{Cluster as _, Names, Profile, Serving, WorkloadState, rights};
use serde::Serialize;

use crate::app::App;
use crate::args::TargetArgs;
use crate::commands::verify::told_to_end;
use crate::confirm;
use crate::error::{Ending, Error, Tried as _};
use crate::output;
use crate::session::{Session, count};

use collect::Collector;
use switch::{Back, Switch};

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
    /// Digests of blobs: layers, configurations and manifests. Of a run that failed some of them may be left.
    blobs: Vec<String>,
    /// How much room they take; `None` where the storage does not tell (S3).
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Seconds in which this run had pushes refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only_seconds: Option<f64>,
    /// An earlier run had left the registry read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    taken_up: bool,
    /// Why the collection failed or was ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

pub(crate) async fn run(app: &App, args: &GcArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    rights::require(&session.cluster, rights::needed_to_collect(&session.place))
        .await
        .tried("cannot collect; nothing was changed")?;
    let state = session.existing().await?;
    if session.place.profile() == Profile::Tutorial {
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
    let mut switch = Switch::new(&session, &state, was)?;
    if was == Serving::ReadOnly && args.dry_run {
        app.progress.note(
            "the registry is read-only: an earlier `kreg gc` was cut short, or one runs now; without --dry-run \
             this command ends it",
        );
    }
    let mut outcome = Outcome {
        registry: session.place.registry_name(),
        dry_run: args.dry_run,
        blobs: Vec::new(),
        bytes: None,
        read_only_seconds: None,
        taken_up: was == Serving::ReadOnly && !args.dry_run,
        failed: None,
    };
    let step = app.progress.step("what no image needs");
    let begun = Instant::now();
    let collector = Collector::of(&session, None).await?;
    let found = collector.look(was).await?;
    let pass = begun.elapsed();
    outcome.bytes = storage::size(&collector, &session, &found).await?;
    step.done(told(&found, outcome.bytes));
    outcome.blobs = found;
    if args.dry_run || (outcome.blobs.is_empty() && was == Serving::Usual) {
        output::print(app.global.output, "Gc", &outcome, text)?;
        return Ok(Ending::Done);
    }
    confirm(app, &session, &outcome)?;
    app.progress.note(format!(
        "pushes are refused from now on, for two restarts of the registry and three passes over its storage; the pass \
         just made took {}",
        seconds(pass)
    ));
    // No signal ends kreg by itself from here on.
    let signalled = told_to_end();
    switch.begin().await?;
    let collected = tokio::select! {
        done = collect(app, &session, &mut switch, &mut outcome) => done,
        () = signalled => Err(Error::failed("interrupted")
            .help("what was removed was not needed by any image; run `kreg gc` again")),
    };
    let back = give_back(app, &mut switch).await;
    outcome.read_only_seconds = switch.refused_for().map(|time| time.as_secs_f64());
    if let (Err(error), Err(_)) = (&collected, &back) {
        app.progress.note(error.to_string());
    }
    let ended = back.and(collected);
    outcome.failed = ended.as_ref().err().map(ToString::to_string);
    output::print(app.global.output, "Gc", &outcome, text)?;
    ended.map_err(Error::told).map(|()| Ending::Done)
}

/// The part between the two switches.
async fn collect(
    app: &App,
    session: &Session,
    switch: &mut Switch<'_>,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let step = app.progress.step("registry read-only");
    switch.read_only(&step).await?;
    step.done("pulls go on, pushes are refused");
    let step = app.progress.step("collection");
    let collector = Collector::of(session, switch.turn()).await?;
    // Pushes may have come since the first look.
    let found = collector.look(Serving::ReadOnly).await?;
    let bytes = storage::size(&collector, session, &found).await?;
    (outcome.blobs, outcome.bytes) = (found, bytes);
    collector.collect(switch).await?;
    let left = collector.look(Serving::ReadOnly).await?;
    if !switch.is_on().await? {
        return Err(Error::failed(
            "somebody changed the registry's Deployment during the collection; if it was not kreg, images pushed \
             meanwhile may lack layers",
        )
        .help("push again what was pushed in the last minutes"));
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
    step.done(told(&outcome.blobs, outcome.bytes).replace("to remove", "removed"));
    Ok(())
}

/// Pushes again, whatever became of the collection. A second signal leaves the registry read-only, which is safe.
async fn give_back(app: &App, switch: &mut Switch<'_>) -> Result<(), Error> {
    let step = app.progress.step("registry as usual");
    if switch.may_be_collecting() {
        app.progress.note(
            "the collector may still run: pushes are refused until it is proved to have ended; a second Ctrl-C leaves \
             the registry read-only",
        );
    }
    let back = tokio::select! {
        back = switch.back(&step) => back,
        () = told_to_end() => Err(Error::failed("interrupted again; the registry stays read-only")
            .help("run `kreg gc` or `kreg up`: both allow pushes again when it is safe")),
    };
    let refused = switch.refused_for().map_or(String::new(), seconds);
    match back {
        Ok(Back::Here) => step.done(format!(
            "it takes pushes again; they were refused for {refused}"
        )),
        Ok(Back::Elsewhere) => step.partly(
            "another run of kreg took the registry over and ended this collection; it will enable pushes again",
        ),
        Err(error) => {
            step.failed(format!("pushes have been refused for {refused} by now"));
            return Err(error);
        }
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Whether the Deployment serves read-only before anything was done.
async fn left_by_another_run(session: &Session) -> Result<Serving, Error> {
    let names = Names::of(&session.place);
    let serving = switch::serving(session).await?;
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
        "remove {} from registry {} in namespace {}, which takes no pushes meanwhile and restarts twice",
        count(outcome.blobs.len(), "blob"),
        session.place.instance(),
        session.place.namespace(),
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
    let refused = outcome.read_only_seconds.map_or(String::new(), |time| {
        format!("; pushes were refused for {time:.1} s")
    });
    match (outcome.blobs.is_empty(), outcome.dry_run, &outcome.failed) {
        (_, _, Some(_)) => format!("not complete: of {blobs}{room}, some may be left{refused}"),
        (true, _, _) => format!("every blob is needed by an image{refused}"),
        (false, true, _) => format!("would remove {blobs}{room}:\n{}", outcome.blobs.join("\n")),
        (false, false, _) => format!("removed {blobs}{room}{refused}"),
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
    fn the_result_says_for_how_long_pushes_were_refused_also_where_it_failed() {
        let of = |failed: Option<&str>| {
            let outcome = Outcome {
                registry: "r:5000".to_owned(),
                dry_run: false,
                blobs: vec!["sha256:aa".to_owned()],
                bytes: Some(1536),
                read_only_seconds: Some(21.26),
                taken_up: false,
                failed: failed.map(str::to_owned),
            };
            let document = serde_json::to_value(&outcome).unwrap();
            assert_eq!(document["readOnlySeconds"], 21.26);
            assert_eq!(document["failed"].as_str(), failed);
            text(&outcome)
        };
        let refused = "; pushes were refused for 21.3 s";
        assert_eq!(of(None), format!("removed 1 blob, 1.5 KiB{refused}"));
        let failed = of(Some("interrupted"));
        assert!(
            failed.starts_with("not complete") && failed.ends_with(refused),
            "{failed}"
        );
    }

    #[test]
    fn amounts_are_told_in_the_unit_that_fits() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(1 << 30), "1.0 GiB");
        assert_eq!(human(u64::MAX), "16777216.0 TiB");
    }
}
