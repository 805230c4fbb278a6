//! A node whose sshd does not run.

use super::{report, steps::down};
use crate::cluster::Node;
use crate::e2e::call::Ran;
use crate::e2e::story::Scene;
use crate::failure::Result;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(2)?;
    let address = &node.address;
    scene.afterwards("kreg down", down);
    scene.afterwards("sshd", |world| {
        world
            .on(world.node(2)?, "systemctl start ssh")
            .good()
            .map(drop)
    });
    scene.check(&format!("sshd on {} is stopped", node.name), |world| {
        world
            .on(node, "systemctl stop ssh; ! ss -Htln sport = :22 | grep .")
            .good()
    })?;
    let up = scene.check(
        "kreg up ends with 3 and names the node, the cause and the remedy",
        |world| {
            world
                .kreg(["up", "--output", "json"])
                .ends_with(3)?
                .says(&[&node.name, address, "refused", "sshd"])
        },
    )?;
    scene.check("the other nodes are done and proved", |world| {
        report::proves_all_but(&up, world, node)
    })?;
    scene.check("kreg status ends with 3 and names the node", |world| {
        let ran = world.kreg(["status"]).ends_with(3)?;
        match ran.stdout.contains(&node.name) {
            true => Ok(()),
            false => Err(ran.wrong("read the node's name", "it is not in the table")),
        }
    })?;
    let failed = scene.world.write("up.json", &up.stdout)?;
    let failed = failed.display().to_string();
    let again = [
        "nodes",
        "trust",
        "--output",
        "json",
        "--only-failed",
        &failed,
    ];
    scene.check(
        "kreg nodes trust --only-failed tries that node alone, and ends with 1",
        |world| {
            let ran = world.kreg(again).ends_with(1)?;
            nodes_are(&ran, node, "unreachable")
        },
    )?;
    scene.check("sshd runs again", |world| {
        world.on(node, "systemctl start ssh").good()
    })?;
    scene.check("now it does that node alone, and ends with 0", |world| {
        nodes_are(&world.kreg(again).good()?, node, "changed")
    })?;
    scene.check("kreg up now ends with 0 and proves every node", |world| {
        let up = world.kreg(["up", "--output", "json"]).good()?;
        report::proves_every_node(&up, world)
    })?;
    undone_by_hand(scene, node)
}

/// `down` with a node out of reach: what it tells a person to run there does the rest.
fn undone_by_hand(scene: &mut Scene<'_>, node: &Node) -> Result<()> {
    const PROGRAM: [&str; 5] = ["nodes", "script", "untrust", "--name", "docker-registry"];
    scene.check(
        &format!("sshd on {} is stopped again", node.name),
        |world| {
            world
                .on(node, "systemctl stop ssh; ! ss -Htln sport = :22 | grep .")
                .good()
        },
    )?;
    scene.check(
        "kreg down ends with 3, and says what to run by hand",
        |world| {
            let program = format!("kreg {} | ssh", PROGRAM.join(" "));
            let words = ["down", "--delete-data", "--yes"];
            world
                .kreg(words)
                .ends_with(3)?
                .says(&[&node.name, &node.address, &program])
        },
    )?;
    scene.check(
        "that program, at the node's console, puts it back",
        |world| {
            let program = world.kreg_bare(PROGRAM).read()?;
            let run = format!("sh -s <<'END-OF-PROGRAM'\n{program}\nEND-OF-PROGRAM\n");
            let left = "ls /etc/containerd/certs.d /var/lib/kreg 2>&1 | grep docker-registry";
            world.on(node, &format!("{run}\n! {left}")).good()
        },
    )?;
    scene
        .check(
            "sshd runs again, and kreg down finds nothing left",
            |world| {
                world.on(node, "systemctl start ssh").good()?;
                let words = ["down", "--delete-data", "--yes"];
                world.kreg(words).good()?.shows(&["nothing is left"])
            },
        )
        .map(drop)
}

/// The result tells of this node and no other.
fn nodes_are(ran: &Ran, node: &Node, state: &str) -> Result<()> {
    let told = &ran.json()?["nodes"];
    let all = told.as_array().map(Vec::as_slice).unwrap_or_default();
    match all {
        [one] if one["node"] == *node.name && one["state"] == state => Ok(()),
        _ => Err(ran.wrong(format!("see {} alone, {state}", node.name), told)),
    }
}
