//! A node whose sshd does not run.

use super::{down, report};
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
    scene.check("sshd runs again", |world| {
        world.on(node, "systemctl start ssh").good()
    })?;
    scene.check("kreg up now ends with 0 and proves every node", |world| {
        let up = world.kreg(["up", "--output", "json"]).good()?;
        report::proves_every_node(&up, world)
    })
}
