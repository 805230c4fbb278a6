//! `kreg down`: nodes first, while the registry still says what they hold, then the objects.

use std::io::{IsTerminal as _, Write as _};

use kreg_k8s::down::{self, DownOptions};
use kreg_k8s::{Progress as Event, Removal};
use kreg_nodes::{Receipt, State};
use serde::Serialize;

use crate::app::App;
use crate::args::DownArgs;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::{Session, count};

#[derive(Debug, Serialize)]
struct Outcome {
    nodes: Vec<Receipt>,
    #[serde(flatten)]
    objects: Removal,
}

pub(crate) async fn run(app: &App, args: &DownArgs) -> Result<Ending, Error> {
    let session = Session::open(app, &args.target, true).await?;
    let options = DownOptions {
        delete_data: args.delete_data,
        timeout: session.settings.timeout,
    };
    let planned = down::plan_down(&session.cluster, &session.spec, options)
        .await
        .tried("cannot find out what there is to remove")?;
    confirm(app, &session, &planned, args)?;

    let receipts = if args.skip_nodes {
        Vec::new()
    } else {
        untrust(app, &session)?
    };
    let step = app.progress.step("objects");
    let removal = down::down(
        &session.cluster,
        &session.spec,
        options,
        &|event| match event {
            Event::Waiting(object, state) => step.at(&format!("{object} is {state}")),
            Event::Deleted(object) => step.at(&format!("{object} is gone")),
            _ => {}
        },
    )
    .await
    .tried("cannot remove the registry from the cluster")?;
    step.done(match removal.delete.len() {
        0 => "none were left".to_owned(),
        number => format!("{} removed", number),
    });

    let outcome = Outcome {
        nodes: receipts,
        objects: removal,
    };
    output::print(app.global.output, "Down", &outcome, text)?;
    // What a person must finish by hand is named with the commands.
    fleet::judge(&outcome.nodes, "not put back as it was")
        .map(|()| Ending::Done)
        .map_err(|error| match error.ending() {
            Ending::Failed => error,
            _ => error
                .help("reach these nodes and run `kreg nodes untrust` again; it needs no registry"),
        })
}

fn untrust(app: &App, session: &Session) -> Result<Vec<Receipt>, Error> {
    let nodes = Nodes::new(&session.settings, &session.facts, &[])?;
    let step = app.progress.step("trust on the nodes");
    let receipts = nodes.untrust(&fleet::instance(&session.spec)?);
    let good = receipts.iter().filter(|receipt| receipt.is_ok()).count();
    let restored = receipts
        .iter()
        .filter(|receipt| receipt.state == State::Changed)
        .count();
    let summary = match restored {
        0 if good == receipts.len() => "none was left".to_owned(),
        _ => format!(
            "{restored} put back as they were, of {}",
            count(receipts.len(), "node")
        ),
    };
    if good == receipts.len() {
        step.done(summary);
    } else {
        step.partly(summary);
    }
    Ok(receipts)
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, session: &Session, planned: &Removal, args: &DownArgs) -> Result<(), Error> {
    if app.global.yes || planned.delete.is_empty() {
        return Ok(());
    }
    let what = format!(
        "remove {} of registry {} in namespace {}{}",
        count(planned.delete.len(), "object"),
        session.spec.instance(),
        session.spec.namespace(),
        if args.delete_data {
            ", with all images"
        } else {
            "; images stay"
        }
    );
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage(format!("would {what}, and cannot ask")).help("say --yes"));
    }
    let mut answer = String::new();
    write!(anstream::stderr(), "{what}? [y/N] ")
        .and_then(|()| anstream::stderr().flush())
        .and_then(|()| std::io::stdin().read_line(&mut answer))
        .tried("cannot ask")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::failed("not confirmed; nothing was changed")),
    }
}

fn text(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for kept in &outcome.objects.keep {
        lines.push(format!("stays: {} ({})", kept.object, kept.reason));
    }
    for left in &outcome.objects.files_left {
        lines.push(format!("stays: the files in {left}"));
    }
    if lines.is_empty() {
        lines.push("nothing is left".to_owned());
    }
    lines.join("\n")
}
