//! What the registry keeps its images on.

use super::lines::lines_with;
use crate::doctor::{Action, Change, Claim, Diagnosis, Fix, Observations, Signature, Upload};

const FULL: &[&str] = &[
    "no space left on device",
    "disk quota exceeded",
    "InsufficientStorage",
];
const DENIED: &[&str] = &[
    "permission denied",
    "read-only file system",
    "operation not permitted",
];

/// A claim that has no volume.
pub(super) fn claim(seen: &Observations) -> Vec<Diagnosis> {
    let Some(claim) = &seen.storage.claim else {
        return Vec::new();
    };
    // A class that waits for a Pod leaves the claim Pending until one is scheduled.
    let waits = claim
        .events
        .last()
        .is_some_and(|event| event.contains("WaitForFirstConsumer"));
    if claim.phase == "Bound" || waits {
        return Vec::new();
    }
    let (name, events) = (
        claim.object.rsplit('/').next().unwrap_or_default(),
        last(claim),
    );
    let classes = seen.storage.classes.iter();
    let default = classes.clone().find(|class| class.default);
    let names: Vec<_> = classes.clone().map(|class| class.name.as_str()).collect();
    let there = match names.is_empty() {
        true => "the cluster has no StorageClass at all".to_owned(),
        false => format!("StorageClasses: {}", names.join(", ")),
    };
    let known = |class: &str| names.contains(&class);
    let registry = &seen.registry;
    let one = match (claim.class.as_deref(), &claim.meant) {
        (Some(class), Some(volume)) if !class.is_empty() => Diagnosis::new(
            Signature::DefaultClassTrap,
            format!(
                "the claim has StorageClass {class}, so it never binds {volume}, which is meant for it and has none"
            ),
        )
        .seen(match default {
            Some(class) => format!("{} is the default class: claims that leave storageClassName out get it", class.name),
            None => format!("the claim's storageClassName is {class}"),
        })
        .fix(format!(
            "make the claim again with an explicit empty class: `storageClassName: \"\"` (it cannot be changed in place):\n\
             kubectl -n {} get pvc {name} -o yaml > {name}.yaml",
            registry.namespace
        ))
        .fix(registry.kubectl(&format!("delete pvc {name}")))
        .fix(Fix::kubectl(format!("apply -f {name}.yaml   # with storageClassName: \"\""))),
        (Some(class), _) if !class.is_empty() && !known(class) => Diagnosis::new(
            Signature::ClassMissing,
            format!("the claim asks for StorageClass {class}, and there is none of that name"),
        )
        .seen(there)
        .fix(Action::Apply(Some(Change::StorageClass))),
        (None, _) if default.is_none() => Diagnosis::new(
            Signature::NoDefaultClass,
            "the claim names no StorageClass, and the cluster has no default one",
        )
        .seen(there)
        .fix(Fix::kubectl("patch storageclass NAME -p '{\"metadata\":{\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}}}'"))
        .fix(Fix::to("or", Action::Apply(Some(Change::StorageClass)))),
        (class, _) => {
            let maker = classes
                .clone()
                .find(|known| Some(known.name.as_str()) == class)
                .map(|class| format!("StorageClass {} is served by {}: does it run?", class.name, class.provisioner));
            Diagnosis::new(
                Signature::ClaimPending,
                format!("the registry's claim is {}: nobody has given it a volume", claim.phase),
            )
            .seen_all(maker)
            .fix(registry.kubectl(&format!("describe pvc {name}")))
            .fix(Fix::to("or choose other storage", Action::Apply(Some(Change::StorageClass))))
        }
    };
    vec![one.seen_all(events).about(&claim.object)]
}

fn last(claim: &Claim) -> Vec<String> {
    claim.events.iter().rev().take(2).rev().cloned().collect()
}

/// What the registry logged, or answered to an upload.
fn told(seen: &Observations, words: &[&str]) -> Vec<String> {
    let refused = match &seen.answers.upload {
        Some(Upload::Refused { message, .. }) => Some(message),
        _ => None,
    };
    let unready = seen.pods.iter().filter(|pod| !pod.ready);
    let lines = seen.complaints.iter().chain(refused);
    lines_with(lines.chain(unready.flat_map(|pod| &pod.log)), words)
}

/// Whether writing fails now: old complaints of a registry that is well are history.
fn writes_fail(seen: &Observations) -> bool {
    let down = seen
        .workload
        .as_ref()
        .is_some_and(|one| one.ready < one.wanted);
    down || matches!(&seen.answers.upload, Some(Upload::Refused { status, .. }) if *status >= 500)
}

pub(super) fn full(seen: &Observations) -> Vec<Diagnosis> {
    let told = told(seen, FULL);
    if told.is_empty() || !writes_fail(seen) {
        return Vec::new();
    }
    let one = Diagnosis::new(Signature::DiskFull, "the registry's storage is full").seen_all(told);
    let one = match collect(seen) {
        Some(step) => one.fix(step),
        None => one,
    };
    let one = one.fix(
        "give it more room: a larger claim (if its StorageClass allows expansion), or space on the node that holds it",
    );
    vec![match &seen.storage.claim {
        Some(claim) => one.about(&claim.object),
        None => one,
    }]
}

/// Room without more storage. Not for the tutorial's bare Pod, which cannot be made read-only meanwhile.
fn collect(seen: &Observations) -> Option<Fix> {
    let registry = &seen.registry;
    let ready = seen.workload.as_ref().is_some_and(|one| one.ready > 0);
    match (registry.by_name, ready) {
        (true, _) => None,
        (false, true) => Some(Action::CollectGarbage { dry_run: true }.into()),
        (false, false) => Some(Fix::to(
            "once its Pod is ready again",
            Action::CollectGarbage { dry_run: false },
        )),
    }
}

pub(super) fn denied(seen: &Observations) -> Vec<Diagnosis> {
    let told = told(seen, DENIED);
    if told.is_empty() || !writes_fail(seen) || !full(seen).is_empty() {
        return Vec::new();
    }
    let uid = seen.pods.iter().find_map(|pod| pod.node.as_ref());
    let one = Diagnosis::new(
        Signature::StorageDenied,
        "the registry may not write to its storage",
    )
    .seen_all(told)
    .seen_all(uid.map(|node| format!("its Pod runs on {node} as a user that is not root")))
    .fix("on the node that holds the volume, give the directory back: chown -R 1000:1000 DIRECTORY; chmod u+rwX DIRECTORY")
    .fix("the directory: kubectl get pv -o custom-columns=CLAIM:.spec.claimRef.name,HOST:.spec.hostPath.path,LOCAL:.spec.local.path");
    vec![match &seen.storage.claim {
        Some(claim) => one.about(&claim.object),
        None => one,
    }]
}

/// An upload that was begun as a test and refused.
pub(super) fn uploads(seen: &Observations) -> Vec<Diagnosis> {
    let Some(Upload::Refused { status, message }) = &seen.answers.upload else {
        return Vec::new();
    };
    let answered = format!("a push was begun as a test: {status}, {message}");
    vec![match status {
        405 => Diagnosis::new(
            Signature::ReadOnly,
            "the registry is set to be read-only: it serves pulls and refuses pushes",
        )
        .seen(answered)
        .seen("storage.maintenance.readonly is on in its configuration, as for a garbage collection that did not end")
        .fix(Action::Apply(None)),
        _ => Diagnosis::new(
            Signature::UploadRefused,
            format!("the registry refuses pushes with status {status}"),
        )
        .seen(answered)
        .seen_all(seen.complaints.iter().rev().take(3).rev().cloned())
        .fix(seen.registry.kubectl("logs --tail 40 -l app.kubernetes.io/component=registry")),
    }]
}
