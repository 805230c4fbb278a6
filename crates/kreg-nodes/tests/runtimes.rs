//! Real runtimes pull from the real registry by the path that serves the kubelet (or, of Docker
//! and podman, their users): not before kreg was there, then yes, and not after it has gone.
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

use kreg_nodes::{Fleet, State};
use machine::{IMAGE, MISSING, Machine, Registry};
use rstest::rstest;

/// By dockerd's own interface: its client only asks it to.
const DOCKER_PULL: &str = "sh -c 'set -eu; auth=$(printf %s \"{\\\"username\\\":\\\"myuser\\\",\\\"password\\\":\\\"mypasswd\\\",\\\"serveraddress\\\":\\\"docker-registry:5000\\\"}\" | base64 -w0); \
    told=$(curl -sS --unix-socket /run/docker.sock -X POST -H \"X-Registry-Auth: $auth\" \"http://d/images/create?fromImage=$1\"); \
    echo \"$told\"; case $told in *error*|*message*) exit 1 ;; esac' --";
const DOCKER_REMOVE: &str =
    "sh -c 'curl -sSf --unix-socket /run/docker.sock -X DELETE \"http://d/images/$1\"' --";
const PODMAN_PULL: &str = "podman --storage-driver vfs pull --creds myuser:mypasswd";
const PODMAN_REMOVE: &str = "podman --storage-driver vfs rmi";

/// Before, trusted, trusted once more, untrusted; and the machine as it was, to the byte.
fn proves(machine: &Machine, registry: &Registry, pull: &str, remove: &str, written: &[&str]) {
    machine.reaches(registry);
    let refused = |when: &str| {
        let known = ["no such host", "x509", "lookup docker-registry"];
        machine.sees(&format!("{pull} {IMAGE}"), when, &|good, told| {
            !good && known.iter().any(|word| told.contains(word))
        });
    };
    refused("before");
    // After that, for a runtime's own first use may leave something too.
    let before = machine.tree();
    let (trust, nodes) = (registry.trust(), [machine.node()]);
    let fleet = Fleet::new(machine);
    let receipt = &fleet.trust(&nodes, &trust, &|_| {})[0];
    assert_eq!(receipt.state, State::Changed, "{receipt}");
    let files: Vec<&str> = receipt
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(files, written);
    machine.until(&format!("{pull} {IMAGE}"));
    // What is not there is told as that, and not as a name or a certificate that is wrong.
    machine.sees(&format!("{pull} {MISSING}"), "missing", &|good, told| {
        let known = ["not found", "manifest unknown"];
        !good && known.iter().any(|word| told.contains(word))
    });
    let receipt = &fleet.trust(&nodes, &trust, &|_| {})[0];
    assert_eq!(receipt.state, State::Unchanged, "{receipt}");
    machine.exec(&format!("{remove} {IMAGE}"));
    machine.exec(&format!("{pull} {IMAGE}"));
    machine.exec(&format!("{remove} {IMAGE}"));
    let receipt = &fleet.untrust(&nodes, trust.instance(), &|_| {})[0];
    assert!(receipt.is_ok(), "{receipt}");
    refused("after");
    assert_eq!(machine.tree(), before);
}

#[rstest]
#[case::v20("12", "")]
#[case::v26("13", "")]
#[case::v28("14", "")]
#[case::image_store_v26("13", r#"{"features":{"containerd-snapshotter":true}}"#)]
#[case::image_store_v28("14", r#"{"features":{"containerd-snapshotter":true}}"#)]
#[ignore = "needs Docker with images kreg.test/runtimes:12, :13 and :14: run by cargo xtask test"]
fn docker_pulls(#[case] release: &str, #[case] daemon: &str) {
    let (registry, machine) = (Registry::start(), Machine::start(release));
    if !daemon.is_empty() {
        machine.exec(&format!(
            "mkdir -p /etc/docker; echo '{daemon}' >/etc/docker/daemon.json"
        ));
    }
    machine.spawn("dockerd --bridge=none --iptables=false --ip6tables=false");
    machine.until("curl -sSf --unix-socket /run/docker.sock http://d/info");
    let info = machine.exec("curl -sSf --unix-socket /run/docker.sock http://d/info");
    let stored = info.contains("io.containerd.snapshotter.v1");
    assert_eq!(stored, !daemon.is_empty(), "{info}");
    let ca = "/etc/docker/certs.d/docker-registry:5000/ca.crt";
    proves(
        &machine,
        &registry,
        DOCKER_PULL,
        DOCKER_REMOVE,
        &[ca, "/etc/hosts"],
    );
}

#[rstest]
#[case::v4("12", "4.3")]
#[case::v5("13", "5.4")]
#[case::v5_8("14", "5.8")]
#[ignore = "needs Docker with images kreg.test/runtimes:12, :13 and :14: run by cargo xtask test"]
fn podman_pulls(#[case] release: &str, #[case] version: &str) {
    let (registry, machine) = (Registry::start(), Machine::start(release));
    assert!(machine.exec("podman --version").contains(version));
    // A machine with podman alone.
    machine.exec("rm /usr/bin/containerd /usr/sbin/dockerd /etc/containerd/config.toml");
    let written = [
        "/etc/containers/certs.d/docker-registry:5000/ca.crt",
        "/etc/hosts",
    ];
    proves(&machine, &registry, PODMAN_PULL, PODMAN_REMOVE, &written);
}

/// What root's podman fails at, kreg refuses; what podman does not read, kreg does not refuse. CRI-O
/// reads these files by the same library.
#[rstest]
#[case::v4("12")]
#[case::v5("13")]
#[case::v5_8("14")]
#[ignore = "needs Docker with images kreg.test/runtimes:12, :13 and :14: run by cargo xtask test"]
fn podman_fails_where_kreg_refuses(#[case] release: &str) {
    let (registry, machine) = (Registry::start(), Machine::start(release));
    machine.exec("rm /usr/bin/containerd /usr/sbin/dockerd /etc/containerd/config.toml");
    machine.reaches(&registry);
    let (trust, nodes) = (registry.trust(), [machine.node()]);
    let fleet = Fleet::new(&machine);
    let receipt = &fleet.trust(&nodes, &trust, &|_| {})[0];
    assert_eq!(receipt.state, State::Changed, "{receipt}");
    let pull = format!("{PODMAN_PULL} {IMAGE}");
    machine.until(&pull);
    let home = "/root/.config/containers";
    let dir = "/etc/containers/certs.d/docker-registry:5000";
    let drop_in = "/etc/containers/registries.conf.d/99-ours.conf";
    let blocked = "[[registry]]\nlocation = \"docker-registry:5000\"\nblocked = true\n";
    let v1 = "[registries.insecure]\nregistries = [\"docker-registry:5000\"]\n";
    let reject = r#"{"default":[{"type":"reject"}]}"#;
    let policy = "/etc/containers/policy.json";
    let write = |path: &str, text: &str| {
        format!("mkdir -p \"$(dirname {path})\"; printf '%s' '{text}' >{path}")
    };
    // What is done, how podman fails (or not at all), and the file that kreg names.
    let cases: [(String, Option<&str>, &str); 13] = [
        (
            write(&format!("{dir}/a.cert"), ""),
            Some("missing key"),
            "a.cert",
        ),
        (
            write(&format!("{dir}/a.key"), ""),
            Some("missing client certificate"),
            "a.key",
        ),
        (
            format!("mkdir {dir}/x.crt"),
            Some("is a directory"),
            "x.crt",
        ),
        (
            format!("mkdir -p {home}/certs.d/docker-registry:5000"),
            Some("x509"),
            "/root/.config/containers/certs.d",
        ),
        (write(policy, reject), Some("rejected by policy"), policy),
        (format!("rm {policy}"), Some("policy.json"), policy),
        (
            write(&format!("{home}/policy.json"), reject),
            Some("rejected by policy"),
            home,
        ),
        (write(drop_in, blocked), Some("blocked"), drop_in),
        (write(drop_in, "[["), Some("99-ours.conf"), drop_in),
        (write(drop_in, v1), Some("v1"), drop_in),
        (
            write(&format!("{home}/registries.conf"), blocked),
            Some("blocked"),
            home,
        ),
        (
            write(&format!("{home}/registries.conf.d/1.conf"), blocked),
            Some("blocked"),
            home,
        ),
        // An empty file at home hides what is in /etc.
        (
            format!(
                "{}; {}",
                write(drop_in, "[["),
                write(&format!("{home}/registries.conf"), "")
            ),
            None,
            "",
        ),
    ];
    machine.exec("cp -a /etc/containers /tmp/etc-containers");
    for (done, fails, named) in cases {
        machine.exec(&done);
        let (good, told) = machine.try_exec(&pull);
        let receipt = &fleet.status(&nodes, &trust)[0];
        let shown = receipt.to_string();
        match fails {
            Some(words) => {
                assert!(!good && told.contains(words), "{done}: {told}");
                assert_eq!(receipt.state, State::Refused, "{done}: {shown}");
                assert!(shown.contains(named), "{done}: {shown}");
            }
            None => {
                assert!(good, "{done}: {told}");
                assert_eq!(receipt.state, State::Unchanged, "{done}: {shown}");
            }
        }
        machine.exec("rm -r /etc/containers; cp -a /tmp/etc-containers /etc/containers; rm -rf /root/.config/containers");
    }
    machine.exec(&pull);
    assert_eq!(fleet.status(&nodes, &trust)[0].state, State::Unchanged);
}

/// A process that only bears CRI-O's name, for no package of CRI-O is to be had here: what it was
/// given is found, its own files are read, and no secret of it leaves the node.
#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:13: run by cargo xtask test"]
fn of_a_crio_paths_are_read_and_no_secrets() {
    let (registry, machine) = (Registry::start(), Machine::start("13"));
    machine.exec(
        "printf '#!/bin/sh\\nsleep 600\\n' >/usr/bin/crio; chmod 755 /usr/bin/crio\n\
         mkdir -p /srv/home/.config/containers /srv/home/.docker /etc/containers/certs.d/docker-registry:5000\n\
         printf '[[registry]]\\nlocation = \"docker-registry:5000\"\\nblocked = true\\n' >/srv/told.conf\n\
         printf '{\"auths\":{\"docker-registry:5000\":{\"auth\":\"hunter2\"}}}' >/srv/home/.docker/config.json\n\
         printf '{\"auths\":{\"other:5000\":{\"auth\":\"hunter2\"}}}' >/srv/home/.config/containers/auth.json\n\
         echo hunter2 >/etc/containers/certs.d/docker-registry:5000/a.key",
    );
    machine.spawn(
        "env HOME=/srv/home TOKEN=hunter2 CONTAINER_REGISTRIES_CONF=/srv/other.conf \
         crio --password hunter2 --registries-conf=/srv/told.conf -signature-policy /srv/policy.json",
    );
    machine.until("pgrep -x crio");
    let (trust, nodes) = (registry.trust(), [machine.node()]);
    let facts = Fleet::new(&machine)
        .facts(&nodes, &trust)
        .remove(0)
        .1
        .unwrap();
    let options = &facts.programs["crio"].options;
    let options: Vec<_> = options
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    let wanted = [
        ("CONTAINER_REGISTRIES_CONF", "/srv/other.conf"),
        ("HOME", "/srv/home"),
        ("registries-conf", "/srv/told.conf"),
        ("signature-policy", "/srv/policy.json"),
    ];
    assert_eq!(options, wanted);
    let logins: Vec<_> = facts.logins.iter().map(String::as_str).collect();
    assert_eq!(logins, ["/srv/home/.docker/config.json"]);
    assert!(facts.content("/srv/told.conf").is_some());
    let shown = serde_json::to_string(&facts).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    let receipt = &Fleet::new(&machine).status(&nodes, &trust)[0];
    let shown = receipt.to_string();
    assert_eq!(receipt.state, State::Refused, "{shown}");
    assert!(
        shown.contains("/srv/told.conf") && shown.contains("systemctl reload crio"),
        "{shown}"
    );
}

/// Why CRI-O and podman are led by name: a redirect is followed, and the credentials are not sent.
#[test]
#[ignore = "needs Docker with image kreg.test/runtimes:13: run by cargo xtask test"]
fn a_redirect_loses_the_password() {
    let (registry, machine) = (Registry::start(), Machine::start("13"));
    machine.reaches(&registry);
    let ca = registry.trust().ca_pem().to_owned();
    machine.exec(&format!(
        "mkdir -p /etc/containers/certs.d/10.96.0.50:5000\n\
         printf '%s' '{ca}' >/etc/containers/certs.d/10.96.0.50:5000/ca.crt\n\
         printf '[[registry]]\\nprefix = \"docker-registry:5000\"\\nlocation = \"10.96.0.50:5000\"\\n' \
         >/etc/containers/registries.conf.d/50-redirect.conf"
    ));
    let (good, told) = machine.try_exec(&format!("{PODMAN_PULL} {IMAGE}"));
    assert!(!good && told.contains("authentication required"), "{told}");
}
