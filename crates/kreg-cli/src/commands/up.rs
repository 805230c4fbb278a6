//! `kreg up`: the registry's objects, then trust on every node, then the proof.

use std::net::IpAddr;

use clap::Args;
use kreg::{Admission, Scope};
use kreg_k8s::Change;
use kreg_nodes::Receipt;
use serde::Serialize;

use crate::args::SpecArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::intent;
use crate::output;
use crate::proof::{self, Proof};
use crate::session::Session;

/// What `up` did, as `-o json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    namespace: String,
    #[serde(rename = "clusterIP")]
    cluster_ip: IpAddr,
    changed: bool,
    objects: Vec<Change>,
    nodes: Vec<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_taint: Option<Admission>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Leave the nodes out: only the objects in the cluster
    #[arg(long)]
    pub(crate) skip_nodes: bool,

    /// Leave the proof out
    #[arg(long)]
    pub(crate) skip_verify: bool,

    #[command(flatten)]
    pub(crate) spec: SpecArgs,
}

pub(crate) async fn run(app: &App, args: &UpArgs) -> Result<Ending, Error> {
    let intent = intent::read(app, &args.spec)?;
    let mut session = Session::open(app, &args.spec.target, false).await?;
    let intent = intent::of_session(intent, &mut session);
    let (registry, on) = (&session.registry, &session.on);
    let nodes = if args.skip_nodes {
        None
    } else {
        Some(Nodes::of(&session, intent.spec.image(), &[])?)
    };
    let waiting = match intent.spec.startup_taint() {
        Some(taint) if !args.skip_verify => Some(registry.waiting(taint.clone()).await?),
        _ => None,
    };
    let access = nodes.as_ref().map(Nodes::access);
    let up = registry.up(&intent, access, on).await?;
    let proof = if args.skip_verify {
        None
    } else {
        // Only nodes that hold the trust can prove it; the others are named anyway.
        let good = up.nodes.iter().filter(|receipt| receipt.is_ok());
        let scope = Scope {
            nodes: good.map(|receipt| receipt.node.clone()).collect(),
            ..Scope::default()
        };
        Some(proof::prove(&session, &up.standing, scope).await?)
    };
    let startup_taint = match (&waiting, &proof) {
        (Some(waiting), Some(proof)) => Some(registry.admit(waiting, proof.report(), on).await?),
        _ => None,
    };
    let place = up.spec.place();
    let outcome = Outcome {
        registry: place.registry_name(),
        namespace: place.namespace().to_owned(),
        cluster_ip: up.standing.address,
        changed: up.is_changed(),
        objects: up.changes,
        nodes: up.nodes,
        proof: proof.as_ref().map(Proof::to_json).transpose()?,
        startup_taint,
    };
    output::print(app.global.output, "Up", &outcome, |outcome| {
        text(outcome, proof.as_ref())
    })?;
    fleet::judge(&outcome.nodes, "not done")?;
    super::secret::judge(&up.not_renewed)?;
    proof.as_ref().map_or(Ok(Ending::Done), Proof::judge)
}

fn text(outcome: &Outcome, proof: Option<&Proof>) -> String {
    let mut lines = Vec::new();
    if let Some(proof) = proof {
        lines.push(proof.table());
    }
    let what = match (proof.map(Proof::holds), outcome.changed) {
        (Some(false), _) => "is up, but the proof does not hold",
        (_, true) => "is up",
        (_, false) => "is up; nothing was changed",
    };
    lines.push(format!(
        "{} {what}. Images are named {}/NAME:TAG.",
        outcome.registry, outcome.registry
    ));
    lines.join("\n\n")
}
