//! The registry that kreg puts up is what the specification says, but for what distribution 2.8 is not.

use super::down;
use crate::e2e::conformance;
use crate::e2e::story::Scene;
use crate::failure::Result;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.check("kreg up ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    let results = scene.check("the suite runs on a node to its end", conformance::run)?;
    scene.check(
        "what fails is known, by name, and all of that fails",
        |_| results.as_known(),
    )?;
    scene.check("docs/oci-conformance.md says so", |_| results.is_page())
}
