//! The policy on the agents' namespace keeps `edit` and `admin` out, and lets the control plane work.
//!
//! Every attempt is made twice: with the policy, where it must be refused by the policy and nothing else, and without
//! it, where it must succeed. So an attempt that could never succeed fails the story.

use std::time::Duration;

use serde_json::{Value, json};

use super::daemonset::{AGENTS, agent, agents_are_ready, await_agent};
use super::{
    rights,
    steps::{down, namespace_complete},
};
use crate::cluster::Node;
use crate::e2e::call::{Call, Ran};
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// Where the accounts are that must not get in.
const PLACE: &str = "kreg-e2e-intruders";
/// Roles of Kubernetes that reach into every namespace when they are bound for the cluster.
const ROLES: [&str; 2] = ["edit", "admin"];
/// What `kubectl debug` takes besides; no role of Kubernetes has it.
const DEBUG: &str = "kreg-e2e-debug";
const POLICY: &str = "ValidatingAdmissionPolicy 'kreg-nodes'";
/// A node that nothing runs on.
const NEW_NODE: &str = "kreg-e2e-new-node";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("the intruders", |world| {
        let bindings = ROLES.map(|role| format!("clusterrolebinding/kreg-e2e-{role}"));
        let debug = ROLES.map(|role| format!("clusterrolebinding/{DEBUG}-{role}"));
        let others = [format!("clusterrole/{DEBUG}"), format!("namespace/{PLACE}")];
        let all = bindings.iter().chain(&debug).chain(&others);
        let delete = world.kubectl(["delete", "--ignore-not-found", "--wait"]);
        delete.args(all).good().map(drop)
    });
    scene.check(
        "accounts with edit and admin for the whole cluster are made",
        intruders,
    )?;
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.afterwards("kreg down", down);
    scene.check("kreg up --nodes-by daemonset ends with 0", up)?;
    scene.check("every agent is ready", agents_are_ready)?;
    scene.check("kreg status says nothing about protection", |world| {
        let status = world.kreg(["status", "--output", "json"]).good()?;
        match status.json()?.get("agentsUnprotected") {
            None => Ok(()),
            Some(why) => Err(status.wrong("see the agents protected", why)),
        }
    })?;
    for role in ROLES {
        scene.check(
            &format!("the policy refuses every attempt of {role}"),
            |world| {
                let refused = |ran: &Ran| ran.code != Some(0) && ran.stderr.contains(POLICY);
                every(world, role, refused)
            },
        )?;
    }
    scene.check("but a network plugin may annotate a Pod", |world| {
        let pod = name_of(&an_agent(world)?);
        by(
            world,
            ROLES[0],
            &[
                "annotate",
                "pod",
                &pod,
                "kreg-e2e=noted",
                "--dry-run=server",
            ],
        )
        .good()
        .map(drop)
    })?;
    let node = scene.world.node(1)?;
    control_plane(scene, node)?;
    without_policy(scene)?;
    deleted_namespace(scene)?;
    scene.check("kreg down ends with 0", down)?;
    scene.check("no policy is left", |world| {
        let left = [
            "validatingadmissionpolicies,validatingadmissionpolicybindings",
            "--output=name",
        ];
        match world.kubectl(["get"]).args(left).read()? {
            none if none.is_empty() => Ok(()),
            some => Err(Failure::new("see no policy", some)),
        }
    })?;
    scene.check("all is as before", |world| before.await_return(world))
}

fn up(world: &World) -> Result<()> {
    let words = ["up", "--nodes-by", "daemonset", "--skip-verify"];
    world.kreg(words).good().map(drop)
}

fn intruders(world: &World) -> Result<()> {
    world.kubectl(["create", "namespace", PLACE]).good()?;
    namespace_complete(world, PLACE)?;
    let rule = ["--verb=update,patch", "--resource=pods/ephemeralcontainers"];
    world
        .kubectl(["create", "clusterrole", DEBUG])
        .args(rule)
        .good()?;
    for role in ROLES {
        let place = ["--namespace", PLACE];
        world
            .kubectl(["create", "serviceaccount", role])
            .args(place)
            .good()?;
        let account = format!("--serviceaccount={PLACE}:{role}");
        for (name, bound) in [
            (format!("kreg-e2e-{role}"), role),
            (format!("{DEBUG}-{role}"), DEBUG),
        ] {
            let words = ["create", "clusterrolebinding", &name];
            let role = format!("--clusterrole={bound}");
            world.kubectl(words).args([&role, &account]).good()?;
        }
        rights::kubeconfig(world, PLACE, role)?;
    }
    Ok(())
}

/// kubectl as the account of this role, in the agents' namespace.
fn by(world: &World, role: &str, words: &[&str]) -> Call {
    let config = world.file(&format!("{role}.json"));
    world
        .kubectl(["--namespace", AGENTS, "--kubeconfig"])
        .args([config])
        .args(words)
}

fn an_agent(world: &World) -> Result<Value> {
    let found = agent(world, world.node(1)?)?;
    found.ok_or_else(|| Failure::new("find an agent", "there is no Pod"))
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Makes every attempt, and wants each to end as `expected` says.
fn every(world: &World, role: &str, expected: impl Fn(&Ran) -> bool) -> Result<()> {
    let mut wrong = Vec::new();
    for (what, call) in attempts(world, role)? {
        let ran = call.ran()?;
        if !expected(&ran) {
            wrong.push(format!("{what}: {:?} {}", ran.code, ran.stderr.trim()));
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            "make every attempt as expected",
            wrong.join("\n"),
        )),
    }
}

/// What somebody would do to become root on a node. Nothing of it lasts: writes are dry runs of the server, which asks
/// for admission all the same.
fn attempts(world: &World, role: &str) -> Result<Vec<(String, Call)>> {
    let pod = an_agent(world)?;
    let name = name_of(&pod);
    let volume = &pod["spec"]["volumes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let programs = volume
        .iter()
        .find_map(|volume| volume["configMap"]["name"].as_str());
    let programs = programs.unwrap_or("no-such-config-map");
    let set = "docker-registry";
    let image = pod["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default();
    let with_image = format!("--image={image}");
    let other =
        json!({ "spec": { "containers": [{ "name": "agent", "image": "other" }] } }).to_string();
    let writes: [&[&str]; 15] = [
        &["delete", "pod", &name],
        &["delete", "pods", "--all"],
        &["label", "pod", &name, "kreg-e2e=x"],
        &["patch", "pod", &name, "--patch", &other],
        &["delete", "configmap", programs],
        &["label", "configmap", programs, "kreg-e2e=x"],
        &["create", "configmap", "x", "--from-literal=run.sh=id"],
        &["delete", "daemonset", set],
        &["label", "daemonset", set, "kreg-e2e=x"],
        &["set", "image", "daemonset", set, "agent=other"],
        &["delete", "serviceaccount", set],
        &["run", "x", &with_image],
        &["create", "deployment", "x", &with_image],
        &["create", "job", "x", &with_image],
        &["create", "cronjob", "x", "--schedule=@daily", &with_image],
    ];
    let mut all: Vec<(String, Call)> = writes
        .iter()
        .map(|words| {
            (
                words.join(" "),
                by(world, role, words).args(["--dry-run=server"]),
            )
        })
        .collect();
    all.push((
        "exec".to_owned(),
        by(world, role, &["exec", &name, "--", "true"]),
    ));
    for workload in workloads(image) {
        let what = format!("create {}", workload["kind"]);
        let create = by(world, role, &["create", "--dry-run=server", "-f", "-"]);
        all.push((what, create.input(workload.to_string())));
    }
    let url = format!("/api/v1/namespaces/{AGENTS}/pods/{name}");
    let mut debugged = pod.clone();
    debugged["spec"]["ephemeralContainers"] = json!([{ "name": "x", "image": image }]);
    let to = format!("{url}/ephemeralcontainers?dryRun=All");
    let debug = by(world, role, &["replace", "--raw", &to, "-f", "-"]);
    all.push(("debug".to_owned(), debug.input(debugged.to_string())));
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": { "dryRun": ["All"] },
        "metadata": { "name": name, "namespace": AGENTS } });
    let to = format!("{url}/eviction?dryRun=All");
    let evict = by(world, role, &["create", "--raw", &to, "-f", "-"]);
    all.push(("evict".to_owned(), evict.input(eviction.to_string())));
    Ok(all)
}

fn workloads(image: &str) -> Vec<Value> {
    let labels = json!({ "app": "x" });
    let root = json!({ "containers": [{ "name": "x", "image": image, "securityContext": { "privileged": true },
        "volumeMounts": [{ "name": "host", "mountPath": "/host" }] }],
        "volumes": [{ "name": "host", "hostPath": { "path": "/" } }] });
    let template = json!({ "metadata": { "labels": labels }, "spec": root });
    let of = |group: &str, kind: &str, mut spec: Value| {
        spec["template"] = template.clone();
        json!({ "apiVersion": group, "kind": kind, "metadata": { "name": "x" }, "spec": spec })
    };
    let selector = json!({ "selector": { "matchLabels": labels } });
    vec![
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" }, "spec": root }),
        of("v1", "ReplicationController", json!({ "selector": labels })),
        of("apps/v1", "ReplicaSet", selector.clone()),
        of("apps/v1", "StatefulSet", selector.clone()),
        of("apps/v1", "DaemonSet", selector),
    ]
}

/// Streams that must be refused before they begin. Without the policy they begin, and stay until somebody ends them.
const STREAMS: [&str; 3] = [
    "exec?command=true&stdout=true",
    "attach?stdout=true",
    "portforward?ports=5000",
];

/// Asks for each stream by a plain request, which the server refuses after admission.
fn streams(world: &World, role: &str, refused_by_policy: bool) -> Result<()> {
    let name = name_of(&an_agent(world)?);
    for stream in STREAMS {
        let url = format!("/api/v1/namespaces/{AGENTS}/pods/{name}/{stream}");
        let ran = by(world, role, &["get", "--raw", &url]).ran()?;
        let by_policy = ran.stderr.contains(POLICY);
        let by_protocol = ran.stderr.contains("pgrade");
        if (by_policy, by_protocol) != (refused_by_policy, !refused_by_policy) {
            let why = format!("by the policy: {by_policy}, should be {refused_by_policy}");
            return Err(ran.wrong(format!("see {stream} refused"), why));
        }
    }
    Ok(())
}

/// Drained nodes, nodes that come and go, Pods that are deleted: all of it as without the policy.
fn control_plane<'w>(scene: &mut Scene<'w>, node: &'w Node) -> Result<()> {
    for role in ROLES {
        scene.check(&format!("{role} gets no stream to an agent"), |world| {
            streams(world, role, true)
        })?;
    }
    scene.afterwards("the node is schedulable", move |world| {
        world.kubectl(["uncordon", &node.name]).good().map(drop)
    });
    scene.check("kubectl drain works, and the agent stays", |world| {
        let words = [
            "drain",
            &node.name,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
        ];
        world
            .kubectl(words)
            .args(["--force", "--timeout=100s"])
            .good()?;
        await_agent(world, node, true)
    })?;
    scene.check("the node takes Pods again", |world| {
        world.kubectl(["uncordon", &node.name]).good()
    })?;
    scene.check(
        "an agent that an administrator deletes is created again",
        |world| {
            let old = name_of(&an_agent(world)?);
            world
                .kubectl(["delete", "pod", &old, "--namespace", AGENTS, "--wait"])
                .good()?;
            let new = name_of(&await_agent(world, node, true)?);
            match new == old {
                false => Ok(()),
                true => Err(Failure::new("see another Pod", new)),
            }
        },
    )?;
    scene.check(
        "a ConfigMap that comes with every namespace is created again",
        |world| {
            let map = [
                "delete",
                "configmap",
                "kube-root-ca.crt",
                "--namespace",
                AGENTS,
            ];
            world.kubectl(map).good()?;
            namespace_complete(world, AGENTS)
        },
    )?;
    scene.afterwards("the new node", |world| {
        let words = ["delete", "node", NEW_NODE, "--ignore-not-found"];
        world.kubectl(words).good().map(drop)
    });
    scene.check("a new node gets an agent", |world| {
        let new = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": NEW_NODE,
            "labels": { "kubernetes.io/os": "linux", "kubernetes.io/hostname": NEW_NODE } } });
        world.create(&new)?;
        // No kubelet says what fits on it.
        let room = json!({ "cpu": "1", "memory": "1Gi", "pods": "10" });
        let status = json!({ "status": { "capacity": room, "allocatable": room } }).to_string();
        let words = [
            "patch",
            "node",
            NEW_NODE,
            "--subresource=status",
            "--patch",
            &status,
        ];
        world.kubectl(words).good()?;
        await_pods_on(world, NEW_NODE, 1)
    })?;
    scene.check(
        "with the node it goes, by the Pod garbage collector",
        |world| {
            world.kubectl(["delete", "node", NEW_NODE]).good()?;
            await_pods_on(world, NEW_NODE, 0)
        },
    )
}

fn await_pods_on(world: &World, node: &str, number: usize) -> Result<()> {
    let what = format!("{number} agents are on {node}");
    await_that(&what, Duration::from_secs(150), || {
        let field = format!("--field-selector=spec.nodeName={node}");
        let pods = world.get(["pods", "--namespace", AGENTS, &field])?;
        let found = pods["items"].as_array().map_or(0, Vec::len);
        Ok(match found == number {
            true => Ok(()),
            false => Err(pods["items"].to_string()),
        })
    })
}

/// The control: without the policy every attempt succeeds, `status` says so, and `up` brings the policy back.
fn without_policy(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("the binding of the policy is deleted", |world| {
        let words = ["delete", "validatingadmissionpolicybinding", "kreg-nodes"];
        world.kubectl(words).good()?;
        await_policy(world, false)
    })?;
    for role in ROLES {
        scene.check(
            &format!("without it every attempt of {role} succeeds"),
            |world| {
                every(world, role, |ran| ran.code == Some(0))?;
                streams(world, role, false)
            },
        )?;
    }
    scene.check(
        "kreg status ends with 5 and says that the agents are not protected",
        |world| {
            world.kreg(["status"]).ends_with(5)?.shows(&[
                "AGENTS NOT PROTECTED: ValidatingAdmissionPolicyBinding kreg-nodes is gone",
                "`kreg up` makes it again",
            ])
        },
    )?;
    scene.check("kreg up makes it again", |world| {
        up(world)?;
        await_policy(world, true)?;
        world.kreg(["status"]).good().map(drop)
    })
}

/// The API server learns of a policy a moment after it was made or deleted.
fn await_policy(world: &World, refuses: bool) -> Result<()> {
    await_that("the policy decides", Duration::from_secs(30), || {
        let words = ["create", "configmap", "x", "--dry-run=server"];
        let ran = by(world, ROLES[0], &words).ran()?;
        Ok(match ran.stderr.contains(POLICY) == refuses {
            true => Ok(()),
            false => Err(ran.stderr),
        })
    })
}

/// An account that may delete the namespace need not know of the policy.
fn deleted_namespace(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "kubectl delete namespace ends with all that is in it",
        |world| {
            world
                .kubectl(["delete", "namespace", AGENTS, "--wait", "--timeout=100s"])
                .good()
        },
    )?;
    scene.check("kreg up puts namespace, policy and agents back", |world| {
        up(world)?;
        agents_are_ready(world)?;
        await_policy(world, true)
    })
}
