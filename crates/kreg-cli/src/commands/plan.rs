//! `kreg plan`: what `up` would change, objects and node files; touches nothing.

use clap::Args;
use kreg::nodes::bullet_list;
use kreg_k8s::{Action, Change, FieldDiff};
use kreg_nodes::{NodePlan, Receipt};
use serde::Serialize;

use crate::args::SpecArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::Nodes;
use crate::intent;
use crate::output;
use crate::session::{Session, count};

#[derive(Debug, Serialize)]
struct Outcome {
    changes: bool,
    objects: Vec<Change>,
    nodes: Vec<NodeOutcome>,
    made: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum NodeOutcome {
    Plan { node: String, plan: NodePlan },
    Refused(Receipt),
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// End with 5 if something would change
    #[arg(long)]
    pub(crate) exit_code: bool,

    /// Leave the nodes out
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    #[command(flatten)]
    pub(crate) spec: SpecArgs,
}

pub(crate) async fn run(app: &App, args: &PlanArgs) -> Result<Ending, Error> {
    let intent = intent::read(app, &args.spec)?;
    let mut session = Session::open(app, &args.spec.target, false).await?;
    let intent = intent::of_session(intent, &mut session);
    let nodes = if args.skip_nodes {
        None
    } else {
        Some(Nodes::of(&session, intent.spec.image(), &[])?)
    };
    let access = nodes.as_ref().map(Nodes::access);
    let plan = session.registry.plan(&intent, access, &session.on).await?;
    let refused: Vec<Receipt> = plan.refused().cloned().collect();
    let changes = plan.has_changes();
    let mut made: Vec<String> = plan.made.iter().map(ToString::to_string).collect();
    if plan.prepares_nodes {
        made.push("agents on the nodes; what they then change there is not shown".to_owned());
    }
    let nodes = plan.nodes.into_iter().map(|(node, plan)| match plan {
        Ok(plan) => NodeOutcome::Plan { node, plan },
        Err(refusal) => NodeOutcome::Refused(refusal),
    });
    let outcome = Outcome {
        changes,
        objects: plan.objects,
        nodes: nodes.collect(),
        made,
    };
    for node in &outcome.nodes {
        if let NodeOutcome::Plan { node, plan } = node {
            for warning in plan.warnings() {
                app.progress.note(format!("{node}: {warning}"));
            }
        }
    }
    output::print(app.global.output, "Plan", &outcome, text)?;
    if !refused.is_empty() {
        return Err(Error::new(
            Ending::Partial,
            format!(
                "{} cannot be planned:\n{}",
                count(refused.len(), "node"),
                bullet_list(&refused)
            ),
        ));
    }
    Ok(if args.exit_code && outcome.changes {
        Ending::Pending
    } else {
        Ending::Done
    })
}

/// `    .spec.replicas: 1 → 2`.
fn line(field: &FieldDiff) -> String {
    let value = |value: &Option<serde_json::Value>| {
        value
            .as_ref()
            .map_or("unset".to_owned(), ToString::to_string)
    };
    format!(
        "    {}: {} → {}",
        field.path,
        value(&field.before),
        value(&field.after)
    )
}

fn text(outcome: &Outcome) -> String {
    let mut lines: Vec<String> = Vec::new();
    for change in &outcome.objects {
        let object = &change.object;
        match &change.action {
            Action::Create => lines.push(format!("+ {object}")),
            Action::Delete => lines.push(format!("- {object}")),
            Action::Update { fields } => {
                lines.push(format!("~ {object}"));
                lines.extend(fields.iter().map(line));
            }
            Action::Replace { reason, fields } => {
                lines.push(format!("± {object} ({reason})"));
                lines.extend(fields.iter().map(line));
            }
            _ => {}
        }
        for held in &change.taken_from {
            lines.push(format!(
                "    {} was changed by {}",
                held.field, held.manager
            ));
        }
    }
    for made in &outcome.made {
        lines.push(format!("+ {made}"));
    }
    for node in &outcome.nodes {
        if let NodeOutcome::Refused(receipt) = node
            && let Some(snippet) = &receipt.snippet
        {
            lines.push(format!(
                "! node {}: to be set by its own means",
                receipt.node
            ));
            lines.extend(snippet.lines().map(|line| format!("    {line}")));
        }
        if let NodeOutcome::Plan { node, plan } = node
            && !plan.is_unchanged()
        {
            lines.push(format!("~ node {node}"));
            lines.extend(plan.to_string().lines().map(|line| format!("    {line}")));
        }
    }
    if !outcome.changes {
        lines.push("nothing would change".to_owned());
    }
    lines.join("\n")
}
