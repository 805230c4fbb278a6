//! What could not be looked at, and why.

use kreg_k8s::rights::Right;
use kreg_nodes::Receipt;

use crate::error::Error;
use crate::error::NotUp;
use crate::words::chain;

/// Something that could not be looked at, and why. No conclusion is drawn from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unseen {
    /// This account may not look there.
    #[error("{0}")]
    Denied(
        /// The server's words.
        String,
    ),
    /// What was changed by hand: this account may not ask the server by a dry run.
    #[error("what was changed by hand: the server is asked by a dry run, and {0}")]
    DryRun(
        /// The server's words.
        String,
    ),
    /// What was changed by hand.
    #[error("what was changed by hand: {}", chain(.0))]
    Changes(Box<Error>),
    /// The registry gives no answer that can be read.
    #[error("the registry's answers: {}", chain(.0))]
    Answers(Box<Error>),
    /// The registry takes longer than half a minute to answer.
    #[error("the registry's answers: it gave none in time")]
    NoAnswer,
    /// What nodes must hold is not known.
    #[error("the nodes: the registry has no address or no certificate")]
    NoTrust,
    /// There is no way to the nodes.
    #[error("the nodes: there is no way to them")]
    NoNodes,
    /// This node is left out of those that there is a way to.
    #[error("node {0}: it is left out")]
    NodeLeftOut(
        /// The node.
        String,
    ),
    /// How a node stands at this moment.
    #[error("clock, proxy and route of node {}: {}", .0.node, .0)]
    Vitals(Box<Receipt>),
    /// The time on every node.
    #[error("the nodes' clocks: the API server does not tell the time")]
    NoServerClock,
    /// The time on these nodes, where no program says it.
    #[error("the clock of {}: nothing there tells", .0.join(", "))]
    NoClock(
        /// The nodes.
        Vec<String>,
    ),
    /// The way from these nodes to the registry, where no program can try it.
    #[error("the route of {}: nothing there tells", .0.join(", "))]
    NoRoute(
        /// The nodes.
        Vec<String>,
    ),
    /// Whether nodes can pull, which was not asked for.
    #[error("whether nodes can pull: no proof is asked for")]
    NotProved,
    /// Whether nodes can pull: the registry lacks what a proof needs.
    #[error("the proof: {0}")]
    NotUp(NotUp),
    /// Whether nodes can pull: this account may not run a proof.
    #[error("whether nodes can pull: the proof needs {}", list(.0))]
    ProofRights(
        /// What it lacks.
        Vec<Right>,
    ),
    /// The proof was ended before it was done.
    #[error("the proof: it was interrupted")]
    Interrupted,
    /// What this account lacks of all that a diagnosis needs, which may be why other things were not looked at.
    #[error("missing rights: {}", list(.0))]
    Rights(
        /// What it lacks.
        Vec<Right>,
    ),
}

fn list(rights: &[Right]) -> String {
    let all: Vec<_> = rights.iter().map(ToString::to_string).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Tried as _;

    #[test]
    fn an_error_is_said_with_its_causes() {
        let failed: Result<(), _> = Err("no route to host");
        let error = failed.tried("cannot ask the registry").unwrap_err();
        assert_eq!(
            Unseen::Answers(Box::new(error)).to_string(),
            "the registry's answers: cannot ask the registry: no route to host"
        );
    }
}
