//! The registry's own Pods.

use super::lines::lines_with;
use crate::doctor::{Action, Change, Diagnosis, Fix, NodeSeen, Observations, PodSeen, Signature};

pub(super) fn gone(seen: &Observations) -> Vec<Diagnosis> {
    if !seen.workload_gone {
        return Vec::new();
    }
    let registry = &seen.registry;
    vec![
        Diagnosis::new(
            Signature::RegistryGone,
            format!(
                "the workload of registry {} in namespace {} is not there",
                registry.instance, registry.namespace
            ),
        )
        .seen("the rest of the registry is: somebody deleted the Deployment or Pod alone")
        .fix(Action::Apply(None)),
    ]
}

pub(super) fn scaled_to_zero(seen: &Observations) -> Vec<Diagnosis> {
    let Some(workload) = seen.workload.as_ref().filter(|one| one.wanted == 0) else {
        return Vec::new();
    };
    vec![
        Diagnosis::new(
            Signature::ScaledToZero,
            "the registry is scaled to no Pods at all",
        )
        .seen(format!("{}: spec.replicas is 0", workload.object))
        .about(&workload.object)
        .fix(Action::Apply(None)),
    ]
}

/// The kubelet waits for ever for a Secret or ConfigMap that a Pod mounts.
pub(super) fn missing_mounts(seen: &Observations) -> Vec<Diagnosis> {
    let Some(workload) = &seen.workload else {
        return Vec::new();
    };
    let events = seen.pods.iter().flat_map(|pod| &pod.events);
    let evidence = lines_with(events, &["FailedMount", "not found"]);
    let missing = workload.missing.iter().map(|object| {
        Diagnosis::new(
            Signature::SecretMissing,
            format!("{object}, which the registry's Pod needs, is not there"),
        )
        .seen(format!("{} mounts it, and there is none", workload.object))
        .seen_all(evidence.iter().cloned())
        .about(object)
        .fix(Action::Apply(None))
    });
    missing.collect()
}

/// Pods that do not get there, by what their status and last words say.
pub(super) fn stuck_pods(seen: &Observations) -> Vec<Diagnosis> {
    let Some(workload) = seen.workload.as_ref().filter(|one| one.wanted > 0) else {
        return Vec::new();
    };
    let mut found: Vec<Diagnosis> = Vec::new();
    for pod in seen.pods.iter().filter(|pod| !pod.ready) {
        let one = stuck(seen, &workload.image, pod).about(&pod.object);
        if found.iter().all(|known| known.id != one.id) {
            found.push(one);
        }
    }
    let (id, some) = (Signature::NotReady, !seen.pods.is_empty());
    if workload.ready < workload.wanted && found.is_empty() && !some {
        let cause = format!("{} has no Pod", workload.object);
        found.push(
            Diagnosis::new(id, cause)
                .seen(format!(
                    "it should have {} and has {} ready",
                    workload.wanted, workload.ready
                ))
                .seen_all(
                    workload
                        .refused
                        .iter()
                        .map(|why| format!("none can be made: {why}")),
                )
                .about(&workload.object)
                .fix(seen.registry.kubectl("describe replicasets"))
                .fix(Action::Apply(None)),
        );
    }
    found
}

fn stuck(seen: &Observations, image: &str, pod: &PodSeen) -> Diagnosis {
    let registry = &seen.registry;
    let name = pod.object.rsplit('/').next().unwrap_or_default();
    let log = registry.kubectl(&format!("logs {name} --previous"));
    match pod.waiting.as_deref() {
        Some(
            "ImagePullBackOff"
            | "ErrImagePull"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable"
            | "SignatureValidationFailed",
        ) => {
            Diagnosis::new(
                Signature::RegistryImage,
                format!("the registry's own image {image} cannot be pulled"),
            )
            .seen(state(pod))
            .seen_all(lines_with(&pod.events, &["Failed", "pull"]))
            .fix(Action::Apply(Some(Change::Image)))
            .fix("IMAGE is one that the nodes can pull, or have: `ctr -n k8s.io images import FILE` on each")
        }
        Some(waiting) if ended(pod) => {
            let told = pod.log.iter();
            let config = lines_with(
                told,
                &["configuration error", "error parsing", "configuring application", "panic: "],
            );
            match config.is_empty() || lacks_storage(pod) {
                false => Diagnosis::new(
                    Signature::ConfigBroken,
                    "the registry ends at its start: it cannot use its configuration",
                )
                .seen_all(config)
                .fix(Action::Apply(None)),
                true => Diagnosis::new(
                    Signature::CrashLoop,
                    format!("the registry ends again and again ({waiting}, {} restarts)", pod.restarts),
                )
                .seen(state(pod))
                .seen_all(pod.log.iter().rev().take(4).rev().cloned())
                .fix(log),
            }
        }
        Some(waiting @ ("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError")) => {
            Diagnosis::new(
                Signature::NotReady,
                format!("the registry's container cannot be made: {waiting}"),
            )
            .seen(state(pod))
            .seen_all(lines_with(&pod.events, &["Failed"]))
            .fix(Action::Apply(None))
        }
        _ => unready(seen, pod),
    }
}

fn unready(seen: &Observations, pod: &PodSeen) -> Diagnosis {
    let name = pod.object.rsplit('/').next().unwrap_or_default();
    let here = |node: &&NodeSeen| Some(&node.name) == pod.node.as_ref();
    let lost = seen
        .nodes
        .iter()
        .filter(here)
        .find(|node| node.not_ready.is_some());
    match &pod.unscheduled {
        Some(why) => Diagnosis::new(Signature::Unschedulable, "no node takes the registry's Pod")
            .seen(format!("the scheduler: {why}"))
            .fix(seen.registry.kubectl(&format!("describe pod {name}")))
            .fix(Fix::MakeRoom),
        None => Diagnosis::new(Signature::NotReady, "the registry's Pod is not ready")
            .seen(state(pod))
            .seen_all(lost.map(|node| format!("its node {} is not ready itself", node.name)))
            .seen_all(pod.events.iter().rev().take(3).rev().cloned())
            .seen_all(pod.log.iter().rev().take(3).rev().cloned())
            .fix(seen.registry.kubectl(&format!("describe pod {name}"))),
    }
}

/// `Pod kreg-system/docker-registry-x on w1: CrashLoopBackOff`.
fn state(pod: &PodSeen) -> String {
    let node = pod.node.as_ref().map(|node| format!(" on {node}"));
    let waiting = pod.waiting.as_deref().unwrap_or("not ready");
    format!("{}{}: {waiting}", pod.object, node.unwrap_or_default())
}

fn ended(pod: &PodSeen) -> bool {
    pod.waiting.as_deref() == Some("CrashLoopBackOff") || pod.restarts > 0
}

/// A registry whose storage fails may end with a panic, which is no fault of its configuration.
fn lacks_storage(pod: &PodSeen) -> bool {
    let words = [
        "no space left",
        "permission denied",
        "read-only file system",
    ];
    !lines_with(&pod.log, &words).is_empty()
}

/// Told by the kubelet's probes, which get no TLS, or by kreg's own client.
pub(super) fn speaks_http(seen: &Observations) -> Vec<Diagnosis> {
    let events = seen.pods.iter().filter(|pod| !pod.ready);
    let probes = lines_with(
        events.flat_map(|pod| &pod.events),
        &["server gave HTTP response to HTTPS client"],
    );
    if probes.is_empty() && !seen.answers.plain {
        return Vec::new();
    }
    vec![
        Diagnosis::new(
            Signature::PlainHttp,
            "the registry speaks plain HTTP, and everybody else HTTPS",
        )
        .seen_all(probes)
        .seen_all(
            seen.answers
                .plain
                .then_some("a TLS handshake was answered in HTTP"),
        )
        .seen("its configuration names no certificate and key (http.tls)")
        .fix(Action::Apply(None)),
    ]
}

/// Each Pod makes up its own secret, and refuses uploads that another one began.
pub(super) fn no_shared_secret(seen: &Observations) -> Vec<Diagnosis> {
    let Some(workload) = &seen.workload else {
        return Vec::new();
    };
    if workload.wanted < 2 || workload.shares_secret {
        return Vec::new();
    }
    let told = lines_with(
        seen.pods
            .iter()
            .flat_map(|pod| &pod.log)
            .chain(&seen.complaints),
        &[
            "No HTTP secret provided",
            "invalid secret",
            "blob upload invalid",
        ],
    );
    vec![
        Diagnosis::new(
            Signature::NoSharedSecret,
            format!(
                "{} Pods share no http.secret: pushes fail as soon as two of them serve one",
                workload.wanted
            ),
        )
        .seen(format!("{} sets no REGISTRY_HTTP_SECRET", workload.object))
        .seen_all(told)
        .about(&workload.object)
        .fix(Action::Apply(None)),
    ]
}
