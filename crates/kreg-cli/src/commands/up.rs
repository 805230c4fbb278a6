//! `kreg up`: the registry's objects, then trust on every node, then the proof.

use clap::Args;
use kreg::{Admission, Proof, Scope, Up};
use serde::Serialize;

use crate::args::SpecArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::{self, Nodes};
use crate::intent;
use crate::output;
use crate::proof;
use crate::session::Session;

/// What `up` did, as `-o json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    up: Up,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
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
        (Some(waiting), Some(proof)) => Some(registry.admit(waiting, &proof.report, on).await?),
        _ => None,
    };
    let shown = Shown {
        up,
        proof,
        startup_taint,
    };
    output::print(app.global.output, "Up", &shown, text)?;
    fleet::judge(&shown.up.nodes, "not done")?;
    super::secret::judge(&shown.up.not_renewed)?;
    shown.proof.as_ref().map_or(Ok(Ending::Done), proof::judge)
}

fn text(shown: &Shown) -> String {
    let proof = shown.proof.as_ref();
    let what = match (proof.map(Proof::holds), shown.up.changed) {
        (Some(false), _) => "is up, but the proof does not hold",
        (_, true) => "is up",
        (_, false) => "is up; nothing was changed",
    };
    let registry = &shown.up.registry;
    let last = format!("{registry} {what}. Images are named {registry}/NAME:TAG.");
    let table = proof.map(proof::table);
    table
        .into_iter()
        .chain([last])
        .collect::<Vec<_>>()
        .join("\n\n")
}
