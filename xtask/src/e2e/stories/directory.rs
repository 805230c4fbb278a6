//! A directory on a node belongs to one registry: no other starts in it, and none erases it but its own.

use super::steps::down;
use crate::e2e::snapshot::Snapshot;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

const ABOVE: &str = "/srv/kreg-e2e";
const IMAGES: &str = "/srv/kreg-e2e/images";
const MARKER: &str = "/srv/kreg-e2e/images/.kreg-registry-id";
const BLOBS: &str = "/srv/kreg-e2e/images/docker/registry/v2/blobs";
const SECOND: [&str; 6] = [
    "--name",
    "second",
    "--namespace",
    "kreg-second",
    "--port",
    "5001",
];

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    let storage = format!("hostpath:{IMAGES}@{}", node.name);
    let on = |world: &World, script: &str| world.on(node, script).good().map(drop);
    scene.afterwards("the directory", move |world| {
        world.on(node, &format!("rm -rf {ABOVE}")).good().map(drop)
    });
    scene.afterwards("kreg down", down);
    scene.afterwards("kreg down of the second", |world| {
        let words = ["down", "--delete-data", "--yes"];
        world.kreg(words).args(SECOND).good().map(drop)
    });
    let before = scene.check("every file and object is noted", Snapshot::take)?;
    scene.check(
        "a directory that the registry's user may write to",
        |world| {
            on(
                world,
                &format!("mkdir -p {IMAGES}; chown 65532:65532 {IMAGES}"),
            )
        },
    )?;
    scene.check(
        "kreg up keeps its images there, and marks it as its own",
        |world| {
            world.kreg(["up", "--storage", &storage]).good()?;
            let role = world.get(["clusterrole", "kreg:docker-registry"])?;
            let record = role["metadata"]["annotations"]["kreg.dev/inventory"].to_string();
            let id = world.on(node, &format!("cat {MARKER}")).read()?;
            match id.len() == 32 && record.contains(&id) {
                true => Ok(()),
                false => Err(Failure::new("find the marker's id in the record", id)),
            }
        },
    )?;
    scene.check("a second registry does not start in it", |world| {
        let up = world.kreg(["up", "--storage", &storage, "--skip-verify"]);
        let words = [IMAGES, "another registry's", &node.name];
        up.args(SECOND).ends_with(1)?.says(&words)?;
        let pods = world.get(["pods", "--namespace", "kreg-second"])?;
        match pods["items"].as_array().map(Vec::len) {
            Some(0) => Ok(()),
            _ => Err(Failure::new("see no Pod of it", pods.to_string())),
        }
    })?;
    scene.check("nor does its down erase what is not its own", |world| {
        let words = ["down", "--delete-data", "--yes"];
        world.kreg(words).args(SECOND).good()?;
        on(world, &format!("test -d {BLOBS}"))?;
        world.kreg(["verify"]).good().map(drop)
    })?;
    scene.check(
        "without its marker a directory is left, and its volume with it",
        |world| {
            on(world, &format!("mv {MARKER} {ABOVE}/aside"))?;
            let words = ["down", "--delete-data", "--yes"];
            let ran = world.kreg(words).ran()?;
            if ran.code == Some(0) {
                return Err(ran.wrong("see it say so", "it ended with 0"));
            }
            ran.says(&[".kreg-registry-id"])?;
            on(world, &format!("test -d {BLOBS}"))?;
            let volume = ["pv", "kreg-system-docker-registry-data"];
            world.get(volume).map(drop)
        },
    )?;
    scene.check(
        "with it the next down erases the images and leaves nothing",
        |world| {
            on(world, &format!("mv {ABOVE}/aside {MARKER}"))?;
            down(world)?;
            on(world, &format!("test ! -e {IMAGES}; rmdir {ABOVE}"))?;
            before.await_return(world)
        },
    )
}
