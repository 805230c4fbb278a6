//! `kreg gc`: what no image needs any more is removed from the registry's storage.

use clap::Args;

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

pub(crate) async fn run(app: &App, args: &GcArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let step = app.progress.step("what no image needs");
    let collection = session
        .registry
        .collection(session.settings.timeout)
        .await?;
    let found = &collection.found;
    let is_empty = found.digests.is_empty();
    step.done(if is_empty {
        "nothing to remove".to_owned()
    } else {
        format!("{found} to remove")
    });
    let is_read_only = collection.was_left_read_only();
    if is_read_only && args.dry_run {
        app.progress.note(
            "the registry is read-only: an earlier `kreg gc` was cut short, or one runs now; without --dry-run \
             this command ends it",
        );
    }
    if args.dry_run || (is_empty && !is_read_only) {
        let mut outlook = collection.outlook();
        outlook.dry_run = args.dry_run;
        output::print(app.global.output, "Gc", &outlook, ToString::to_string)?;
        return Ok(Ending::Done);
    }
    confirm(app, &session, found.digests.len())?;
    app.progress.note(format!(
        "pushes are refused from now on, for two restarts of the registry and three passes over its storage; the pass \
         just made took {:.1} s",
        collection.pass.as_secs_f64()
    ));
    let collected = collection.collect(shutdown_signal, &session.on).await;
    if collected.refused_for.is_none()
        && let Some(error) = collected.failed
    {
        return Err(error.into());
    }
    output::print(app.global.output, "Gc", &collected, ToString::to_string)?;
    match collected.failed {
        Some(error) => Err(Error::from(error).told()),
        None => Ok(Ending::Done),
    }
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, session: &Session, blobs: usize) -> Result<(), Error> {
    if app.global.yes {
        return Ok(());
    }
    let what = format!(
        "remove {} from registry {} in namespace {}, which takes no pushes meanwhile and restarts twice",
        count(blobs, "blob"),
        session.registry.place().instance(),
        session.registry.place().namespace(),
    );
    confirm::ask(
        &what,
        "say --yes, or --dry-run to see what would be removed",
    )
}
