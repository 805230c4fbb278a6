//! What somebody changed by hand on the registry's objects.

use crate::doctor::{Diagnosis, Observations, Severity, Signature};

/// One warning an object: what was changed may break the registry in ways that no rule knows.
pub(super) fn by_hand(seen: &Observations) -> Vec<Diagnosis> {
    let all = seen.changed.iter();
    all.map(|changed| {
        Diagnosis::new(
            Signature::ChangedByHand,
            format!("{} is not as kreg left it", changed.object),
        )
        .warning()
        .seen_all(&changed.fields)
        .about(&changed.object)
        .fix(format!(
            "what it was and is now: {}",
            seen.registry.kreg("status")
        ))
        .fix(format!("to take it back: {}", seen.registry.kreg("up")))
    })
    .collect()
}

/// A fault of the registry that a rule knows takes such a change as its evidence.
pub(in crate::doctor) fn folded(found: Vec<Diagnosis>) -> Vec<Diagnosis> {
    let (changes, mut found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|one| one.id == Signature::ChangedByHand);
    for change in changes {
        let is_fault = |one: &&mut Diagnosis| {
            one.node.is_none()
                && one.severity == Severity::Error
                && one.id < Signature::ChangedByHand
        };
        let same = found
            .iter()
            .position(|one| one.object == change.object && one.severity == Severity::Error);
        let fault = match same {
            Some(at) => found.get_mut(at),
            None => found.iter_mut().find(is_fault),
        };
        match fault {
            Some(fault) => fault.evidence.extend(
                change
                    .evidence
                    .iter()
                    .map(|line| format!("{}: {line}", change.cause)),
            ),
            None => found.push(change),
        }
    }
    found
}
