//! `kreg down`: nodes first, while the registry still says what they hold, then the objects.

use clap::Args;
use kreg::{Down, Removed};
use kreg_k8s::{Place, Removal};
use serde::Serialize;

use crate::args::TargetArgs;
use crate::confirm;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::session::{Session, count};

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    removed: Removed,
    /// Nodes that were left out: what kreg may have put there is there still.
    #[serde(rename = "notLookedAt", skip_serializing_if = "Vec::is_empty")]
    not_looked_at: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Remove the volume with all images too
    #[arg(long)]
    pub(crate) delete_data: bool,

    /// Leave the nodes as they are (they then keep trusting the CA)
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

pub(crate) async fn run(app: &App, args: &DownArgs) -> Result<Ending, Error> {
    let session = Session::open_to_remove(app, &args.target).await?;
    let registry = &session.registry;
    let down = Down {
        delete_data: args.delete_data,
        timeout: session.settings.timeout,
    };
    let planned = registry.removal(down).await?;
    confirm(app, registry.place(), &planned, args)?;
    let nodes = if args.skip_nodes {
        None
    } else {
        Some(Nodes::new(&session, &[])?)
    };
    let access = nodes.as_ref().map(Nodes::access);
    let removed = registry.down(down, &planned, access, &session.on).await?;
    let all = registry.facts().nodes.iter().map(|node| node.name.clone());
    let shown = Shown {
        not_looked_at: match &nodes {
            Some(nodes) => nodes.skipped().to_vec(),
            None => all.collect(),
        },
        removed,
    };
    output::print(app.global.output, "Down", &shown, text)?;
    let receipts = &shown.removed.nodes;
    // What a person must finish by hand is named with the commands.
    let by_hand = nodes.and_then(|nodes| nodes.hand_work(receipts, registry.place()));
    fleet::judge(receipts, "not put back as it was")
        .map(|()| Ending::Done)
        .map_err(|error| match error.ending() {
            Ending::Failed => error,
            _ => error.help(by_hand.unwrap_or_else(|| {
                "fix these nodes and run the same command again; to remove only the trust, run `kreg nodes untrust`; it works without a registry"
                    .to_owned()
            })),
        })
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, place: &Place, planned: &Removal, args: &DownArgs) -> Result<(), Error> {
    if app.global.yes || planned.delete.is_empty() {
        return Ok(());
    }
    let what = format!(
        "remove {} of registry {} in namespace {}{}",
        count(planned.delete.len(), "object"),
        place.instance(),
        place.namespace(),
        if args.delete_data {
            ", with all images"
        } else {
            "; images stay"
        }
    );
    confirm::ask(&what, "say --yes")
}

fn text(shown: &Shown) -> String {
    let mut lines = shown.removed.objects.to_string();
    if !shown.not_looked_at.is_empty() {
        lines.push_str(&format!(
            "\nnot looked at, as was asked for: {}; `kreg nodes untrust`, which needs no registry and goes by nodes.skip \
             too, takes away what is there",
            shown.not_looked_at.join(", ")
        ));
    }
    if lines.is_empty() {
        return "nothing is left".to_owned();
    }
    lines.trim_start().to_owned()
}
