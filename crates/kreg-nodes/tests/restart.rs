//! The runtime's restart: on a real containerd that systemd runs, asked for and not, and where it
//! does not come back.
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

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kreg_nodes::{
    FileStatus, Fleet, InstanceId, Node, NodeTransport, Output, Receipt, State, TransportError,
    Trust,
};
use machine::{IMAGE, Machine, Registry};

const CONFIG: &str = "/etc/containerd/config.toml";
const PULL: &str =
    "crictl -t 60s -i unix:///run/containerd/containerd.sock pull --creds myuser:mypasswd";

fn trust(machine: &Machine, trust: &Trust) -> Receipt {
    Fleet::new(machine)
        .trust(&[machine.node()], trust, &|_| {})
        .remove(0)
}

fn untrust(machine: &Machine, trust: &Trust) -> Receipt {
    Fleet::new(machine)
        .untrust(&[machine.node()], trust.instance(), &|_| {})
        .remove(0)
}

/// When containerd was started last: it changes with each restart.
fn pid(machine: &Machine) -> String {
    machine.exec("systemctl show --property MainPID --value containerd")
}

/// Debian's own configuration looks nowhere.
#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:12: run by cargo xtask test"]
fn containerd_is_restarted_when_asked_for_and_only_then() {
    let (registry, machine) = (Registry::start(), Machine::with_systemd());
    machine.reaches(&registry);
    let (before, old) = (machine.tree(), pid(&machine));
    let wanted = registry.trust();

    let receipt = trust(&machine, &wanted);
    assert_eq!(receipt.state, State::Refused, "{receipt}");
    assert_eq!(
        (machine.tree(), pid(&machine)),
        (before.clone(), old.clone())
    );

    let wanted = wanted.with_restart(true);
    let planned = Fleet::new(&machine)
        .status(&[machine.node()], &wanted)
        .remove(0);
    assert_eq!(planned.state, State::Changed, "{planned}");
    assert_eq!(pid(&machine), old);
    let receipt = trust(&machine, &wanted);
    assert_eq!(receipt.state, State::Changed, "{receipt}");
    assert_eq!(receipt.files[0].path, CONFIG);
    let new = pid(&machine);
    assert_ne!(new, old);
    machine.exec(&format!("{PULL} {IMAGE}"));

    // From now on nothing is left to do, with leave to restart or without.
    for wanted in [&wanted, &registry.trust()] {
        let receipt = trust(&machine, wanted);
        assert_eq!(receipt.state, State::Unchanged, "{receipt}");
        assert_eq!(pid(&machine), new);
    }
    let receipt = untrust(&machine, &wanted);
    assert!(receipt.is_ok(), "{receipt}");
    let config = receipt
        .files
        .iter()
        .find(|file| file.path == CONFIG)
        .unwrap();
    assert_eq!(config.status, FileStatus::Restored);
    assert!(
        config.detail.contains("until it is restarted"),
        "{config:?}"
    );
    assert_eq!(machine.tree(), before);
    assert_eq!(pid(&machine), new);
}

/// A containerd that dies of the new configuration: the file is put back, containerd started again
/// with it, and no file of trust was written.
#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:12: run by cargo xtask test"]
fn containerd_that_does_not_come_back_is_brought_back() {
    let (registry, machine) = (Registry::start(), Machine::with_systemd());
    machine.exec(
        "mkdir -p /etc/systemd/system/containerd.service.d\n\
         printf '[Service]\\nExecStartPre=/bin/sh -c \"! grep -q certs.d /etc/containerd/config.toml\"\\n' \
         >/etc/systemd/system/containerd.service.d/picky.conf\nsystemctl daemon-reload",
    );
    let (before, old) = (machine.tree(), pid(&machine));
    let wanted = registry.trust().with_restart(true);
    let receipt = trust(&machine, &wanted);
    assert_eq!(receipt.state, State::Failed, "{receipt}");
    assert_eq!(receipt.step.as_deref(), Some("restart"));
    let reason = receipt.reason.unwrap();
    assert!(
        reason.contains("put back") && reason.contains("is well"),
        "{reason}"
    );
    assert_eq!(machine.tree(), before);
    assert_ne!(pid(&machine), old);
    machine.exec("crictl -r unix:///run/containerd/containerd.sock version");
}

/// A containerd that starts, and whose CRI plugin does not: what mirrors in an import that kreg
/// cannot see do. Told by crictl, and where there is none by containerd's own client.
#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:12: run by cargo xtask test"]
fn a_cri_that_does_not_answer_is_seen() {
    let (registry, machine) = (Registry::start(), Machine::with_systemd());
    machine
        .exec("systemctl stop containerd && mkdir /opt/real && mv /usr/bin/containerd /opt/real/");
    // With config_path it is given mirrors too, at the last moment.
    machine.exec(
        "cat >/usr/bin/containerd <<'END'\n#!/bin/sh\nset -- \"$@\"\nif [ $# -eq 0 ] && grep -q certs.d /etc/containerd/config.toml; then\n  \
         { cat /etc/containerd/config.toml; printf '[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"a\"]\\nendpoint = [\"https://a\"]\\n'; } >/run/bad.toml\n  \
         exec /opt/real/containerd --config /run/bad.toml\nfi\nexec /opt/real/containerd \"$@\"\nEND\n\
         chmod 755 /usr/bin/containerd; systemctl restart containerd",
    );
    for witness in ["crictl", "ctr"] {
        if witness == "ctr" {
            machine.exec("mv /usr/local/bin/crictl /usr/local/bin/crictl.away");
        }
        machine.until("ctr plugins ls | grep -q ' cri .* ok'");
        let before = machine.tree();
        // Three seconds instead of sixty.
        let wanted = registry.trust().with_restart(true);
        let receipt = Fleet::new(&Impatient(&machine))
            .trust(&[machine.node()], &wanted, &|_| {})
            .remove(0);
        assert_eq!(receipt.state, State::Failed, "{witness}: {receipt}");
        let reason = receipt.reason.unwrap();
        assert!(
            reason.contains("does not answer within 3 s") && reason.contains("is well"),
            "{witness}: {reason}"
        );
        assert_eq!(machine.tree(), before, "{witness}");
    }
}

/// Waits three seconds for a runtime.
struct Impatient<'a>(&'a Machine);

impl NodeTransport for Impatient<'_> {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        self.0
            .run(node, &format!("KREG_RESTART_WAIT=3\n{script}"), timeout)
    }
}

/// Nodes whose containerd looks nowhere, and of which one does not come back: what real ones do
/// one after the other cannot be seen, what is asked of them can.
struct Three {
    asked: Mutex<Vec<String>>,
    under_way: AtomicUsize,
}

impl NodeTransport for Three {
    fn run(&self, node: &Node, script: &str, _: Duration) -> Result<Output, TransportError> {
        let program = ["restart", "apply"]
            .into_iter()
            .find(|name| script.contains(&format!("\nprogram={name}\n")));
        let answer = match program {
            None => "kreg-probe 1\nuid 0\nrunning containerd\nversion containerd containerd x 1.7.24 y\n\
                     data\n\nmounts\nkreg-probe end\n"
                .to_owned(),
            Some(program) => {
                let alone = self.under_way.fetch_add(1, Ordering::SeqCst) == 0;
                thread::sleep(Duration::from_millis(20));
                self.under_way.fetch_sub(1, Ordering::SeqCst);
                let mut asked = self.asked.lock().unwrap();
                asked.push(format!("{program} {} {alone}", node.name));
                let (state, step, files) = match (program, node.name.as_str()) {
                    ("restart", "b") => (
                        "failed",
                        "restart",
                        r#"{"path":"/etc/containerd/config.toml","status":"failed","detail":"no"}"#,
                    ),
                    _ => ("changed", "", ""),
                };
                format!(
                    r#"{{"schema":"kreg/v1","program":"{program}","instance":"docker-registry","state":"{state}","step":"{step}","files":[{files}]}}"#
                )
            }
        };
        Ok(Output {
            stdout: answer.into_bytes(),
            stderr: Vec::new(),
            status: Some(0),
        })
    }
}

#[test]
fn one_at_a_time_and_none_after_one_that_is_lost() {
    let three = Three {
        asked: Mutex::new(Vec::new()),
        under_way: AtomicUsize::new(0),
    };
    let nodes = ["a", "b", "c"].map(|name| Node::new(name, ""));
    let ca = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
    let instance = InstanceId::new("docker-registry").unwrap();
    let wanted = Trust::new(instance, "docker-registry:5000".parse().unwrap(), ca).unwrap();
    let wanted = wanted.with_restart(true);
    let receipts = Fleet::new(&three).trust(&nodes, &wanted, &|_| {});
    let states: Vec<State> = receipts.iter().map(|receipt| receipt.state).collect();
    assert_eq!(
        states,
        [State::Changed, State::Failed, State::Refused],
        "{receipts:?}"
    );
    assert!(
        receipts[2]
            .reason
            .as_deref()
            .unwrap()
            .contains("the restart on b"),
        "{receipts:?}"
    );
    let asked = three.asked.into_inner().unwrap();
    assert_eq!(asked, ["restart a true", "apply a true", "restart b true"]);
}
