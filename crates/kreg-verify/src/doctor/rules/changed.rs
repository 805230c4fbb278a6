//! What somebody made or changed by hand.

use crate::doctor::{
    Action, Diagnosis, Fix, Observations, Severity, Signature, TakeOver, Unmanaged,
};

/// A registry that kreg did not make, and how kreg takes it over with what it stores.
pub(super) fn unmanaged(seen: &Observations) -> Vec<Diagnosis> {
    seen.unmanaged.iter().map(taken_over).collect()
}

fn taken_over(one: &Unmanaged) -> Diagnosis {
    let found = Diagnosis::new(
        Signature::NotManaged,
        "a registry is there that kreg did not make: it is not managed, and nothing more is looked at",
    )
    .seen_all(one.objects.iter().map(|object| format!("{object} has no labels of kreg's")));
    let Some(pod) = &one.tutorial_pod else {
        return found
            .fix(Fix::to(
                "take it over with what it stores",
                Action::TakeOver(TakeOver::Named),
            ))
            .fix(Fix::to(
                "or leave it, and choose another name",
                Action::ChooseName,
            ));
    };
    let class = one.claim.as_ref().and_then(|claim| {
        let class = claim.class.as_deref().filter(|class| !class.is_empty())?;
        Some((class, claim))
    });
    let (found, claim) = match class {
        Some((class, claim)) => (
            found.seen(format!(
                "{} is of StorageClass {class} and has volume {}: the cluster's default class took it before the tutorial's own volume could, and neither field can change",
                claim.object,
                claim.volume.as_deref().unwrap_or("none")
            )),
            Some(one.claim_name.clone()),
        ),
        None => (found, None),
    };
    found
        .fix(Fix::to(
            "take its Pod away, which cannot be changed in place; images stay on the claim",
            Fix::Kubectl {
                namespace: Some(pod.namespace.clone()),
                words: format!("delete pod {}", pod.name),
            },
        ))
        .fix(Fix::to(
            "take over the rest",
            Action::TakeOver(TakeOver::Tutorial { claim }),
        ))
}

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
        .fix(Fix::to("what it was and is now", Action::CompareObjects))
        .fix(Fix::to("to take it back", Action::Apply(None)))
    })
    .collect()
}

/// A fault of the registry that a rule knows takes such a change as its evidence.
pub(crate) fn folded(found: Vec<Diagnosis>) -> Vec<Diagnosis> {
    let (changes, mut found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|one| one.id == Signature::ChangedByHand);
    for change in changes {
        // A certificate that was changed beside kreg changes the checksum that the workload should have.
        let only_checksum = change
            .evidence
            .iter()
            .all(|line| line.contains("kreg.dev/tls-checksum"));
        let is_fault = |one: &&mut Diagnosis| {
            let explains = one.severity == Severity::Error || only_checksum;
            one.node.is_none() && explains && one.id < Signature::ChangedByHand
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
