//! `--node-files`: what lies on every node for its runtime to trust, read by ssh.

use kreg::Standing;
use kreg_nodes::Receipt;
use kreg_verify::NodeTrust;
use tokio::task::block_in_place;

use crate::context::App;
use crate::error::Error;
use crate::fleet::Nodes;
use crate::session::Session;

/// Reads every node; one that cannot be read says why in its check.
pub(super) fn read(
    app: &App,
    session: &Session,
    standing: &Standing,
    only: &[String],
) -> Result<Vec<NodeTrust>, Error> {
    let place = session.registry.place();
    let trust = kreg::nodes::trust(place, standing.address, &standing.bundle_pem)?;
    let nodes = Nodes::new(session, only)?;
    let nodes = nodes.access();
    let step = app.progress.step(format!("nodes by {}", nodes.name()));
    let read: Vec<NodeTrust> = block_in_place(|| nodes.facts(&trust))
        .into_iter()
        .map(|(node, facts)| NodeTrust {
            node: node.name,
            files: facts
                .map_err(|receipt| why(&receipt))
                .and_then(|facts| facts.trusted(&trust).map_err(|refused| refused.reason())),
        })
        .collect();
    step.done("");
    Ok(read)
}

fn why(receipt: &Receipt) -> String {
    receipt.to_string()
}
