//! What goes wrong on a node: files, the runtime's configuration, clock, ssh.

use serde_json::json;

use super::breaks::{Break, NAMESPACE, nodes_command, nothing};
use crate::cluster::Node;
use crate::e2e::image;
use crate::e2e::world::World;
use crate::failure::Result;
use crate::images::BUSYBOX;

/// What the nodes' containerd reads: with its default configuration it takes the list for one name.
const ROOT: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";
const DIR: &str = "/etc/containerd/certs.d:/etc/docker/certs.d/docker-registry:5000";
/// The table that containerd reads registries from.
const TABLE: &str = "plugins.\"io.containerd.cri.v1.images\".registry";
const DROP_IN: &str = "/etc/systemd/system/containerd.service.d";
/// Where containerd writes what it is pulling.
const INGEST: &str = "/var/lib/containerd/io.containerd.content.v1.content/ingest";

pub(super) const BREAKS: &[Break] = &[
    Break {
        id: "hosts-toml-broken",
        what: "a hosts.toml that is no TOML",
        breaks: |world| {
            on(
                world,
                &format!("echo '[host.\"https://10.96.0.50:5000\"' > {DIR}/hosts.toml"),
            )
        },
        fixes: trust_again,
    },
    Break {
        id: "hosts-toml-no-host",
        what: "a hosts.toml without a [host] table",
        breaks: |world| {
            on(
                world,
                &format!(
                    "printf 'server = \"https://docker-registry:5000\"\\nca = \"ca.crt\"\\n' > {DIR}/hosts.toml"
                ),
            )
        },
        fixes: trust_again,
    },
    Break {
        id: "stale-address",
        what: "a hosts.toml with the address of an earlier Service",
        breaks: |world| {
            on(
                world,
                &format!(
                    "sed -i 's#host.\"https://[0-9.]*:#host.\"https://10.96.99.99:#' {DIR}/hosts.toml"
                ),
            )
        },
        fixes: trust_again,
    },
    Break {
        id: "plain-http-endpoint",
        what: "a hosts.toml that leads to http://",
        breaks: |world| {
            on(
                world,
                &format!("sed -i 's#host.\"https:#host.\"http:#' {DIR}/hosts.toml"),
            )
        },
        fixes: trust_again,
    },
    Break {
        id: "ca-file-missing",
        what: "a hosts.toml whose CA file is gone",
        breaks: |world| on(world, &format!("rm {DIR}/ca.crt")),
        fixes: trust_again,
    },
    Break {
        id: "node-wrong-ca",
        what: "a node with the CA of another registry",
        breaks: wrong_ca,
        fixes: trust_again,
    },
    Break {
        id: "trust-edited",
        what: "a hosts.toml that somebody added to",
        breaks: |world| on(world, &format!("sed -i '1i # mine' {DIR}/hosts.toml")),
        fixes: trust_again,
    },
    Break {
        id: "trust-erased",
        what: "somebody who erased the directory",
        breaks: |world| on(world, &format!("rm -r {DIR}")),
        fixes: trust_again,
    },
    Break {
        id: "trust-erased",
        what: "a DaemonSet that erases directories it does not know, again and again, and is named",
        breaks: erased_again,
        fixes: |world| {
            no_eraser(world)?;
            trust_again(world)
        },
    },
    Break {
        id: "trust-missing",
        what: "a node that was never told, as one that joined later",
        breaks: |world| nodes_command(world, "untrust", 1),
        fixes: trust_again,
    },
    Break {
        id: "pull-not-trusted",
        what: "a Pod whose pull failed before its node was fixed",
        breaks: |world| {
            wrong_ca(world)?;
            pulling(world, "docker-registry:5000/any:v1")?;
            image::await_refused(world, "default", "doctor")?;
            trust_again(world)
        },
        fixes: no_pod,
    },
    Break {
        id: "directory-shadowed",
        what: "a directory by the other spelling of the name",
        breaks: |world| on(world, &format!("mkdir {ROOT}/docker-registry_5000_")),
        fixes: |world| on(world, &format!("rmdir {ROOT}/docker-registry_5000_")),
    },
    Break {
        id: "stale-hosts",
        what: "a line in /etc/hosts from an earlier registry",
        breaks: |world| on(world, "echo '10.96.99.99 docker-registry' >> /etc/hosts"),
        fixes: no_line,
    },
    Break {
        id: "runtime-config-broken",
        what: "registry.mirrors beside config_path, which keeps the CRI plugin from loading",
        breaks: |world| {
            let set = "sed -i '/registry\\]$/,/config_path/ s|config_path = .*|config_path = \"/etc/containerd/certs.d\"|' /etc/containerd/config.toml";
            mirrors(world, set)
        },
        fixes: config_back,
    },
    Break {
        id: "config-path-unset",
        what: "a containerd that looks in no directory",
        breaks: no_config_path,
        fixes: nothing,
    },
    Break {
        id: "config-not-loaded",
        what: "a configuration that is right again, and a containerd that was not restarted",
        breaks: |world| {
            // A second later than containerd's start, for times are compared by seconds.
            on(
                world,
                "sleep 2; cat /run/kreg-doctor.toml > /etc/containerd/config.toml",
            )?;
            let pushed = image::push_fresh(world, world.node(0)?, "kreg")?;
            pulling(world, &pushed.reference)
        },
        fixes: |world| {
            no_pod(world)?;
            config_back(world)?;
            on(world, "systemctl restart containerd")
        },
    },
    Break {
        id: "node-refused",
        what: "a directory in the place of hosts.toml, as a mount of a missing file makes it",
        breaks: |world| {
            on(
                world,
                &format!("rm {DIR}/hosts.toml; mkdir {DIR}/hosts.toml"),
            )
        },
        fixes: |world| {
            on(world, &format!("rmdir {DIR}/hosts.toml"))?;
            trust_again(world)
        },
    },
    Break {
        id: "proxy-swallows-address",
        what: "a proxy for containerd that knows nothing of ClusterIPs",
        breaks: |world| {
            let proxy =
                "Environment=HTTPS_PROXY=http://user:geheim@127.0.0.1:3128 NO_PROXY=localhost,.svc";
            drop_in(world, proxy)?;
            // What a URL holds of passwords is not shown.
            let told = world.kreg(["doctor"]).ran()?;
            match told.stdout.contains("geheim") {
                false => Ok(()),
                true => Err(told.wrong("see no password", "it is shown")),
            }
        },
        fixes: no_drop_in,
    },
    Break {
        id: "trust-not-read",
        what: "a containerd whose unit hides the files that are there for everybody else",
        breaks: |world| {
            let hidden = "TemporaryFileSystem=/etc/containerd\n\
                BindReadOnlyPaths=/etc/containerd/config.toml /etc/containerd/cri-base.json";
            drop_in(world, hidden)
        },
        fixes: no_drop_in,
    },
    Break {
        id: "node-pull-fails",
        what: "a containerd that may not write down what it pulls",
        breaks: |world| {
            on(
                world,
                &format!("mount -t tmpfs -o ro,size=4k kreg-doctor {INGEST}"),
            )
        },
        fixes: writable,
    },
    Break {
        id: "clock-skew",
        what: "a clock that is three days ahead (a stand-in for date, for containers share a clock)",
        breaks: |world| {
            on(
                world,
                "printf '#!/bin/sh\\nexec /usr/bin/date -d \"3 days\" \"$@\"\\n' > /usr/local/bin/date; chmod +x /usr/local/bin/date",
            )
        },
        fixes: |world| on(world, "rm -f /usr/local/bin/date"),
    },
    Break {
        id: "node-unreachable",
        what: "a node without sshd",
        breaks: |world| on(world, "systemctl stop ssh"),
        fixes: |world| on(world, "systemctl start ssh"),
    },
    Break {
        id: "node-not-ready",
        what: "a node whose kubelet has ended",
        breaks: |world| {
            let node = without_registry(world)?;
            world.on(node, "systemctl stop kubelet").good()?;
            ready(world, node, "Unknown")
        },
        fixes: |world| {
            let node = without_registry(world)?;
            world.on(node, "systemctl start kubelet").good()?;
            ready(world, node, "True")
        },
    },
];

/// Where the registry is found by its name.
pub(super) const BY_NAME: &[Break] = &[
    Break {
        id: "stale-hosts",
        what: "the line of an earlier registry before kreg's own, and the first one wins",
        breaks: |world| {
            on(
                world,
                "{ echo '10.96.99.99 docker-registry'; cat /etc/hosts; } > /run/kreg-doctor.hosts\n\
                 cat /run/kreg-doctor.hosts > /etc/hosts; rm /run/kreg-doctor.hosts",
            )
        },
        fixes: no_line,
    },
    Break {
        id: "trust-edited",
        what: "kreg's lines in /etc/hosts taken out, as by cloud-init",
        breaks: |world| {
            on(
                world,
                "sed '/# BEGIN kreg/,/# END kreg/d' /etc/hosts > /run/kreg-doctor.hosts\n\
                 cat /run/kreg-doctor.hosts > /etc/hosts; rm /run/kreg-doctor.hosts",
            )
        },
        fixes: trust_again,
    },
];

/// Whatever a break that failed half way may have left.
pub(super) fn put_back(world: &World) -> Result<()> {
    no_pod(world)?;
    no_eraser(world)?;
    no_line(world)?;
    no_drop_in(world)?;
    writable(world)?;
    config_back(world)?;
    on(
        world,
        &format!(
            "rm -f /usr/local/bin/date; systemctl start ssh kubelet\n\
             rmdir {ROOT}/docker-registry_5000_ 2>/dev/null || true"
        ),
    )
}

/// The node that a break is done to.
pub(super) fn broken<'w>(world: &'w World, id: &str) -> Result<&'w Node> {
    match id {
        "node-not-ready" => without_registry(world),
        _ => world.node(1),
    }
}

/// By the name of OpenShift's, which does the same.
const ERASER: [&str; 3] = ["daemonset/node-ca", "--namespace", "default"];

/// It erases once more what is written there once more.
fn erased_again(world: &World) -> Result<()> {
    let node = world.node(1)?;
    // No path of a mount may hold a colon.
    let script = "while :; do rm -rf /certs/docker-registry:5000; sleep 1; done";
    world.create(&json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "node-ca", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "node-ca" } },
            "template": {
                "metadata": { "labels": { "app": "node-ca" } },
                "spec": {
                    "nodeSelector": { "kubernetes.io/hostname": node.name },
                    "terminationGracePeriodSeconds": 0,
                    "volumes": [{ "name": "certs", "hostPath": { "path": ROOT } }],
                    "containers": [{
                        "name": "erase", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent",
                        "command": ["/bin/busybox", "sh", "-c", format!("PATH=/bin; {script}")],
                        "volumeMounts": [{ "name": "certs", "mountPath": "/certs" }],
                    }],
                },
            },
        },
    }))?;
    let gone = format!("for _ in $(seq 60); do [ -e {DIR} ] || exit 0; sleep 1; done; exit 1");
    on(world, &gone)?;
    // Whether its own check or the next look sees it gone already is a matter of moments.
    let node = &node.name;
    world.kreg(["nodes", "trust", "--node", node]).ran()?;
    on(world, &gone)?;
    let named = "DaemonSet default/node-ca writes or erases files of registries on nodes";
    let doctor = world.kreg(["doctor"]).ends_with(1)?;
    doctor.shows(&[named]).map(drop)
}

fn no_eraser(world: &World) -> Result<()> {
    // Its Pod first, which would erase on.
    let words = ["--ignore-not-found", "--cascade=foreground"];
    let words = ["delete"].iter().chain(&ERASER).chain(&words);
    world.kubectl(words).good()?;
    // Its process may outlive the Pod's object by a moment.
    on(
        world,
        "for _ in $(seq 60); do pgrep -f /certs/docker-registry >/dev/null || exit 0; sleep 1; done; exit 1",
    )
}

/// A worker on which the registry's Pod is not: with that one it would go, too.
pub(super) fn without_registry(world: &World) -> Result<&Node> {
    let words = ["pods", "--namespace", NAMESPACE, "--selector"];
    let pods = world.get(
        words
            .iter()
            .chain(&["app.kubernetes.io/component=registry"]),
    )?;
    let holds = |node: &Node| pods["items"][0]["spec"]["nodeName"] == node.name;
    match holds(world.node(2)?) {
        true => world.node(1),
        false => world.node(2),
    }
}

fn ready(world: &World, node: &Node, status: &str) -> Result<()> {
    let condition = format!("--for=condition=Ready={status}");
    let words = ["wait", &condition, "node", &node.name, "--timeout=110s"];
    world.kubectl(words).good().map(drop)
}

fn on(world: &World, script: &str) -> Result<()> {
    world.on(world.node(1)?, script).good().map(drop)
}

/// The fix that doctor names.
fn trust_again(world: &World) -> Result<()> {
    nodes_command(world, "trust", 1)
}

fn wrong_ca(world: &World) -> Result<()> {
    on(
        world,
        &format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null \
             -subj '/CN=another CA' -days 9 -out /run/kreg-doctor.crt 2>/dev/null\n\
             cat /run/kreg-doctor.crt > {DIR}/ca.crt; rm /run/kreg-doctor.crt"
        ),
    )
}

/// A Pod on that node that pulls by the registry's name.
fn pulling(world: &World, image: &str) -> Result<()> {
    let pod = image::pod("doctor", "default", world.node(1)?, image, None);
    world.create(&pod).map(drop)
}

fn no_pod(world: &World) -> Result<()> {
    let words = ["delete", "pod", "doctor", "--ignore-not-found", "--now"];
    world.kubectl(words).good().map(drop)
}

/// Mirrors alone: containerd goes by them, and looks in no directory.
fn no_config_path(world: &World) -> Result<()> {
    mirrors(world, "systemctl restart containerd")
}

/// A mirror in containerd's configuration, whose copy is kept, and one more command.
fn mirrors(world: &World, then: &str) -> Result<()> {
    on(
        world,
        &format!(
            "cp -p /etc/containerd/config.toml /run/kreg-doctor.toml\n\
             printf '[{TABLE}.mirrors.\"x\"]\\n  endpoint = [\"https://x\"]\\n' >> /etc/containerd/config.toml\n{then}"
        ),
    )
}

fn config_back(world: &World) -> Result<()> {
    on(
        world,
        "if [ -e /run/kreg-doctor.toml ]; then cp -p /run/kreg-doctor.toml /etc/containerd/config.toml; rm /run/kreg-doctor.toml; fi",
    )
}

/// One more line for containerd's unit.
fn drop_in(world: &World, line: &str) -> Result<()> {
    on(
        world,
        &format!(
            "mkdir -p {DROP_IN}\n\
             printf '[Service]\\n%s\\n' '{line}' > {DROP_IN}/kreg-doctor.conf\n\
             systemctl daemon-reload; systemctl restart containerd"
        ),
    )
}

fn writable(world: &World) -> Result<()> {
    on(
        world,
        &format!("while mountpoint -q {INGEST}; do umount {INGEST} || exit 1; done"),
    )
}

fn no_drop_in(world: &World) -> Result<()> {
    on(
        world,
        &format!(
            "if [ -e {DROP_IN}/kreg-doctor.conf ]; then rm {DROP_IN}/kreg-doctor.conf; rmdir {DROP_IN} 2>/dev/null || true\n\
             systemctl daemon-reload; systemctl restart containerd; fi"
        ),
    )
}

/// In place: the node's /etc/hosts is a mount.
fn no_line(world: &World) -> Result<()> {
    on(
        world,
        "grep -v '^10.96.99.99 ' /etc/hosts > /run/kreg-doctor.hosts\n\
         if ! cmp -s /run/kreg-doctor.hosts /etc/hosts; then cat /run/kreg-doctor.hosts > /etc/hosts; fi\n\
         rm /run/kreg-doctor.hosts",
    )
}
