//! `kreg doctor`: what is wrong, why, and how to fix it.

mod client;

use clap::{Args, Subcommand};
use kreg::{Survey, Unseen};
use kreg_verify::doctor::{Diagnosis, examine};
use serde::Serialize;

use crate::args::TargetArgs;
use crate::choices::Backend;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fixes;
use crate::fleet::Nodes;
use crate::output;
use crate::session::{Session, count};
use crate::signals::shutdown_signal;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DoctorArgs {
    #[command(subcommand)]
    part: Option<Part>,

    /// Of the nodes, look at these only
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<String>,

    /// Only look: start no Pod and push no image. Without it, the proof is run where nothing else
    /// shows a cause, for only a pull tells what a runtime does
    #[arg(long)]
    no_proof: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// This machine's container client: is one there, does its daemon answer, may you use it without sudo
    Client,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    registry: String,
    namespace: String,
    /// Root causes first, each with its consequences.
    findings: Vec<Diagnosis<String>>,
    /// What could not be looked at, and why.
    not_looked_at: Vec<String>,
}

pub(crate) async fn run(app: &App, args: &DoctorArgs) -> Result<Ending, Error> {
    if let Some(Part::Client) = args.part {
        return client::run(app).await;
    }
    let session = Session::open(app, &args.target, true).await?;
    let nodes = Nodes::new(&session, &args.nodes)?;
    let mut survey = Survey::default();
    survey.nodes.clone_from(&args.nodes);
    survey.prove = !args.no_proof;
    survey.restart_runtimes = session.settings.nodes.allow_runtime_restart;
    survey.timeout = Some(session.settings.timeout);
    // Only the proof clears up by itself; until then a signal ends the program at once.
    let stop = async { shutdown_signal().await };
    let registry = &session.registry;
    let mut seen = registry
        .observe(Some(nodes.access()), &survey, stop, &session.on)
        .await?;
    if seen
        .unseen
        .iter()
        .any(|one| matches!(one, Unseen::Interrupted))
    {
        return Err(Error::failed("interrupted during the proof"));
    }
    for check in &mut seen.observations.proof {
        fixes::name_repair(&mut check.message, &mut check.remedy);
    }
    let mut options = fixes::options(registry.place());
    if session.settings.nodes.backend == Backend::OpenSsh {
        // No record remembers it.
        options.push_str(" --nodes-by openssh");
    }
    let findings = examine(&seen.observations).into_iter();
    let outcome = Outcome {
        registry: registry.place().registry_name(),
        namespace: registry.place().namespace().to_owned(),
        findings: findings
            .map(|one| fixes::commanded(one, &options))
            .collect(),
        not_looked_at: seen.unseen.into_iter().map(fixes::unseen).collect(),
    };
    output::print(app.global.output, "Doctor", &outcome, text)?;
    match outcome.findings.len() {
        0 => Ok(Ending::Done),
        some => Err(Error::failed(format!(
            "{} found at registry {}",
            count(some, "cause"),
            registry.place().instance()
        ))
        .told()),
    }
}

fn text(outcome: &Outcome) -> String {
    let findings = outcome.findings.iter();
    let mut parts: Vec<String> = findings.map(ToString::to_string).collect();
    if outcome.findings.is_empty() {
        parts.push(format!(
            "nothing found: {} in namespace {} is well, as far as was looked",
            outcome.registry, outcome.namespace
        ));
    }
    if !outcome.not_looked_at.is_empty() {
        let lines = outcome
            .not_looked_at
            .iter()
            .map(|line| format!("\n- {line}"));
        parts.push(format!("not looked at:{}", lines.collect::<String>()));
    }
    output::coloured(&parts.join("\n\n"))
}
