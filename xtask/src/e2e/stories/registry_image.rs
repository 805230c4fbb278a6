//! A registry image that no node can pull.

use std::time::Duration;

use super::steps::{down, nodes_untouched};
use crate::e2e::story::Scene;
use crate::failure::Result;

/// Nothing listens on port 1: the pull is refused at once, on any machine.
const IMAGE: &str = "127.0.0.1:1/no/such/registry:1";
/// Patience that kreg is given, and the much shorter time in which it must give up.
const PATIENCE: &str = "5m";
const EARLY: Duration = Duration::from_secs(90);

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    nodes_untouched(scene, |scene| {
        scene.check(
            "kreg up ends with 1 long before its timeout, in the kubelet's words",
            |world| {
                let ran = world
                    .kreg(["up", "--image", IMAGE, "--timeout", PATIENCE])
                    .ends_with(1)?
                    .says(&[IMAGE, "connection refused", "--image"])?;
                match ran.took < EARLY {
                    true => Ok(()),
                    false => Err(ran.wrong(
                        "see it end early",
                        format!("{:.0} s", ran.took.as_secs_f64()),
                    )),
                }
            },
        )
    })?;
    scene.check("kreg up with the right image completes it", |world| {
        world.kreg(["up"]).good().map(drop)
    })
}
