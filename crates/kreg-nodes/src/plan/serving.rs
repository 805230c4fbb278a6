//! Which runtimes of a node are to trust the registry.

use super::{Refusal, RefusalKind};
use crate::NodeFacts;
use crate::containerd::{CONFIG_FILE, ContainerdConfig};
use crate::rancher::Rancher;

/// A runtime that is to trust the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    Containerd,
    Docker,
    Crio,
    Podman,
    Rancher(Rancher),
}

/// The runtimes that pull for the kubelet: those that run; where none does (an image being built),
/// those that are installed. Where several could, the kubelet's endpoint decides. Docker, whose users
/// pull too, counts beside them; podman, which pulls for nobody else, only where it is alone.
pub(super) fn serving(facts: &NodeFacts) -> Result<Vec<Runtime>, Refusal> {
    let running = [
        "containerd",
        "dockerd",
        "crio",
        "k3s-server",
        "k3s-agent",
        "rke2",
    ]
    .iter()
    .any(|name| facts.runs(name));
    let there = |name: &str| match running {
        true => facts.runs(name),
        false => facts.program(name).is_some(),
    };
    let socket = facts.kubelet_socket();
    let uses = |word: &str| socket.as_deref().is_some_and(|path| path.contains(word));
    let uses_containerd = socket
        .as_deref()
        .is_some_and(|path| facts.runs("containerd") && facts.listens_on("containerd") == path);
    let mut found = Vec::new();
    if let Some(one) = rancher(facts, &there, socket.as_deref())? {
        found.push(Runtime::Rancher(one));
    } else if there("crio") && (uses("crio") || !uses_containerd) {
        if let Some(socket) = &socket
            && facts.runs("containerd")
            && !uses("crio")
        {
            return Err(neither(facts, socket));
        }
        found.push(Runtime::Crio);
    }
    let docker = there("dockerd");
    let config_there = facts.at(CONFIG_FILE).is_some();
    let containerd = there("containerd") || (!running && config_there);
    let by_docker = docker && (facts.runs("cri-dockerd") || uses("dockerd"));
    if containerd && !by_docker && found.is_empty() {
        is_known(facts)?;
        // Docker's containerd has its CRI plugin turned off.
        let disabled = || ContainerdConfig::of(facts).is_ok_and(|config| config.cri_disabled);
        if !docker || !disabled() {
            found.push(Runtime::Containerd);
        }
    }
    if docker {
        found.push(Runtime::Docker);
    }
    if found.is_empty() && facts.program("podman").is_some() {
        found.push(Runtime::Podman);
    }
    Ok(found)
}

/// Whether the kubelet pulls by the containerd that k3s or RKE2 starts. They start none where they are
/// given the endpoint of another runtime.
fn rancher(
    facts: &NodeFacts,
    there: &dyn Fn(&str) -> bool,
    socket: Option<&str>,
) -> Result<Option<Rancher>, Refusal> {
    let one = Rancher::ALL
        .into_iter()
        .find(|one| one.programs().iter().any(|name| there(name)));
    let Some(one) = one else {
        return Ok(None);
    };
    let own = one.own_containerd(facts);
    let others = ["containerd", "crio", "dockerd"];
    let others: Vec<&str> = others.into_iter().filter(|name| facts.runs(name)).collect();
    let is_own = match (socket, own) {
        (Some(socket), own) => {
            socket.starts_with(SOCKETS) || own.is_some_and(|own| facts.listens_on(own) == socket)
        }
        (None, Some(_)) => true,
        (None, None) => others.is_empty(),
    };
    let file = one.containerd_config();
    if !is_own && socket.is_none() && facts.at(&file).is_some() {
        // It was its own once, or is being started.
        return Err(Refusal::new(
            RefusalKind::UnsupportedRuntime,
            format!(
                "{name} runs without a containerd of its own and {} runs beside it, but {file} exists: \
                 which runtime {name} uses is not known",
                others.join(" and "),
                name = one.name()
            ),
            format!(
                "if {0} is starting, try again later; else set container-runtime-endpoint in \
                 /etc/rancher/{1}/config.yaml, or remove {file}",
                one.name(),
                one.id()
            ),
        ));
    }
    Ok(is_own.then_some(one))
}

/// Where the containerd of k3s and of RKE2 listens (k3s `pkg/agent/config/config.go`).
const SOCKETS: &str = "/run/k3s/";

/// Whether one containerd is the kubelet's, and its configuration is where it was started with.
fn is_known(facts: &NodeFacts) -> Result<(), Refusal> {
    let all = facts.containerds();
    if all.len() > 1 && facts.kubelet_containerd() != Some("containerd") {
        let each = all.iter().map(|name| {
            let config = facts.program(name).and_then(|one| one.config.as_deref());
            format!(
                "{} ({})",
                facts.listens_on(name),
                config.unwrap_or(CONFIG_FILE)
            )
        });
        let socket = facts.kubelet_socket();
        return Err(Refusal::new(
            RefusalKind::UnsupportedRuntime,
            format!(
                "more than one containerd runs on this node: {}; the kubelet's endpoint is {}, which \
                 is not that of exactly one of them",
                each.collect::<Vec<_>>().join(", "),
                socket.as_deref().unwrap_or("not known")
            ),
            "set containerRuntimeEndpoint in the kubelet's configuration, or stop the containerd that \
             the kubelet does not use",
        ));
    }
    let program = facts.program("containerd").filter(|one| one.running);
    match program.and_then(|one| one.config.as_deref()) {
        Some(file) if facts.at(file).is_none() => Err(missing(file, "containerd")),
        _ => Ok(()),
    }
}

/// CRI-O and containerd run, and the kubelet's endpoint is that of neither.
fn neither(facts: &NodeFacts, socket: &str) -> Refusal {
    Refusal::new(
        RefusalKind::UnsupportedRuntime,
        format!(
            "CRI-O and containerd run on this node, and the kubelet's endpoint, {socket}, is that of \
             neither: containerd listens on {}",
            facts.listens_on("containerd")
        ),
        "set containerRuntimeEndpoint in the kubelet's configuration to the socket of the runtime that it \
         uses, or stop the other one",
    )
}

/// A configuration file that a running program was started with and that does not exist.
pub(super) fn missing(file: &str, program: &str) -> Refusal {
    Refusal::new(
        RefusalKind::BrokenConfig,
        format!("{program} runs, but {file}, which containerd starts from, was not found"),
        format!("see that {file} exists, or restart {program}, then try again"),
    )
}
