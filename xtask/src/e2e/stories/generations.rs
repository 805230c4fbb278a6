//! Three generations of containerd on one cluster: the nodes' own, Debian 13's and Debian 14's.

use super::{report, steps::down};
use crate::cluster::Node;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};
use crate::process::Run;

/// Where a node keeps its own programs meanwhile, out of everything that kreg touches.
const KEPT: &str = "/var/lib/kreg-e2e";

/// Each further node's containerd: the image that has it, and the release that it says.
const OTHERS: [(usize, &str, &str); 2] = [
    (1, "kreg.test/runtimes:13", "1.7."),
    (2, "kreg.test/runtimes:14", "2.1."),
];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    for (number, image, release) in OTHERS {
        let node = scene.world.node(number)?;
        scene.afterwards(&format!("containerd of {}", node.name), |world| {
            own_containerd(world, node)
        });
        scene.check(
            &format!("{} runs containerd {release}", node.name),
            |world| other_containerd(world, node, image, release),
        )?;
    }
    scene.afterwards("kreg down", down);
    by_ssh(scene)?;
    by_agents(scene)
}

/// Each with its default configuration: those of 1.7 and 2.1 look in no directory.
fn by_ssh(scene: &mut Scene<'_>) -> Result<()> {
    let (old, middle) = (scene.world.node(1)?, scene.world.node(2)?);
    let before = scene.check("every node's files are noted", Snapshot::take)?;
    scene.check(
        "kreg up ends with 3 and says what to set on the two older nodes",
        |world| {
            let up = world.kreg(["up"]).ends_with(3)?;
            up.says(&[
                &old.name,
                &middle.name,
                "--allow-runtime-restart",
                "[plugins.\"io.containerd.grpc.v1.cri\".registry]",
                "[plugins.\"io.containerd.cri.v1.images\".registry]",
            ])
        },
    )?;
    scene.check(
        "with leave to restart them, every node pulls; 2.4 is not restarted",
        |world| {
            let started = started(world, world.control_plane()?)?;
            let up = ["up", "--allow-runtime-restart", "--output", "json"];
            let up = world.kreg(up).good()?;
            report::proves_every_node(&up, world)?;
            match self::started(world, world.control_plane()?)? == started {
                true => Ok(()),
                false => Err(up.wrong("see containerd 2.4 run on", "it was restarted")),
            }
        },
    )?;
    scene.check("kreg down ends with 0", down)?;
    scene.check("files and objects are as before, byte for byte", |world| {
        before.await_return(world)
    })
}

/// 1.7 is told one root and 2.1 a list, which it takes for one directory's name.
fn by_agents(scene: &mut Scene<'_>) -> Result<()> {
    let (old, middle) = (scene.world.node(1)?, scene.world.node(2)?);
    for (node, path) in [
        (old, "/etc/containerd/certs.d"),
        (middle, "/etc/containerd/certs.d:/etc/docker/certs.d"),
    ] {
        scene.check(&format!("{} is told {path}", node.name), |world| {
            let script = format!(
                "sed -i '/registry\\]$/,/config_path/ s|config_path = .*|config_path = \"{path}\"|' /etc/containerd/config.toml\n\
                 grep -q '{path}' /etc/containerd/config.toml\n{RESTART}"
            );
            world.on(node, &script).good()
        })?;
    }
    let before = scene.check("every node's files are noted", Snapshot::take)?;
    scene.check("agents bring every node to pull", |world| {
        let up = ["up", "--nodes-by", "daemonset", "--output", "json"];
        report::proves_every_node(&world.kreg(up).good()?, world)
    })?;
    scene.check("kreg down ends with 0", down)?;
    scene.check("files and objects are as before, byte for byte", |world| {
        before.await_return(world)
    })
}

const RESTART: &str = "systemctl restart containerd";

/// When containerd was started.
fn started(world: &World, node: &Node) -> Result<String> {
    let ask = "systemctl show --property ExecMainStartTimestampMonotonic containerd";
    world.on(node, ask).read()
}

/// Puts the programs of an image into a node, and their default configuration.
fn other_containerd(world: &World, node: &Node, image: &str, release: &str) -> Result<()> {
    let programs = "containerd containerd-shim-runc-v2 ctr";
    world
        .on(
            node,
            &format!(
                "mkdir {KEPT}; cd /usr/bin; cp -p {programs} /etc/containerd/config.toml {KEPT}\n\
                 systemctl stop kubelet containerd"
            ),
        )
        .good()?;
    let source = Run::new("docker").args(["create", image, "true"]).read()?;
    let copied = programs.split(' ').try_for_each(|program| {
        let file = world.file(program);
        Run::new("docker")
            .arg("cp")
            .arg(format!("{source}:/usr/bin/{program}"))
            .arg(&file)
            .run()?;
        Run::new("docker")
            .arg("cp")
            .arg(&file)
            .arg(format!("{}:/usr/bin/{program}", node.container))
            .run()
    });
    Run::new("docker").args(["rm", &source]).run()?;
    copied?;
    let version = world
        .on(
            node,
            "kreg-containerd-config >/etc/containerd/config.toml\n\
             systemctl start containerd kubelet; containerd --version",
        )
        .read()?;
    match version.contains(release) {
        true => world.ready_with(node, release),
        false => Err(Failure::new(
            format!("run containerd {release} on {}", node.name),
            format!("it says {version}"),
        )),
    }
}

fn own_containerd(world: &World, node: &Node) -> Result<()> {
    let script = format!(
        "[ -d {KEPT} ] || exit 0\nsystemctl stop kubelet containerd; cd {KEPT}\n\
         cp -p --remove-destination containerd containerd-shim-runc-v2 ctr /usr/bin\ncp -p config.toml /etc/containerd\n\
         systemctl start containerd kubelet; rm -r {KEPT}; containerd --version | cut -d' ' -f3"
    );
    let release = world.on(node, &script).read()?;
    world.ready_with(node, release.trim_start_matches('v'))
}
