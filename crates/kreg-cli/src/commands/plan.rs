//! `kreg plan`: what `up` would change, objects and node files; touches nothing.

use clap::Args;
use kreg::Planned;
use kreg::nodes::bullet_list;
use kreg_nodes::Receipt;

use crate::args::SpecArgs;
use crate::context::App;
use crate::error::{Ending, Error};
use crate::fleet::Nodes;
use crate::intent;
use crate::output;
use crate::session::{Session, count};

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
    for planned in &plan.nodes {
        if let Planned::Plan { node, plan } = planned {
            for warning in plan.warnings() {
                app.progress.note(format!("{node}: {warning}"));
            }
        }
    }
    output::print(app.global.output, "Plan", &plan, ToString::to_string)?;
    let refused: Vec<Receipt> = plan.refused().cloned().collect();
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
    Ok(if args.exit_code && plan.changes {
        Ending::Pending
    } else {
        Ending::Done
    })
}
