//! What a probe sees of real processes: who started a containerd, and which one the kubelet uses.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

#[path = "common/entered.rs"]
mod entered;
#[path = "common/machine.rs"]
mod machine;

use kreg_nodes::{Fleet, InstanceId, NodeFacts, NodePlan, Trust};
use machine::Machine;

const CA: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

fn trust() -> Trust {
    let instance = InstanceId::new("docker-registry").unwrap();
    let host = "docker-registry:5000".parse().unwrap();
    Trust::new(instance, host, CA)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
}

fn facts(machine: &Machine) -> NodeFacts {
    let told = Fleet::new(machine).facts(&[machine.node()], &trust());
    told.into_iter().next().unwrap().1.unwrap()
}

fn first_path(facts: &NodeFacts) -> String {
    let plan = NodePlan::decide(facts, &trust()).unwrap();
    plan.edits()[0].path().to_owned()
}

/// A containerd with its own directories that looks for registries below `/data/NAME/certs.d`.
fn configure(machine: &Machine, name: &str) {
    machine.exec(&format!(
        "mkdir -p /data/{name}\ncat >/data/{name}/config.toml <<'END'\nversion = 2\nroot = \"/tmp/{name}/root\"\n\
         state = \"/run/{name}\"\n[grpc]\naddress = \"/run/{name}/containerd.sock\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/data/{name}/certs.d\"\nEND\n"
    ));
}

/// A program of this name that runs this script; the kernel names a process by its file.
fn program(machine: &Machine, name: &str, script: &str) {
    machine.exec(&format!(
        "cat >/usr/local/bin/{name} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod 755 /usr/local/bin/{name}"
    ));
}

fn told_the_systems_socket(seen: &NodeFacts) {
    let socket = seen.kubelet_socket();
    assert_eq!(socket.as_deref(), Some("/run/containerd/containerd.sock"));
    // `Debug` would show files as numbers.
    let all = serde_json::to_string(seen).unwrap();
    assert!(!all.contains("secret"), "{all}");
}

#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:12: run by cargo xtask test"]
fn a_containerd_is_known_by_who_started_it_and_by_the_kubelets_endpoint() {
    let machine = Machine::with_systemd();
    let seen = facts(&machine);
    let system = &seen.programs["containerd"];
    assert_eq!(system.unit.as_deref(), Some("containerd"));
    assert_eq!(system.parent.as_deref(), Some("systemd"));
    assert!(!seen.programs.contains_key("containerd.2"), "{seen:?}");

    // One that k3s started, from a directory that does not look like it.
    configure(&machine, "own");
    program(
        &machine,
        "k3s-server",
        "[ \"$1\" != --version ] || { echo 'k3s version v1.34.1+k3s1 (x)'; exit; }\n\
         containerd -c /data/own/config.toml &\nwait",
    );
    machine.exec("cp /usr/local/bin/k3s-server /usr/local/bin/k3s");
    machine.spawn("/usr/local/bin/k3s-server");
    machine.until("crictl -r unix:///run/own/containerd.sock version");
    let seen = facts(&machine);
    let own = &seen.programs["k3s-containerd"];
    assert_eq!(own.parent.as_deref(), Some("k3s-server"));
    assert_eq!(own.config.as_deref(), Some("/data/own/config.toml"));
    assert!(seen.runs("k3s-server") && seen.runs("containerd"));
    assert_eq!(
        first_path(&seen),
        "/data/own/certs.d/docker-registry:5000/ca.crt"
    );
    // What an administrator told k3s to use, and nothing else of that file, wherever it is.
    machine.exec(
        "mkdir -p /etc/rancher/k3s\nprintf 'token: secret\ncontainer-runtime-endpoint: \
         \"/run/containerd/containerd.sock\"\n' >/etc/rancher/k3s/config.yaml",
    );
    told_the_systems_socket(&facts(&machine));
    let end = "pkill -x k3s-server && pkill -f '[d]ata/own/'\n\
               while pgrep -f '[d]ata/own/'; do sleep 0.1; done";
    machine.exec(&format!("mv /etc/rancher/k3s/config.yaml /data\n{end}"));
    machine.spawn("/usr/local/bin/k3s-server server --config /data/config.yaml");
    machine.until("crictl -r unix:///run/own/containerd.sock version");
    told_the_systems_socket(&facts(&machine));
    machine.exec(end);

    // Two that nobody in particular started, and a kubelet that uses the second.
    configure(&machine, "other");
    machine
        .spawn("containerd --address /run/third/containerd.sock --config /data/other/config.toml");
    machine.until("crictl -r unix:///run/third/containerd.sock version");
    program(&machine, "kubelet", "sleep 1000");
    machine.exec("printf 'containerRuntimeEndpoint: unix:///var/run/third/containerd.sock\\n' >/data/kubelet.yaml");
    machine.spawn("/usr/local/bin/kubelet --config=/data/kubelet.yaml");
    machine.until("pgrep -x kubelet");
    let seen = facts(&machine);
    let chosen = &seen.programs["containerd"];
    assert_eq!(chosen.config.as_deref(), Some("/data/other/config.toml"));
    assert_eq!(chosen.unit, None);
    assert_eq!(
        seen.programs["containerd.2"].unit.as_deref(),
        Some("containerd")
    );
    assert_eq!(
        first_path(&seen),
        "/data/other/certs.d/docker-registry:5000/ca.crt"
    );

    // MicroK8s has the kubelet in a program of another name, with its arguments in a file.
    machine.exec("pkill -x kubelet");
    program(&machine, "kubelite", "sleep 1000");
    machine.exec("printf '%s\\n' '--v=2' '--container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock' >/data/args");
    machine.spawn("/usr/local/bin/kubelite --kubelet-args-file=/data/args");
    machine.until("pgrep -x kubelite");
    let seen = facts(&machine);
    let socket = "/var/snap/microk8s/common/run/containerd.sock";
    assert_eq!(seen.kubelet_socket().as_deref(), Some(socket));
    // Which is neither of the two.
    assert!(NodePlan::decide(&seen, &trust()).is_err());

    // A kubelet whose configuration is overridden by a file in a directory.
    machine.exec("pkill -x kubelite; mkdir -p /data/kubelet.d");
    machine.exec("printf 'containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n' >/data/kubelet.d/1.conf");
    machine
        .spawn("/usr/local/bin/kubelet --config /data/kubelet.yaml --config-dir=/data/kubelet.d");
    machine.until("pgrep -x kubelet");
    let seen = facts(&machine);
    let unit = seen.programs["containerd"].unit.as_deref();
    assert_eq!(unit, Some("containerd"));
}
