//! `kreg gc`: what no image needs any more is removed from the registry's storage.

use std::time::Duration;

use clap::Args;
use kreg::{Blobs, Collected};
use serde::Serialize;

use crate::args::TargetArgs;
use crate::confirm;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::output;
use crate::session::{Session, count};
use crate::signals::shutdown_signal;

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
    let step = app.progress.step("what no image needs");
    let collection = session
        .registry
        .collection(session.settings.timeout)
        .await?;
    step.done(told(&collection.found));
    let taken_up = collection.was_left_read_only();
    if taken_up && args.dry_run {
        app.progress.note(
            "the registry is read-only: an earlier `kreg gc` was cut short, or one runs now; without --dry-run \
             this command ends it",
        );
    }
    let mut outcome = Outcome {
        registry: session.registry.place().registry_name(),
        dry_run: args.dry_run,
        blobs: collection.found.digests.clone(),
        bytes: collection.found.bytes,
        read_only_seconds: None,
        taken_up: taken_up && !args.dry_run,
        failed: None,
    };
    if args.dry_run || (outcome.blobs.is_empty() && !taken_up) {
        output::print(app.global.output, "Gc", &outcome, text)?;
        return Ok(Ending::Done);
    }
    confirm(app, &session, &outcome)?;
    app.progress.note(format!(
        "pushes are refused from now on, for two restarts of the registry and three passes over its storage; the pass \
         just made took {}",
        seconds(collection.pass)
    ));
    let (collected, back) = match collection.collect(shutdown_signal, &session.on).await {
        Ok(collected) => (collected, Ok(())),
        Err((collected, error)) => (collected, Err(error)),
    };
    let Collected {
        removed,
        refused_for,
        failed,
        ..
    } = collected;
    let ended = back.and(failed.map_or(Ok(()), Err)).map_err(Error::from);
    outcome.blobs = removed.digests;
    outcome.bytes = removed.bytes;
    outcome.read_only_seconds = Some(refused_for.as_secs_f64());
    outcome.failed = ended.as_ref().err().map(ToString::to_string);
    output::print(app.global.output, "Gc", &outcome, text)?;
    ended.map_err(Error::told).map(|()| Ending::Done)
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, session: &Session, outcome: &Outcome) -> Result<(), Error> {
    if app.global.yes {
        return Ok(());
    }
    let what = format!(
        "remove {} from registry {} in namespace {}, which takes no pushes meanwhile and restarts twice",
        count(outcome.blobs.len(), "blob"),
        session.registry.place().instance(),
        session.registry.place().namespace(),
    );
    confirm::ask(
        &what,
        "say --yes, or --dry-run to see what would be removed",
    )
}

fn told(blobs: &Blobs) -> String {
    match (blobs.digests.len(), blobs.bytes) {
        (0, _) => "nothing to remove".to_owned(),
        (number, None) => format!("{} to remove", count(number, "blob")),
        (number, Some(bytes)) => format!("{} to remove, {}", count(number, "blob"), human(bytes)),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
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
