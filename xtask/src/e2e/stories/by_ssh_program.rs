//! Nodes behind a `ProxyCommand`, which libssh2 cannot run: by the system's `ssh` program.

use std::time::Duration;

use super::report;
use crate::e2e::story::Scene;
use crate::e2e::world::{World, await_that};
use crate::failure::Result;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let last = scene.world.node(2)?;
    let config = scene.check("OpenSSH's configuration has a ProxyCommand", |world| {
        let first = &world.control_plane()?.address;
        let file = |name| world.state_file(name).display().to_string();
        let (identity, known) = (file("id_ed25519"), file("known_hosts"));
        let text = format!(
            "Host *\n  ProxyCommand ssh -F none -i {identity} -o UserKnownHostsFile={known} -o \
             StrictHostKeyChecking=yes -W %h:%p root@{first}\n"
        );
        world.write("ssh_config", &text)
    })?;
    let config = config.to_string_lossy().into_owned();
    let kreg = |world: &World, words: &[&str]| {
        let way = ["--ssh-config", &config];
        world.kreg(words.iter().chain(&way))
    };
    scene.afterwards("kreg down", super::steps::down);
    scene.check(
        "kreg plan names the setting, and the way that can follow it",
        |world| {
            let plan = kreg(world, &["plan"]).ends_with(3)?;
            plan.says(&["proxycommand", "--nodes-by openssh"])
        },
    )?;
    let by_program = ["--nodes-by", "openssh"];
    let all = |words: &[&'static str]| [words, by_program.as_slice()].concat();
    scene.check(
        "a host key that is not known is refused, and the node is named",
        |world| {
            let known = world.state("known_hosts")?;
            let lacks = |line: &&str| !line.contains(&last.address);
            let others: Vec<&str> = known.lines().filter(lacks).collect();
            let file = world.write("others", &(others.join("\n") + "\n"))?;
            let file = file.to_string_lossy().into_owned();
            let up = kreg(world, &all(&["up", "--output", "json"]));
            let up = up
                .args(["--ssh-known-hosts", &file])
                .ends_with(3)?
                .says(&[&last.name, "host key"])?;
            report::proves_all_but(&up, world, last)
        },
    )?;
    scene.check("kreg up ends with 0 and proves every node", |world| {
        let up = kreg(world, &all(&["up", "--output", "json"])).good()?;
        report::proves_every_node(&up, world)
    })?;
    scene.check("kreg status and kreg doctor end with 0", |world| {
        kreg(world, &all(&["status"])).good()?;
        kreg(world, &all(&["doctor"])).good()
    })?;
    scene.check("no connection of ssh is left", |world| {
        let open = "ss -Htn state established sport = :22";
        await_that("no connection is left", Duration::from_secs(10), || {
            let open = world.on(last, open).read()?;
            Ok(if open.is_empty() { Ok(()) } else { Err(open) })
        })
    })?;
    scene
        .check("kreg down ends with 0", |world| {
            kreg(world, &all(&["down", "--delete-data", "--yes"])).good()
        })
        .map(drop)
}
