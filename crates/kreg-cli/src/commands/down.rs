//! `kreg down`: nodes first, while the registry still says what they hold, then the objects. Images in
//! directories of nodes are erased between the registry's end and the volume's, so that a run that was
//! cut short, or could not erase them, leaves the note of where they are.

mod erase;

use kreg_k8s::down::{self, DownOptions};
use kreg_k8s::{Progress as Event, Removal};
use kreg_nodes::{Receipt, State};
use serde::Serialize;

use crate::app::App;
use crate::args::DownArgs;
use crate::config::Backend;
use crate::confirm;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::output;
use crate::progress::Step;
use crate::session::{Session, count};

#[derive(Debug, Serialize)]
struct Outcome {
    nodes: Vec<Receipt>,
    /// Nodes that were left out: what kreg may have put there is there still.
    #[serde(rename = "notLookedAt", skip_serializing_if = "Vec::is_empty")]
    not_looked_at: Vec<String>,
    #[serde(flatten)]
    objects: Removal,
}

pub(crate) async fn run(app: &App, args: &DownArgs) -> Result<Ending, Error> {
    let session = Session::open_to_remove(app, &args.target).await?;
    let options = DownOptions {
        delete_data: args.delete_data,
        keep_record: false,
        timeout: session.settings.timeout,
    };
    let planned = down::plan_down(&session.cluster, &session.place, options)
        .await
        .tried("cannot find out what there is to remove")?;
    confirm(app, &session, &planned, args)?;

    let nodes = match args.skip_nodes {
        true => None,
        false => Some(Nodes::new(&session, &session.facts, &[])?),
    };
    let mut receipts = match &nodes {
        Some(nodes) => untrust(app, &session, nodes)?,
        None => Vec::new(),
    };
    let mut objects = Objects::new(app, &session);
    // The record says that the agents are the registry's: it goes after them.
    let options = DownOptions {
        keep_record: has_agents(&session),
        ..options
    };
    if planned.files_left.is_empty() {
        objects.remove(options).await?;
    } else {
        // The volume is the only note of where the images are: it goes when they are gone.
        let first = DownOptions {
            delete_data: false,
            ..options
        };
        objects.remove(first).await?;
        let directories = &planned.files_left;
        let left = erase::images(app, &session, nodes.as_ref(), directories, &mut receipts)?;
        if left.is_empty() {
            objects.remove(options).await?;
        } else {
            erase::keep_volumes(&mut objects.removal, &planned);
        }
        objects.removal.files_left = left;
    }
    if agents(app, &session, &receipts).await? {
        let left = std::mem::take(&mut objects.removal.files_left);
        objects
            .remove(DownOptions {
                delete_data: options.delete_data && left.is_empty(),
                keep_record: false,
                ..options
            })
            .await?;
        objects.removal.files_left = left;
    }
    let objects = objects.done();
    let not_looked_at = match &nodes {
        Some(nodes) => nodes.skipped().to_vec(),
        None => session
            .facts
            .nodes
            .iter()
            .map(|node| node.name.clone())
            .collect(),
    };
    let outcome = Outcome {
        nodes: receipts,
        not_looked_at,
        objects,
    };
    output::print(app.global.output, "Down", &outcome, text)?;
    // What a person must finish by hand is named with the commands.
    let instance = fleet::instance(&session.place)?;
    let by_hand = nodes.and_then(|nodes| nodes.by_hand(&outcome.nodes, &instance));
    fleet::judge(&outcome.nodes, "not put back as it was")
        .map(|()| Ending::Done)
        .map_err(|error| match error.ending() {
            Ending::Failed => error,
            _ => error.help(by_hand.unwrap_or_else(|| {
                "fix these nodes and run the same command again; to remove only the trust, run `kreg nodes untrust`; it works without a registry"
                    .to_owned()
            })),
        })
}

fn has_agents(session: &Session) -> bool {
    session.settings.nodes.backend == Backend::DaemonSet || session.agents.are_there()
}

/// Agents stay where a node is not done: they are the way to it. Returns whether they were there and are gone.
async fn agents(app: &App, session: &Session, receipts: &[Receipt]) -> Result<bool, Error> {
    if !has_agents(session) {
        return Ok(false);
    }
    let step = app.progress.step("agents on the nodes");
    if !receipts.iter().all(Receipt::is_ok) {
        step.partly("stay for another try");
        return Ok(false);
    }
    let instance = fleet::instance(&session.place)?;
    crate::agents::remove(&session.cluster, &instance, session.settings.timeout).await?;
    step.done("gone");
    Ok(true)
}

/// The objects, taken away in one go or more.
struct Objects<'a> {
    session: &'a Session,
    step: Step<'a>,
    removal: Removal,
}

impl<'a> Objects<'a> {
    fn new(app: &'a App, session: &'a Session) -> Self {
        Self {
            session,
            step: app.progress.step("objects"),
            removal: Removal::default(),
        }
    }

    async fn remove(&mut self, options: DownOptions) -> Result<(), Error> {
        let step = &self.step;
        let removal = down::down(
            &self.session.cluster,
            &self.session.place,
            options,
            &|event| match event {
                Event::Waiting(object, state) => step.at(&format!("{object} is {state}")),
                Event::Deleted(object) => step.at(&format!("{object} is gone")),
                _ => {}
            },
        )
        .await
        .tried("cannot remove the registry from the cluster")?;
        self.removal.delete.extend(removal.delete);
        self.removal.keep = removal.keep;
        self.removal.files_left = removal.files_left;
        // The second time round nothing tells of it any more.
        self.removal.bucket_left = self.removal.bucket_left.take().or(removal.bucket_left);
        Ok(())
    }

    fn done(mut self) -> Removal {
        for kept in self
            .removal
            .keep
            .iter_mut()
            .filter(|kept| kept.holds_images)
        {
            kept.reason += "; --delete-data removes it";
        }
        self.step.done(match self.removal.delete.len() {
            0 => "none were left".to_owned(),
            number => format!("{number} removed"),
        });
        self.removal
    }
}

fn untrust(app: &App, session: &Session, nodes: &Nodes) -> Result<Vec<Receipt>, Error> {
    let step = app.progress.step("trust on the nodes");
    let receipts = nodes.untrust(&fleet::instance(&session.place)?);
    let good = receipts.iter().filter(|receipt| receipt.is_ok()).count();
    let restored = changed(&receipts);
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

fn changed(receipts: &[Receipt]) -> usize {
    receipts
        .iter()
        .filter(|receipt| receipt.state == State::Changed)
        .count()
}

/// Asks on a terminal; elsewhere `--yes` must say it.
fn confirm(app: &App, session: &Session, planned: &Removal, args: &DownArgs) -> Result<(), Error> {
    if app.global.yes || planned.delete.is_empty() {
        return Ok(());
    }
    let what = format!(
        "remove {} of registry {} in namespace {}{}",
        count(planned.delete.len(), "object"),
        session.place.instance(),
        session.place.namespace(),
        if args.delete_data {
            ", with all images"
        } else {
            "; images stay"
        }
    );
    confirm::ask(&what, "say --yes")
}

fn text(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for kept in &outcome.objects.keep {
        lines.push(format!("stays: {} ({})", kept.object, kept.reason));
    }
    for left in &outcome.objects.files_left {
        lines.push(format!("stays: the files in {left}"));
    }
    if let Some(bucket) = &outcome.objects.bucket_left {
        lines.push(format!("stays: the images in {bucket}"));
    }
    if !outcome.not_looked_at.is_empty() {
        lines.push(format!(
            "not looked at, as was asked for: {}; `kreg nodes untrust`, which needs no registry and goes by nodes.skip \
             too, takes away what is there",
            outcome.not_looked_at.join(", ")
        ));
    }
    if lines.is_empty() {
        lines.push("nothing is left".to_owned());
    }
    lines.join("\n")
}
