//! The registry that kreg puts up is what the specification says, but for what distribution is not.

use super::steps::down;
use crate::e2e::conformance::{self, Generation};
use crate::e2e::story::Scene;
use crate::failure::Result;

pub(super) fn with_2(scene: &mut Scene<'_>) -> Result<()> {
    run(scene, Generation::V2)
}

pub(super) fn with_3(scene: &mut Scene<'_>) -> Result<()> {
    run(scene, Generation::V3)
}

fn run(scene: &mut Scene<'_>, generation: Generation) -> Result<()> {
    scene.afterwards("kreg down", down);
    let image = generation.image();
    scene.check(&format!("kreg up with {image} ends with 0"), |world| {
        conformance::up(world, generation)
    })?;
    let results = scene.check("the suite runs on a node to its end", conformance::run)?;
    scene.check(
        "what fails is known, by name, and all of that fails",
        |_| results.as_known(generation),
    )?;
    scene.check("docs/oci-conformance.md says so", |_| {
        results.are_on_page(generation)
    })
}
