//! `kreg plan`: what `up` would change, objects and node files; touches nothing.

use std::net::{IpAddr, Ipv4Addr};

use kreg_k8s::{Action, ApplyOptions, Change, FieldDiff, Manifests};
use kreg_nodes::{NodePlan, Receipt};
use serde::Serialize;

use crate::app::App;
use crate::args::PlanArgs;
use crate::error::{Ending, Error, Tried as _};
use crate::fleet::{self, Nodes};
use crate::intent::Intent;
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

pub(crate) async fn run(app: &App, args: &PlanArgs) -> Result<Ending, Error> {
    let intent = Intent::read(app, &args.spec)?;
    let session = Session::open(app, &args.spec.target, false).await?;
    let spec = intent.spec(&session)?;
    session
        .facts
        .check(&spec)
        .tried("the cluster is not fit for this registry")?;
    let state = session.state().await?;
    intent.check(&session, &spec, &state).await?;
    let spec = Intent::at_its_address(&session, spec, &state).await?;
    // Before the first `up` nobody knows the address; what depends on it is shown with 0.0.0.0.
    let address = spec
        .cluster_ip()
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let decision = tokio::task::block_in_place(|| intent.propose(&spec, address, &state))?;
    let options = ApplyOptions {
        adopt: intent.adopt(),
        force: false,
    };
    let plan = kreg_k8s::plan(
        &session.cluster,
        &Manifests::full(&spec, &decision.material),
        options,
    )
    .await
    .tried("cannot find out what would change in the cluster")?;

    let mut made = decision.made;
    let mut agents = false;
    let mut nodes = Vec::new();
    if !args.skip_nodes {
        let trust = fleet::trust(
            &session.settings,
            spec.place(),
            address,
            &decision.material.ca_bundle_pem,
        )?
        .with_adopt(intent.adopt());
        let way = Nodes::of(&session, &session.facts, (spec.place(), spec.image()), &[])?;
        let step = app.progress.step(format!("nodes by {}", way.way()));
        agents = !way.is_ready();
        let outcomes = match agents {
            true => Vec::new(),
            false => way.plan(&trust),
        };
        if agents {
            made.push("agents on the nodes; what they then change there is not shown".to_owned());
        }
        for outcome in outcomes {
            nodes.push(match outcome.result {
                Ok(plan) => NodeOutcome::Plan {
                    node: outcome.node.name.clone(),
                    plan,
                },
                Err(receipt) => NodeOutcome::Refused(*receipt),
            });
        }
        step.done("");
    }
    for node in &nodes {
        if let NodeOutcome::Plan { node, plan } = node {
            for warning in plan.warnings() {
                app.progress.note(format!("{node}: {warning}"));
            }
        }
    }
    let refused: Vec<Receipt> = nodes
        .iter()
        .filter_map(|node| match node {
            NodeOutcome::Refused(receipt) => Some(receipt.clone()),
            NodeOutcome::Plan { .. } => None,
        })
        .collect();
    let node_changes = nodes
        .iter()
        .any(|node| matches!(node, NodeOutcome::Plan { plan, .. } if !plan.is_unchanged()));
    let outcome = Outcome {
        changes: plan.has_changes() || node_changes || agents,
        objects: plan.changes().cloned().collect(),
        nodes,
        made,
    };
    output::print(app.global.output, "Plan", &outcome, text)?;
    if !refused.is_empty() {
        return Err(Error::new(
            Ending::Partial,
            format!(
                "{} cannot be planned:\n{}",
                count(refused.len(), "node"),
                fleet::listed(&refused)
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
