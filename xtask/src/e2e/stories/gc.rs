//! Garbage collection: what is deleted goes from the storage, what an image needs stays, and no
//! run that was killed leaves the registry read-only for good.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::e2e::call::{Call, Ran};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};
use crate::images::BUSYBOX;
use crate::packages::{self, tool};

/// Its own name, so that this machine's `/etc/hosts` may name others at the same time.
const NAME: &str = "collected";
const NAMESPACE: &str = "collected";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("skopeo is there", |_| {
        packages::ensure(&[tool("skopeo", "skopeo"), tool("ip", "iproute2")])
    })?;
    scene.afterwards("kreg down", |world| {
        kreg(world, ["down", "--delete-data", "--yes"])
            .good()
            .map(drop)
    });
    scene.check("kreg up ends with 0", |world| kreg(world, UP).good())?;
    scene.check("nothing was pushed: nothing to do", |world| {
        blobs(&kreg(world, ["gc", "--yes", "--output", "json"]).good()?, 0)
    })?;
    scene.check("two images share a layer; one is deleted", |world| {
        build(world, "kept")?;
        build(world, "gone")?;
        through(
            world,
            &format!("{}\n{}\n{DELETE}", copy("kept"), copy("gone")),
        )
        .good()
    })?;
    let pod = scene.check("the registry's Pod is noted", pod)?;
    let found = scene.check("--dry-run names its blobs and their size", |world| {
        let ran = kreg(world, ["gc", "--dry-run", "--output", "json"]).good()?;
        // Manifest, configuration, and the layer that the other image does not have.
        blobs(&ran, 3)?;
        match ran.json()?["bytes"].as_u64() {
            Some(1_000_000..2_000_000) => Ok(ran.json()?["blobs"].clone()),
            _ => Err(ran.wrong(
                "read the size of a layer of a random megabyte",
                "it is not that",
            )),
        }
    })?;
    scene.check("and touched nothing: the same Pod", |world| {
        match self::pod(world)? == pod {
            true => Ok(()),
            false => Err(Failure::new("see the same Pod", "it is another")),
        }
    })?;
    scene.check(
        "without --yes, where nobody can be asked: exit code 2",
        |world| kreg(world, ["gc"]).ends_with(2),
    )?;
    scene.check("kreg gc removes just these", |world| {
        let ran = kreg(world, ["gc", "--yes", "--output", "json"]).good()?;
        match ran.json()?["blobs"] == found {
            true => Ok(()),
            false => Err(ran.wrong("see these removed", found.to_string())),
        }
    })?;
    scene.check("the kept image pulls whole, the other is unknown, and is pushed anew", |world| {
        let script = format!(
            "{}\nif skopeo inspect docker://{NAME}:5000/gone:1 2>told; then exit 9; fi\ncat told >&2\n{}\n{}",
            pull("kept"),
            copy("gone"),
            pull("gone")
        );
        through(world, &script).good()?.says(&["manifest unknown"])
    })?;
    scene.check("again: nothing to do, and no restart", |world| {
        let before = self::pod(world)?;
        blobs(&kreg(world, ["gc", "--yes", "--output", "json"]).good()?, 0)?;
        match self::pod(world)? == before {
            true => Ok(()),
            false => Err(Failure::new("see the same Pod", "it is another")),
        }
    })?;
    killed_half_way(scene)
}

fn killed_half_way(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("a run is killed while the registry is read-only", kill)?;
    scene.check(
        "pulls go on, pushes are refused, and status tells",
        |world| {
            let push = copy("gone");
            let script = format!(
                "{}\nif {push} 2>told; then exit 9; fi\ncat told >&2",
                pull("kept")
            );
            through(world, &script).good()?.says_one_of(&[
                "unsupported",
                "405",
                "Method Not Allowed",
            ])?;
            kreg(world, ["status"])
                .ends_with(5)?
                .shows(&["args", "kreg-gc"])
        },
    )?;
    scene.check("the next run ends it: pushes are taken", |world| {
        let ran = kreg(world, ["gc", "--yes", "--output", "json"]).good()?;
        match ran.json()?["takenUp"] == Value::Bool(true) {
            true => through(world, &copy("gone")).good(),
            false => Err(ran.wrong("see that it took up another run", "it does not say so")),
        }
    })?;
    scene
        .check(
            "another one is killed, and `kreg up` ends it as well",
            |world| {
                kill(world)?;
                kreg(world, UP).good()?;
                through(world, &format!("{}\n{}", copy("gone"), pull("gone"))).good()
            },
        )
        .map(drop)
}

/// Deletes the image, begins a collection, and kills it when the registry is read-only.
fn kill(world: &World) -> Result<()> {
    through(world, DELETE).good()?;
    let (send, lines) = mpsc::channel();
    let running = kreg(world, ["gc", "--yes"]).start(Some(send))?;
    loop {
        match lines.recv_timeout(Duration::from_secs(120)) {
            Ok(line) if line.contains("registry read-only") => return running.kill().map(drop),
            Ok(_) => {}
            Err(_) => {
                let ran = running.kill()?;
                return Err(ran.wrong("see the registry read-only", "it never was"));
            }
        }
    }
}

const UP: [&str; 4] = ["up", "--skip-nodes", "--skip-verify", "--no-local-hosting"];
const DELETE: &str = "skopeo delete docker://collected:5000/gone:1";

/// An image of busybox's layer and one of a random megabyte, as an archive.
fn build(world: &World, name: &str) -> Result<()> {
    let folder = world.file(name);
    let tag = format!("{NAME}:5000/{name}:1");
    let script = format!(
        "mkdir -p {name}; head -c 1000000 /dev/urandom > {name}/random\n\
         printf 'FROM {BUSYBOX}\\nCOPY random /random\\n' > {name}/Dockerfile\n\
         DOCKER_BUILDKIT=0 docker build --quiet --tag {tag} {name}\n\
         docker save --output {name}.tar {tag}\ndocker rmi {tag}"
    );
    let call = Call::new("sh").args(["-euc", &script]);
    call.cwd(folder.parent().unwrap_or(&folder))
        .good()
        .map(drop)
}

fn copy(name: &str) -> String {
    format!("skopeo copy docker-archive:{name}.tar docker://{NAME}:5000/{name}:1")
}

fn pull(name: &str) -> String {
    format!("rm -rf pulled; skopeo copy docker://{NAME}:5000/{name}:1 dir:pulled")
}

/// A shell script, in the story's directory, while a tunnel is open, logged in.
fn through(world: &World, script: &str) -> Call {
    kreg(
        world,
        [
            "tunnel", "--trust", "install", "--login", "--", "sh", "-euc", script,
        ],
    )
}

/// `kreg` on this story's registry.
fn kreg<const N: usize>(world: &World, arguments: [&str; N]) -> Call {
    let place = ["--namespace", NAMESPACE, "--name", NAME];
    world.kreg(arguments[..1].iter().chain(&place).chain(&arguments[1..]))
}

fn blobs(ran: &Ran, count: usize) -> Result<()> {
    match ran.json()?["blobs"].as_array().map(Vec::len) {
        Some(found) if found == count => Ok(()),
        found => Err(ran.wrong(format!("count {count} blobs"), format!("{found:?}"))),
    }
}

/// The uid of the registry's Pod.
fn pod(world: &World) -> Result<String> {
    let selector = format!("kreg.dev/instance={NAME},app.kubernetes.io/component=registry");
    let pods = world.get(["pods", "--namespace", NAMESPACE, "--selector", &selector])?;
    match pods["items"].as_array().map(Vec::as_slice) {
        Some([one]) => Ok(one["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned()),
        _ => Err(Failure::new("see the registry's one Pod", pods.to_string())),
    }
}
