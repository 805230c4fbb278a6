//! What agents may do to their nodes, what they run, and what is seen of one that hangs or cannot start.

use std::time::{Duration, Instant};

use super::{AGENTS, agent, agents_are_ready, await_agent};
use crate::cluster::Node;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::stories::{doctor, steps::down};
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// Three periods of 10 s, and one until the kubelet asks.
const UNREADY: Duration = Duration::from_secs(40);
/// What the kubelet and the API server take to say so.
const SLACK: Duration = Duration::from_secs(15);

const UP: [&str; 4] = ["up", "--nodes-by", "daemonset", "--skip-verify"];
const CTR: &str = "ctr --namespace k8s.io";

pub(super) fn run<'w>(scene: &mut Scene<'w>) -> Result<()> {
    let before = scene.check(
        "every node's files and every API object are noted",
        Snapshot::take,
    )?;
    scene.afterwards("kreg down", down);
    let node = scene.world.node(1)?;
    by_digest(scene, &before)?;
    scene.check(
        "kreg up puts agents on nodes without a directory certs.d",
        |world| {
            for node in &world.cluster.nodes {
                world.on(node, "! test -e /etc/containerd/certs.d").good()?;
            }
            world.kreg(UP).good()
        },
    )?;
    scene.check("every agent is ready", agents_are_ready)?;
    for node in &scene.world.cluster.nodes {
        scene.check(
            &format!(
                "the agent on {} can write /etc/containerd and its journal, and nothing else of the node",
                node.name
            ),
            |world| writes_only(world, node),
        )?;
    }
    scene.check(
        "kreg status says so; the image was loaded, so it is never fetched",
        |world| {
            let writes = "may write, on their node, /etc/containerd, /var/lib/kreg\n";
            world.kreg(["status"]).good()?.shows(&[writes])?;
            image_is(world, |image| !image.contains('@'), "Never")
        },
    )?;
    hung(scene, node)?;
    unloaded(scene, node)?;
    lacking(scene, node, &before)
}

/// Where the runtime knows the image by a digest, agents run that.
fn by_digest<'w>(scene: &mut Scene<'w>, before: &Snapshot) -> Result<()> {
    // The image that stories run as the registry.
    let named = |world: &World| -> Result<String> {
        let config = world.config()?;
        let line = config
            .lines()
            .find_map(|line| line.strip_prefix("image = "));
        let image = line.map(|image| image.trim_matches('"').to_owned());
        image.ok_or_else(|| Failure::new("see the registry's image", config))
    };
    let script = |image: &str, what: &str| {
        let repository = image.rsplit_once(':').map_or(image, |(name, _)| name);
        format!(
            "digest=$({CTR} images ls | awk '$1 == \"{image}\" {{ print $3 }}')\n\
             [ -n \"$digest\" ]\n{CTR} images {what} {repository}@$digest"
        )
    };
    scene.afterwards("the images' digests", move |world| {
        let image = named(world)?;
        for node in &world.cluster.nodes {
            // One that is gone ends with 1.
            world.on(node, &script(&image, "rm")).ran()?;
        }
        Ok(())
    });
    scene.check(
        "nodes know the registry's image by a digest: agents run it by that",
        |world| {
            let image = named(world)?;
            for node in &world.cluster.nodes {
                let tag = format!("tag --force {image}");
                world.on(node, &script(&image, &tag)).good()?;
            }
            world.kreg(UP).good()?;
            agents_are_ready(world)?;
            image_is(world, |image| image.contains("@sha256:"), "IfNotPresent")
        },
    )?;
    scene.check("kreg down leaves no file and no directory", |world| {
        down(world)?;
        for node in &world.cluster.nodes {
            world.on(node, &script(&named(world)?, "rm")).good()?;
        }
        before.await_return(world)
    })
}

fn image_is(world: &World, is_good: fn(&str) -> bool, policy: &str) -> Result<()> {
    let words = ["daemonset/docker-registry", "--namespace", AGENTS];
    let live = world.get(words)?;
    let container = &live["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap_or_default();
    match is_good(image) && container["imagePullPolicy"] == policy {
        true => Ok(()),
        false => Err(Failure::new("see the agents' image", container.clone())),
    }
}

/// Tries to write from inside the agent, as a person who gets in there could.
fn writes_only(world: &World, node: &Node) -> Result<()> {
    let pod = agent(world, node)?.unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let script = "cd /host; wrote=''\n\
        for dir in etc etc/cron.d etc/systemd/system etc/kubernetes etc/containerd var/lib/kreg; do\n  \
        [ ! -d $dir ] || ! touch $dir/.kreg-e2e 2>/dev/null || { rm $dir/.kreg-e2e; wrote=\"$wrote $dir\"; }\ndone\n\
        for file in etc/hosts etc/passwd etc/resolv.conf; do\n  ! (: >>$file) 2>/dev/null || wrote=\"$wrote $file\"\ndone\n\
        [ ! -e /var/run/secrets ] || wrote=\"$wrote token\"\n\
        for there in var/lib/kubelet proc root; do [ ! -e $there ] || wrote=\"$wrote $there\"; done\n\
        echo$wrote";
    let script = script.replace("echo$wrote", "echo \"$wrote\"");
    let words = [
        "exec",
        "--namespace",
        AGENTS,
        name,
        "--",
        "sh",
        "-c",
        &script,
    ];
    let told = world.kubectl(words).read()?;
    match told.trim() {
        "etc/containerd var/lib/kreg" => Ok(()),
        other => Err(Failure::new("write from inside an agent", other)),
    }
}

/// An agent whose process stands still says nothing more, and its last word was that all is well.
fn hung<'w>(scene: &mut Scene<'w>, node: &'w Node) -> Result<()> {
    let signal = |world: &World, name: &str| {
        let pod = agent(world, node)?.unwrap_or_default();
        let container = pod["status"]["containerStatuses"][0]["containerID"].clone();
        let container = container.as_str().unwrap_or_default();
        let container = container.trim_start_matches("containerd://");
        let script = format!(
            "pid=$({CTR} tasks ls | awk '$1 == \"{container}\" {{ print $2 }}')\n\
             [ -z \"$pid\" ] || kill -{name} $pid"
        );
        world.on(node, &script).good().map(drop)
    };
    scene.afterwards("the agent that was stopped", move |world| {
        signal(world, "CONT")
    });
    scene.check(
        &format!("the agent on {} hangs: it is not ready in time", node.name),
        |world| {
            signal(world, "STOP")?;
            let begun = Instant::now();
            await_agent(world, node, false)?;
            match begun.elapsed() <= UNREADY + SLACK {
                true => Ok(()),
                false => Err(Failure::new(
                    format!("see it not ready within {UNREADY:?}"),
                    format!("it took {:?}", begun.elapsed()),
                )),
            }
        },
    )?;
    scene.check(
        "kreg status ends with 3, names the node and says for how long it hangs",
        |world| {
            let status = world.kreg(["status"]).ends_with(3)?;
            status.says(&[&node.name, "hangs", "s ago", "three periods"])
        },
    )?;
    scene.check("kreg doctor names it", |world| {
        doctor::named_alone(world, "agent-missing", Some(node))
    })?;
    scene.check(
        "after it continues it is ready, and status reports nothing",
        |world| {
            signal(world, "CONT")?;
            await_agent(world, node, true)?;
            world.kreg(["status"]).good()
        },
    )?;
    Ok(())
}

/// A node that lost the image that was loaded into it does not get another one of that name.
fn unloaded<'w>(scene: &mut Scene<'w>, node: &'w Node) -> Result<()> {
    let away = "/var/tmp/kreg-e2e-image.tar";
    let image = |world: &World| -> Result<String> {
        let pod = agent(world, node)?.unwrap_or_default();
        let image = pod["spec"]["containers"][0]["image"].as_str();
        Ok(image.unwrap_or_default().to_owned())
    };
    let back = format!("[ ! -f {away} ] || {{ {CTR} images import {away}; rm {away}; }}");
    let restored = back.clone();
    scene.afterwards("the image", move |world| {
        world.on(node, &restored).good().map(drop)
    });
    scene.check(
        &format!(
            "{} loses the image: status says to load it there",
            node.name
        ),
        |world| {
            let image = image(world)?;
            let script =
                format!("{CTR} images export {away} {image} && {CTR} images rm --sync {image}");
            world.on(node, &script).good()?;
            replaced(world, node)?;
            await_that("status names the image", Duration::from_secs(90), || {
                let status = world.kreg(["status"]).ran()?;
                let said = format!("{}{}", status.stdout, status.stderr);
                let good = status.code == Some(3)
                    && ["ErrImageNeverPull", "load it there too", &node.name]
                        .iter()
                        .all(|word| said.contains(word));
                Ok(if good { Ok(()) } else { Err(said) })
            })
        },
    )?;
    scene.check("with the image its agent is ready", |world| {
        world.on(node, &back).good()?;
        await_agent(world, node, true)
    })?;
    Ok(())
}

/// A node without a directory that the agents mount: none makes it there, and the next `up` makes agents that fit.
fn lacking<'w>(scene: &mut Scene<'w>, node: &'w Node, before: &Snapshot) -> Result<()> {
    let (dir, away) = ("/etc/containerd", "/etc/containerd.kreg-e2e");
    let back = format!("[ ! -d {away} ] || {{ rm -rf {dir}; mv {away} {dir}; }}");
    let restored = back.clone();
    scene.afterwards("containerd's configuration", move |world| {
        world.on(node, &restored).good().map(drop)
    });
    scene.check(
        &format!(
            "{} lacks /etc/containerd: its agent does not start, nothing makes the directory, status says what to do",
            node.name
        ),
        |world| {
            // Without what kreg wrote: the node is one that came later.
            let script = format!(
                "rm -rf {dir}/certs.d {dir}/certs.d:; mv {dir} {away}; rm -rf /var/lib/kreg/docker-registry"
            );
            world.on(node, &script).good()?;
            replaced(world, node)?;
            await_that("status names the directory", Duration::from_secs(90), || {
                let status = world.kreg(["status"]).ran()?;
                let said = format!("{}{}", status.stdout, status.stderr);
                let good = status.code == Some(3)
                    && ["hostPath type check failed", dir, "run `kreg up` again"]
                        .iter()
                        .all(|word| said.contains(word));
                Ok(if good { Ok(()) } else { Err(said) })
            })?;
            world.on(node, &format!("! test -e {dir}")).good()
        },
    )?;
    scene.check(
        "kreg up again makes agents that fit, and says that /etc is writable and for whom",
        |world| {
            world.kreg(UP).good()?;
            agents_are_ready(world)?;
            let why = format!("/etc/containerd on {}", node.name);
            world
                .kreg(["status"])
                .good()?
                .shows(&["/etc as a whole", &why])
        },
    )?;
    scene.check(
        "kreg down leaves nothing, not the directory that it had made either",
        |world| {
            down(world)?;
            world.on(node, &format!("! test -e {dir}")).good()?;
            world.on(node, &back).good()?;
            before.await_return(world)
        },
    )
}

/// Another Pod of the agent on `node`, which starts by what is there now.
fn replaced(world: &World, node: &Node) -> Result<()> {
    let pod = agent(world, node)?.unwrap_or_default();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let words = ["delete", "pod", "--namespace", AGENTS, name];
    world.kubectl(words).good().map(drop)
}
