//! Agents in the place of ssh: what they put on the nodes, keep there, cost, and take away.

mod lifecycle;
mod narrow;
mod taint;

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{doctor, report, steps::down};
use crate::cluster::Node;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// Where agents live.
pub(super) const AGENTS: &str = "kreg-nodes";
const DIRECTORY: &str = "/etc/containerd/certs.d/docker-registry:5000";
const HOSTS_TOML: &str = "/etc/containerd/certs.d/docker-registry:5000/hosts.toml";
/// What containerd reads, whether or not it splits a list: by brace expansion both of them.
const DIRECTORIES: &str = "/etc/containerd/certs.d{,:/etc/docker/certs.d}/docker-registry:5000";
/// What containerd would read instead of them.
const SHADOWS: &str = "/etc/containerd/certs.d{,:/etc/docker/certs.d}/docker-registry_5000_";
const SHADOW: &str = "/etc/containerd/certs.d/docker-registry_5000_";

/// The longest that a node may be without its trust.
const PROMISE: f64 = 5.0;
/// A machine with much else to do may be late; not every time.
const TRIES: usize = 3;

/// How long the agents' idle cost is measured.
const IDLE: Duration = Duration::from_secs(25);
const MILLICORES: f64 = 5.0;
const MEGABYTES: f64 = 15.0;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let before = scene.check(
        "every node's files and every API object are noted",
        Snapshot::take,
    )?;
    // The last way back is by ssh: what follows is undone first.
    scene.afterwards("kreg down", down);
    scene.afterwards("sshd", |world| {
        on_all(world, "systemctl start ssh").map(drop)
    });
    scene.check("sshd is stopped on every node", |world| {
        on_all(world, "systemctl stop ssh")
    })?;

    let (node, other) = (scene.world.node(1)?, scene.world.node(2)?);
    lifecycle::skipped(scene, other)?;
    let up = scene.check("kreg up --nodes-by daemonset ends with 0", |world| {
        let words = ["up", "--nodes-by", "daemonset", "--output", "json"];
        world.kreg(words).good()
    })?;
    scene.check(
        "its report: every node pulled, every negative control held",
        |world| report::proves_every_node(&up, world),
    )?;
    scene.check("every agent is ready", agents_are_ready)?;
    scene.check(
        "kreg status goes by the agents unasked and knows every node",
        |world| {
            let status = world.kreg(["status", "--output", "json"]).good()?;
            report::names_every_node(&status, world)
        },
    )?;
    let standing = scene.check("times of files are noted", Snapshot::of_files)?;
    scene.check("kreg up again: nothing to do", |world| {
        let words = ["up", "--nodes-by", "daemonset", "--skip-verify"];
        let up = world.kreg(words).args(["--output", "json"]).good()?;
        report::says_unchanged(&up)
    })?;
    scene.check("no file was touched, not even its times", |world| {
        standing.same(&Snapshot::of_files(world)?)
    })?;

    for node in &scene.world.cluster.nodes {
        scene.check(
            &format!("a file removed on {} is back in time", node.name),
            |world| restored(world, node, &format!("rm {HOSTS_TOML}")),
        )?;
    }
    scene.check(
        &format!("a file changed on {} is mended in time", node.name),
        |world| restored(world, node, &format!("echo '# theirs' >>{HOSTS_TOML}")),
    )?;
    scene.check(
        &format!("a directory removed on {} is back in time", node.name),
        |world| restored(world, node, &format!("rm -r {DIRECTORY}")),
    )?;
    late(scene, node)?;
    refused(scene, node)?;
    let costs = scene.check(
        &format!("every agent costs at most {MILLICORES} millicores and {MEGABYTES} MB"),
        on_each(idle),
    )?;
    for cost in costs {
        scene.line(&format!("         {cost}"));
    }

    scene.check("kreg down goes by the agents, too", down)?;
    scene.check(
        "files and objects are as before the first up, byte for byte",
        |world| before.await_return(world),
    )
}

/// What agents do later on: they bring tainted nodes in, and a new CA.
pub(super) fn later(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.check("kreg up --nodes-by daemonset ends with 0", |world| {
        let words = ["up", "--nodes-by", "daemonset", "--skip-verify"];
        world.kreg(words).good()
    })?;
    let (node, other) = (scene.world.node(1)?, scene.world.node(2)?);
    taint::run(scene, node, other)?;
    lifecycle::rotated(scene)?;
    lifecycle::agentless(scene, other)
}

/// What agents may do, what they run, and what is seen of one that hangs or cannot start.
pub(super) fn narrow(scene: &mut Scene<'_>) -> Result<()> {
    narrow::run(scene)
}

/// Asks of all nodes at once.
fn on_each<T: Send>(
    ask: impl Fn(&World, &Node) -> Result<T> + Sync,
) -> impl FnOnce(&World) -> Result<Vec<T>> {
    move |world| {
        thread::scope(|scope| {
            let asked: Vec<_> = (world.cluster.nodes.iter())
                .map(|node| scope.spawn(|| ask(world, node)))
                .collect();
            let told = asked.into_iter().map(|one| {
                one.join()
                    .unwrap_or_else(|_| Err(Failure::new("ask a node", "it panicked")))
            });
            told.collect()
        })
    }
}

fn on_all(world: &World, script: &str) -> Result<()> {
    let on = |node: &Node| world.on(node, script).good().map(drop);
    world.cluster.nodes.iter().try_for_each(on)
}

/// The agent's Pod on `node` that is not on its way out.
pub(super) fn agent(world: &World, node: &Node) -> Result<Option<Value>> {
    let field = format!("--field-selector=spec.nodeName={}", node.name);
    let pods = world.get(["pods", "--namespace", AGENTS, &field])?;
    let staying = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    Ok(pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(staying)
        .cloned())
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["ready"] == true
}

/// Waits until the agent on `node` is ready, or is not.
pub(super) fn await_agent(world: &World, node: &Node, ready: bool) -> Result<Value> {
    let what = format!("the agent on {} is ready: {ready}", node.name);
    await_that(&what, Duration::from_secs(120), || {
        Ok(match agent(world, node)? {
            Some(pod) if is_ready(&pod) == ready => Ok(pod),
            Some(pod) => Err(pod["status"].to_string()),
            None => Err("there is no Pod".to_owned()),
        })
    })
}

pub(super) fn agents_are_ready(world: &World) -> Result<()> {
    for node in &world.cluster.nodes {
        await_agent(world, node, true)?;
    }
    Ok(())
}

/// Does `harm` to what kreg wrote on `node`, and measures there how long it lasts.
fn restored(world: &World, node: &Node, harm: &str) -> Result<()> {
    let mut took = Vec::new();
    for _ in 0..TRIES {
        let script = format!(
            "wanted=$(cat {HOSTS_TOML}); {harm}; begun=$(date +%s.%N)\n\
             for _ in $(seq 600); do\n  \
             if [ \"$(cat {HOSTS_TOML} 2>/dev/null)\" = \"$wanted\" ]; then\n    \
             echo \"$begun $(stat -c %.Z {HOSTS_TOML})\"; exit 0\n  fi\n  sleep 0.1\ndone\n\
             echo 'not within a minute' >&2; exit 1"
        );
        let told = world.on(node, &script).read()?;
        let times: Vec<f64> = told
            .split(' ')
            .filter_map(|time| time.parse().ok())
            .collect();
        let [begun, ended] = times[..] else {
            return Err(Failure::new("measure a node", format!("it said `{told}`")));
        };
        // What the script itself takes after the harm is not counted for the agent.
        took.push((ended - begun).max(0.0));
        if ended - begun <= PROMISE {
            return Ok(());
        }
    }
    Err(Failure::new(
        format!("see it back within {PROMISE} s"),
        format!("it took {took:?} s"),
    ))
}

/// A node that comes with nothing of kreg's, while nobody runs kreg.
fn late<'w>(scene: &mut Scene<'w>, node: &'w Node) -> Result<()> {
    scene.afterwards("the kubelet", move |world| {
        world.on(node, "systemctl start kubelet").good().map(drop)
    });
    scene.check(
        &format!("{} is gone, and comes back with nothing of kreg's", node.name),
        |world| {
            let pod = agent(world, node)?.unwrap_or_default();
            let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or("");
            let container = text("/status/containerStatuses/0/containerID");
            let container = container.trim_start_matches("containerd://");
            let script = format!(
                "systemctl stop kubelet\n\
                 ctr --namespace k8s.io tasks kill --signal SIGKILL {container}\n\
                 for _ in $(seq 100); do\n  \
                 ctr --namespace k8s.io tasks ls | grep '^{container}.*RUNNING' || break\n  sleep 0.1\ndone\n\
                 made=$(for entry in /var/lib/kreg/docker-registry/*/entry; do\n  \
                 [ \"$(head -n 1 $entry)\" != dir ] || tail -n 1 $entry\ndone | sort -r)\n\
                 rm -rf {DIRECTORIES} /var/lib/kreg/docker-registry\n\
                 for dir in $made; do rmdir $dir 2>/dev/null || :; done"
            );
            world.on(node, &script).good()?;
            let words = ["delete", "pod", "--namespace", AGENTS, text("/metadata/name")];
            world
                .kubectl(words)
                .args(["--force", "--grace-period=0"])
                .good()?;
            world.on(node, "systemctl start kubelet").good()
        },
    )?;
    let took = scene.check(
        &format!("it is trusted within {PROMISE} s of its agent's start"),
        |world| {
            let pod = await_agent(world, node, true)?;
            let started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let script = format!("echo $(date -d '{started}' +%s) $(stat -c %.Z {HOSTS_TOML})");
            let told = world.on(node, &script).read()?;
            let times: Vec<f64> = told
                .split(' ')
                .filter_map(|time| time.parse().ok())
                .collect();
            match times[..] {
                [started, trusted] if trusted - started <= PROMISE => Ok(trusted - started),
                _ => Err(Failure::new(
                    "compare the agent's start with the file's time",
                    format!("they are `{told}`"),
                )),
            }
        },
    )?;
    scene.line(&format!(
        "         {took:.1} s after a start told in whole seconds"
    ));
    scene.check("kreg verify proves a pull on it", |world| {
        let verify = world.kreg(["verify", "--output", "json"]).good()?;
        report::proves_every_node(&verify, world)
    })
}

/// What the plan refuses, the agent refuses too, and says so.
fn refused<'w>(scene: &mut Scene<'w>, node: &'w Node) -> Result<()> {
    scene.afterwards("the directory in the way", move |world| {
        let script = format!("[ ! -d {SHADOW} ] || rmdir {SHADOW}");
        world.on(node, &script).good().map(drop)
    });
    scene.check(
        &format!(
            "with a directory in the way the agent on {} is not ready",
            node.name
        ),
        |world| {
            world.on(node, &format!("mkdir {SHADOW}")).good()?;
            let pod = await_agent(world, node, false)?;
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            world
                .kubectl(["logs", "--namespace", AGENTS, "--tail=1", name])
                .good()?
                .shows(&["refused", SHADOW])
        },
    )?;
    scene.check(
        "kreg nodes status ends with 3 and names node and reason",
        |world| {
            world
                .kreg(["nodes", "status"])
                .ends_with(3)?
                .says(&[&node.name, SHADOW])
        },
    )?;
    scene.check(
        "kreg doctor names the directory, and the agent only as what follows",
        |world| doctor::named_alone(world, "directory-shadowed", Some(node)),
    )?;
    scene.check("without it the agent is ready again", |world| {
        world.on(node, &format!("rmdir {SHADOW}")).good()?;
        await_agent(world, node, true)
    })?;
    Ok(())
}

/// What the agent's Pod used while nothing happened, its pause container and its probes among it.
fn idle(world: &World, node: &Node) -> Result<String> {
    let pod = agent(world, node)?.unwrap_or_default();
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    // Both versions of control groups.
    let script = format!(
        "pod=$(find /sys/fs/cgroup -type d -name '*pod{uid}*')\n\
         usage() {{ for group in $pod; do\n  \
         [ ! -f $group/cpuacct.usage ] || echo $(($(cat $group/cpuacct.usage) / 1000))\n  \
         [ ! -f $group/cpu.stat ] || sed -n 's/^usage_usec //p' $group/cpu.stat\ndone | sed -n 1p; }}\n\
         before=$(usage); sleep {}; after=$(usage)\n\
         memory=$(for group in $pod; do for file in memory.usage_in_bytes memory.current; do\n  \
         [ ! -f $group/$file ] || echo $(($(cat $group/$file) - $(sed -nE 's/^(total_)?inactive_file //p' $group/memory.stat | tail -n 1)))\n\
         done; done | sed -n 1p)\n\
         echo $((after - before)) $memory",
        IDLE.as_secs(),
        uid = uid.replace('-', "?"),
    );
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let told = world.on(node, &script).read()?;
        let numbers: Vec<f64> = told.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [microseconds, bytes] = numbers[..] else {
            return Err(Failure::new(
                "read the agent's cgroup",
                format!("it said `{told}`"),
            ));
        };
        let millicores = microseconds / 1000.0 / IDLE.as_secs_f64();
        let megabytes = bytes / 1e6;
        seen.push(format!(
            "{}: {millicores:.2} millicores, {megabytes:.1} MB",
            node.name
        ));
        if millicores <= MILLICORES && megabytes <= MEGABYTES {
            return Ok(seen.pop().unwrap_or_default());
        }
        thread::sleep(Duration::from_secs(1));
    }
    Err(Failure::new("see what an agent costs", seen.join("; ")))
}
