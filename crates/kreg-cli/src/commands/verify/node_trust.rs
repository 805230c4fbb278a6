//! `--node-files`: what lies on every node for its runtime to trust, read by ssh.

use kreg_k8s::RegistryState;
use kreg_nodes::Receipt;
use kreg_verify::NodeTrust;

use crate::app::App;
use crate::error::Error;
use crate::fleet::{self, Nodes};
use crate::session::Session;

/// Reads every node; one that cannot be read says why in its check.
pub(super) fn read(
    app: &App,
    session: &Session,
    state: &RegistryState,
    only: &[String],
) -> Result<Vec<NodeTrust>, Error> {
    let (Some(address), Some(bundle)) = (state.cluster_ip, &state.ca_bundle_pem) else {
        return Err(
            Error::failed("the registry has no address or no certificate yet")
                .help("run `kreg up`"),
        );
    };
    let trust = fleet::trust(&session.settings, &session.place, address, bundle)?;
    let nodes = Nodes::new(session, &session.facts, only)?;
    let step = app.progress.step(format!("nodes by {}", nodes.way()));
    let read: Vec<NodeTrust> = nodes
        .facts(&trust)
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
