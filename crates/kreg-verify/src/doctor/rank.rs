//! Which diagnosis is the root, and which follow from it.

use super::diagnosis::{Diagnosis, Severity};
use super::signature::Signature;

/// Root causes in their order, errors before warnings, each with its consequences.
pub(super) fn ranked(mut found: Vec<Diagnosis>) -> Vec<Diagnosis> {
    found.sort_by(|a, b| key(a).cmp(&key(b)));
    found.dedup();
    let mut roots: Vec<Diagnosis> = Vec::new();
    // A cause stands before its consequences in the order of signatures, but a warning may be the
    // cause of an error; so causes are looked for among all, not only among those before.
    let mut by_cause = found.clone();
    by_cause.sort_by_key(|one| one.id);
    for one in by_cause {
        match roots.iter_mut().find(|root| explains(root, &one)) {
            Some(root) => root.consequences.push(one),
            None => roots.push(one),
        }
    }
    roots.sort_by(|a, b| key(a).cmp(&key(b)));
    roots
}

fn key(one: &Diagnosis) -> (Severity, Signature, &str, &str) {
    let worst = one.consequences.iter().map(|other| other.severity).min();
    (
        worst.map_or(one.severity, |worst| worst.min(one.severity)),
        one.id,
        one.node.as_deref().unwrap_or_default(),
        one.object.as_deref().unwrap_or_default(),
    )
}

/// What happens on one node explains nothing elsewhere.
fn explains(cause: &Diagnosis, other: &Diagnosis) -> bool {
    let here = cause.node.is_none() || cause.node == other.node;
    let same_object = match (&cause.object, &other.object) {
        // A Pod's own trouble is not another Pod's.
        (Some(a), Some(b)) if cause.id.is_of_a_pod() => a == b,
        _ => true,
    };
    let explained = cause.id.explains().contains(&other.id)
        || (cause.id < other.id && cause.id.fails_proof() && other.id.is_of_proof());
    here && same_object && explained
}
