//! What only the proof showed.

use crate::doctor::{
    Action, Contact, Diagnosis, FailedCheck, Fix, NodeSeen, Observations, Signature,
};
use crate::pull_failure::PullFailure;

/// Checks that are about no node: the registry does not do what it should.
pub(super) fn of_registry(seen: &Observations) -> Vec<Diagnosis> {
    let failed = seen.proof.iter().filter(|one| one.node.is_none());
    failed
        .map(|one| {
            Diagnosis::new(
                Signature::ProofFailed,
                format!(
                    "check {} of the proof fails, and nothing else here explains it: it is not true that {}",
                    one.check, one.title
                ),
            )
            .seen(&one.message)
            .seen_all(&one.evidence)
            .fix(Action::VerifyCheck(one.check.clone()))
            .fix(Action::Apply(None))
        })
        .collect()
}

/// One diagnosis a node, by the runtime's own message.
pub(super) fn of_nodes(seen: &Observations) -> Vec<Diagnosis> {
    let mut named: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for one in &seen.proof {
        let Some(node) = one.node.as_deref() else {
            continue;
        };
        if !named.contains(&node) {
            named.push(node);
            found.push(of_node(seen, node));
        }
    }
    found
}

fn of_node(seen: &Observations, name: &str) -> Diagnosis {
    let here = || {
        let all = seen.proof.iter();
        all.filter(|one| one.node.as_deref() == Some(name))
    };
    let pull = here().find(|one| one.check == "node-pull");
    let node = seen.nodes.iter().find(|node| node.name == name);
    let one = match (pull, node) {
        (Some(pull), Some(node))
            if has_trust(node) && PullFailure::of(pull.words()).is_distrust() =>
        {
            not_read(node, pull)
        }
        (Some(pull), _) => pull_fails(seen, name, pull),
        (None, _) => here().fold(
            Diagnosis::new(
                Signature::NodePullFails,
                format!("node {name} fails the proof, and nothing else here explains it"),
            ),
            |one, failed| one.seen(format!("{}: {}", failed.check, failed.message)),
        ),
    };
    one.on(name).fix(Fix::to(
        "then prove the node again",
        Action::VerifyNode(name.to_owned()),
    ))
}

/// Whether the node was read, and holds all that it should.
fn has_trust(node: &NodeSeen) -> bool {
    let files = &node.files;
    node.contact == Contact::Entered
        && !files.is_empty()
        && files
            .iter()
            .all(|file| file.now.as_ref() == Some(&file.wanted))
}

fn not_read(node: &NodeSeen, pull: &FailedCheck) -> Diagnosis {
    let name = &node.name;
    let runtime = node.runtime();
    let log = match node.unit() {
        Some(unit) => Fix::on(name, format!("journalctl -u {unit} --since -10min")),
        None => Fix::on(name, format!("look at the log of {runtime}")),
    };
    Diagnosis::new(
        Signature::TrustNotRead,
        format!("{runtime} on {name} does not read the files that kreg wrote there"),
    )
    .seen(format!("{}: {}", pull.check, pull.words()))
    .seen("every file of the registry's trust on this node is as it should be")
    .seen_all(
        pull.evidence
            .iter()
            .filter(|line| line.starts_with("node: ")),
    )
    .fix(Fix::CompareConfiguration {
        node: name.clone(),
        runtime: runtime.to_owned(),
    })
    .fix(log)
}

fn pull_fails(seen: &Observations, name: &str, pull: &FailedCheck) -> Diagnosis {
    let kind = PullFailure::of(pull.words());
    Diagnosis::new(
        Signature::NodePullFails,
        format!("node {name} cannot pull from the registry, and nothing else here explains it"),
    )
    .seen(format!("{}: {}", pull.check, pull.words()))
    .seen_all(
        pull.evidence
            .iter()
            .filter(|line| line.starts_with("node: ")),
    )
    .fix(Fix::Pull {
        meaning: kind.meaning().to_owned(),
        remedy: kind.remedy(),
    })
    .fix(format!(
        "what the node's runtime and kubelet say: kubectl describe node {name}; {}",
        match seen
            .nodes
            .iter()
            .find(|node| node.name == name)
            .and_then(NodeSeen::unit)
        {
            Some(unit) => format!("on {name}: journalctl -u {unit} -u kubelet --since -10min"),
            None => format!("on {name}: journalctl --since -10min"),
        }
    ))
}
