//! The proof as the last resort: where no other look explains a failure, only a real pull shows it.

use serde::{Deserialize, Serialize};

use super::diagnosis::{Diagnosis, Severity};
use super::observations::Observations;
use crate::remedy::Remedy;

/// A check of the proof that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FailedCheck {
    /// Its name, such as `node-pull`.
    pub check: String,
    /// The claim that does not hold, in words.
    pub title: String,
    /// The node that it is about, if it is about one.
    pub node: Option<String>,
    /// What the check says.
    pub message: String,
    /// What repairs it, where kreg can do that; the message does not say it.
    pub remedy: Option<Remedy>,
    /// What was observed, such as the kubelet's events with the runtime's own message.
    pub evidence: Vec<String>,
}

impl FailedCheck {
    /// The runtime's own message about a failed pull, as the kubelet passes it on; else what the
    /// check says.
    #[must_use]
    pub fn words(&self) -> &str {
        let event = self.evidence.iter().find_map(|line| {
            let (_, said) = line.split_once("Failed to pull image")?;
            let (_, said) = said.split_once(": ")?;
            Some(said)
        });
        event.unwrap_or(&self.message)
    }
}

/// What a proof is to be put to, because nothing in `found` explains a failure there.
///
/// `None`: the registry itself has a fault, by which every proof fails. Otherwise the nodes that
/// are ready and have no fault of their own; where all have one, none, and only the registry itself
/// is left to prove. A node that cannot be looked at is among them: a pull is all that can tell.
#[must_use]
pub fn unexplained(seen: &Observations, found: &[Diagnosis]) -> Option<Vec<String>> {
    let faults = || {
        found
            .iter()
            .filter(|one| one.severity == Severity::Error && one.id.fails_proof())
    };
    if faults().any(|one| one.node.is_none()) {
        return None;
    }
    let nodes = seen.nodes.iter().filter(|node| {
        let is_explained = faults().any(|one| one.node.as_ref() == Some(&node.name));
        node.not_ready.is_none() && !is_explained
    });
    Some(nodes.map(|node| node.name.clone()).collect())
}
