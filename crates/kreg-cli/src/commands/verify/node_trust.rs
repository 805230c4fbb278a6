//! `--node-files`: what lies on every node for its runtime to trust, read by ssh.

use kreg_k8s::RegistryState;
use kreg_nodes::{EditKind, NodeFacts, NodePlan, Receipt, Trust};
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
    let trust = fleet::trust(&session.settings, &session.spec, address, bundle)?;
    let nodes = Nodes::new(session, &session.facts, only)?;
    let step = app.progress.step(format!("nodes by {}", nodes.way()));
    let read: Vec<NodeTrust> = nodes
        .facts(&trust)
        .into_iter()
        .map(|(node, facts)| NodeTrust {
            node: node.name,
            files: facts
                .map_err(|receipt| why(&receipt))
                .and_then(|facts| certificates(&facts, &trust)),
        })
        .collect();
    step.done("");
    Ok(read)
}

/// Of the files that this node's runtime reads for the registry, those that are to hold the CA, as
/// they are; one that is missing beside others is empty. Nothing is written, so that files of others are looked at too.
fn certificates(facts: &NodeFacts, trust: &Trust) -> Result<Vec<(String, Vec<u8>)>, String> {
    let trust = trust.clone().with_adopt(true);
    let plan = NodePlan::decide(facts, &trust).map_err(|refused| refused.reason())?;
    let found = plan.edits().iter().filter_map(|edit| {
        let EditKind::File { path, content, .. } = edit.kind() else {
            return None;
        };
        (content == trust.ca_pem()).then(|| (path.clone(), facts.content(path)))
    });
    let found: Vec<_> = found.collect();
    if found.iter().all(|(_, text)| text.is_none()) {
        return Ok(Vec::new());
    }
    let held = found.into_iter();
    Ok(held
        .map(|(path, text)| (path, text.unwrap_or_default().to_vec()))
        .collect())
}

fn why(receipt: &Receipt) -> String {
    receipt.to_string()
}
