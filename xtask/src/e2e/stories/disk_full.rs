//! A node that has no room where kreg writes.

use super::{report, steps::down};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::Result;

/// The journal, written first, and the trust, written after it.
const PLACES: &[&str] = &["/var/lib/kreg", "/etc/containerd/certs.d"];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    scene.afterwards("kreg down", down);
    for place in PLACES {
        scene.afterwards(&format!("room in {place}"), |world| make_room(world, place));
        let before = scene.check(&format!("{place} on {} is full", node.name), |world| {
            fill(world, place)?;
            listing(world)
        })?;
        let up = scene.check(
            "kreg up ends with 3, names the node, the file and the cause",
            |world| {
                world.kreg(["up", "--output", "json"]).ends_with(3)?.says(&[
                    &node.name,
                    place,
                    "No space left on device",
                ])
            },
        )?;
        scene.check("the other nodes are done and proved", |world| {
            report::proves_all_but(&up, world, node)
        })?;
        scene.check("the full node is as it was", |world| {
            let now = listing(world)?;
            match now == before {
                true => Ok(()),
                false => Err(crate::failure::Failure::new(
                    "see nothing half done",
                    format!("before:\n{before}\nnow:\n{now}"),
                )),
            }
        })?;
        scene.check(&format!("{place} has room again"), |world| {
            make_room(world, place)
        })?;
        scene.check("kreg up now ends with 0 and proves every node", |world| {
            let up = world.kreg(["up", "--output", "json"]).good()?;
            report::proves_every_node(&up, world)
        })?;
        scene.check("kreg down ends with 0", down)?;
    }
    Ok(())
}

/// A file system of one page, and that page taken, over `place`.
fn fill(world: &World, place: &str) -> Result<()> {
    let script = format!(
        "[ -d {place} ] || {{ mkdir -p {place}; touch /run/kreg-e2e-made; }}\n\
         mount -t tmpfs -o size=4k kreg-e2e {place}\n\
         head -c 4096 /dev/zero > {place}/.full\n\
         ! echo x 2>/dev/null > {place}/.more\n\
         rm -f {place}/.more"
    );
    world.on(world.node(1)?, &script).good().map(drop)
}

fn make_room(world: &World, place: &str) -> Result<()> {
    let script = format!(
        "if mountpoint -q {place}; then umount {place}; fi\n\
         if [ -e /run/kreg-e2e-made ]; then rmdir {place}; rm /run/kreg-e2e-made; fi"
    );
    world.on(world.node(1)?, &script).good().map(drop)
}

/// Everything below the places where kreg writes, with sums.
fn listing(world: &World) -> Result<String> {
    let places = PLACES.join(" ");
    let script = format!(
        "for place in {places}; do if [ -d $place ]; then find $place; fi; done | sort\n\
         for place in {places}; do if [ -d $place ]; then find $place -type f -exec sha256sum {{}} +; fi; done | sort\n\
         sha256sum /etc/hosts"
    );
    world.on(world.node(1)?, &script).read()
}
