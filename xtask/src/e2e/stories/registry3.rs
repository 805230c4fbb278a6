//! From the registry's old generation to its new one, and the other way round.

use super::{report, steps::down};
use crate::e2e::image;
use crate::e2e::story::Scene;
use crate::images::{REGISTRY, REGISTRY_3};

const USER: &str = "kreg";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<(), crate::failure::Failure> {
    scene.check("every node has the image of distribution 3", |world| {
        image::load(world, REGISTRY_3)
    })?;
    scene.afterwards("kreg down", down);
    scene.check("kreg up with 2.8 ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    let pushed = scene.check("an image is pushed to it", |world| {
        image::push_fresh(world, world.control_plane()?, USER)
    })?;
    scene.check("kreg up with 3 proves every node", |world| {
        let up = ["up", "--image", REGISTRY_3, "--output", "json"];
        let up = world.kreg(up).good()?;
        report::proves_every_node(&up, world)
    })?;
    scene.check("3 serves what 2.8 has stored", |world| {
        image::pull(world, world.node(1)?, &pushed, USER)
    })?;
    scene.check("again: nothing to do", |world| {
        let up = [
            "up",
            "--image",
            REGISTRY_3,
            "--skip-verify",
            "--output",
            "json",
        ];
        report::says_unchanged(&world.kreg(up).good()?)
    })?;
    scene.check(
        "a user comes without a restart, a certificate with one",
        |world| {
            world
                .kreg(["user", "add", "ann", "--password-stdin"])
                .input("anns-password")
                .good()?;
            world.kreg(["cert", "renew"]).good()?;
            world
                .kreg(["user", "check", "ann", "--password-stdin"])
                .input("anns-password")
                .good()
        },
    )?;
    let newer = scene.check("an image is pushed to 3", |world| {
        image::push_fresh(world, world.control_plane()?, USER)
    })?;
    scene.check("back to 2.8, which serves both", |world| {
        let up = world
            .kreg(["up", "--image", REGISTRY, "--output", "json"])
            .good()?;
        report::proves_every_node(&up, world)?;
        image::pull(world, world.node(1)?, &pushed, USER)?;
        image::pull(world, world.node(2)?, &newer, USER)
    })
}
