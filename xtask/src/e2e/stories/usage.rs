//! Bad usage: seen before anything is touched, and answered with what to do.

use crate::e2e::call::Ran;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::Result;

pub(super) fn no_kubeconfig(scene: &mut Scene<'_>) -> Result<()> {
    refused(
        scene,
        "kreg up without any kubeconfig ends with 2",
        |world| {
            world
                .kreg_bare(["up"])
                .ends_with(2)?
                .says(&["kubeconfig", "--kubeconfig"])
        },
    )?;
    refused(
        scene,
        "kreg up with a kubeconfig that is not there ends with 2 and names it",
        |world| {
            let absent = world.file("no-such-kubeconfig");
            let absent = absent.to_string_lossy();
            world
                .kreg_bare(["up", "--kubeconfig", &absent])
                .ends_with(2)?
                .says(&[&absent])
        },
    )
}

pub(super) fn bad_name(scene: &mut Scene<'_>) -> Result<()> {
    let long = "x".repeat(64);
    for name in [
        "Docker_Registry",
        "-registry",
        "registry.example.com",
        &long,
    ] {
        refused(
            scene,
            &format!("kreg up --name={name} ends with 2"),
            |world| {
                let name_flag = format!("--name={name}");
                world
                    .kreg(["up", &name_flag])
                    .ends_with(2)?
                    .says(&[name, "DNS-1123"])
            },
        )?;
    }
    for user in ["a:b", "#a", "", "kreg-witness-1"] {
        refused(
            scene,
            &format!("kreg up --user={user} ends with 2"),
            |world| {
                let flag = format!("--user={user}");
                world.kreg(["up", &flag]).ends_with(2)?.says(&[user])
            },
        )?;
    }
    refused(scene, "kreg up --namespace Kreg ends with 2", |world| {
        world
            .kreg(["up", "--namespace", "Kreg"])
            .ends_with(2)?
            .says(&["Kreg", "DNS-1123"])
    })
}

pub(super) fn bad_port(scene: &mut Scene<'_>) -> Result<()> {
    for port in ["0", "65536", "-1", "https"] {
        refused(
            scene,
            &format!("kreg up --port={port} ends with 2"),
            |world| {
                let port_flag = format!("--port={port}");
                world
                    .kreg(["up", &port_flag])
                    .ends_with(2)?
                    .says(&[port, "--port"])
            },
        )?;
    }
    refused(
        scene,
        "port = 70000 in kreg.toml ends with 2 and names file and key",
        |world| {
            let file = world.write("bad.toml", "[registry]\nport = 70000\n")?;
            let file = file.to_string_lossy();
            world
                .kreg(["up", "--config", &file])
                .ends_with(2)?
                .says(&[&file, "port"])
        },
    )
}

fn refused(
    scene: &mut Scene<'_>,
    what: &str,
    call: impl FnOnce(&World) -> Result<Ran>,
) -> Result<()> {
    scene.check(&format!("{what}, nothing touched"), |world| {
        let before = Snapshot::take(world)?;
        call(world)?;
        before.same(&Snapshot::take(world)?)
    })
}
