//! Users come, change their passwords and go, on a registry that is not restarted for it.

use std::thread;

use serde_json::Value;

use super::{report, steps::down};
use crate::e2e::call::{Call, Ran};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// Longer than a kubelet takes to refresh a mounted Secret: its sync period and its cache's life.
const KUBELET: f64 = 90.0;

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene.check("kreg up ends with 0", |world| {
        world.kreg(["up", "--skip-verify"]).good()
    })?;
    let pod = scene.check("the registry's Pod is noted", registry_pod)?;

    let made = scene.check(
        "kreg user add ann --generate ends when ann is in",
        |world| told_in_time(world.kreg(["user", "add", "ann", "--generate", "--output", "json"])),
    )?;
    let generated = made.json()?["password"].as_str().unwrap_or("").to_owned();
    scene.check("curl on a node says the same: 200 for ann", |world| {
        answers(world, "ann", &generated, "200")
    })?;
    scene.check(
        "a wrong password: check ends with 4, curl says 401",
        |world| {
            with_password(world, ["user", "check", "ann"], "wrong").ends_with(4)?;
            answers(world, "ann", "wrong", "401")
        },
    )?;
    scene.check(
        "nobody can have the name of kreg's witness: exit code 2",
        |world| {
            with_password(world, ["user", "add", "kreg-witness-1"], "x")
                .ends_with(2)?
                .says(&["kreg-witness", "choose another"])
        },
    )?;
    scene.check("ann cannot be added twice: exit code 2", |world| {
        with_password(world, ["user", "add", "ann"], "other")
            .ends_with(2)?
            .says(&["ann"])
    })?;

    scene.check(
        "kreg user passwd ann ends when the new one is in",
        |world| told_in_time(with_password(world, ["user", "passwd", "ann"], "second")),
    )?;
    scene.check("the new password is in, the old one is out", |world| {
        answers(world, "ann", "second", "200")?;
        answers(world, "ann", &generated, "401")
    })?;
    at_the_same_time(scene)?;
    scene.check("kreg user remove ann ends when ann is out", |world| {
        told_in_time(world.kreg(["user", "remove", "ann", "--output", "json"]))?;
        answers(world, "ann", "second", "401")
    })?;
    the_one_who_pulls(scene)?;
    scene.check(
        "all that without a restart: the same Pod, never restarted",
        |world| match registry_pod(world)? {
            now if now == pod => Ok(()),
            now => Err(Failure::new(
                "see the same Pod",
                format!("it was {pod}, it is {now}"),
            )),
        },
    )
}

/// Two operators who each change a user lose none, and neither waits for the other's witness.
fn at_the_same_time(scene: &mut Scene<'_>) -> Result<()> {
    const NAMES: [&str; 4] = ["bob", "cyd", "dan", "eve"];
    scene.check("four users added at the same time are all there", |world| {
        all_at_once(NAMES, |name| {
            with_password(world, ["user", "add", name], name).good()
        })?;
        let list = world.kreg(["user", "list", "--output", "json"]).good()?;
        let known = names(&list)?;
        for name in NAMES {
            if !known.iter().any(|known| known == name) {
                return Err(list.wrong(format!("see {name} in the list"), "it is lost"));
            }
            answers(world, name, name, "200")?;
        }
        Ok(())
    })?;
    scene.check("two removed and one added at the same time", |world| {
        all_at_once(["bob", "cyd", "fay"], |name| match name {
            "fay" => with_password(world, ["user", "add", name], name).good(),
            _ => world.kreg(["user", "remove", name]).good(),
        })?;
        for (name, answer) in [("bob", "401"), ("cyd", "401"), ("fay", "200")] {
            answers(world, name, name, answer)?;
        }
        let list = world.kreg(["user", "list", "--output", "json"]).good()?;
        match names(&list)?
            .iter()
            .find(|name| name.starts_with("kreg-witness"))
        {
            Some(left) => Err(list.wrong("see no witness left", left.clone())),
            None => Ok(()),
        }
    })
}

fn all_at_once<const N: usize>(
    names: [&str; N],
    call: impl Fn(&str) -> Result<Ran> + Sync,
) -> Result<()> {
    let ended: Vec<Result<Ran>> = thread::scope(|scope| {
        let call = &call;
        let running = names.map(|name| scope.spawn(move || call(name)));
        let join = |one: thread::ScopedJoinHandle<'_, Result<Ran>>| {
            one.join().unwrap_or_else(|_| {
                Err(Failure::new(
                    "change a user",
                    "the thread that did it panicked",
                ))
            })
        };
        running.into_iter().map(join).collect()
    });
    ended.into_iter().collect::<Result<Vec<_>>>().map(drop)
}

/// The pull secret's user: never removed, and changed in both places.
fn the_one_who_pulls(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "the pull secret's user cannot be removed: exit code 2",
        |world| {
            world
                .kreg(["user", "remove", "kreg"])
                .ends_with(2)?
                .says(&["docker-registry-pull"])
        },
    )?;
    scene.check(
        "kreg user passwd kreg changes the pull secret too",
        |world| {
            with_password(world, ["user", "passwd", "kreg"], "third").good()?;
            answers(world, "kreg", "third", "200")?;
            answers(world, "kreg", crate::e2e::world::PASSWORD, "401")
        },
    )?;
    scene.check("kreg verify proves every node with it", |world| {
        let verify = world.kreg(["verify", "--output", "json"]).good()?;
        report::proves_every_node(&verify, world)
    })?;
    scene.check("kreg up without a password given keeps it", |world| {
        let up = world
            .kreg(["up", "--skip-verify", "--output", "json"])
            .without_env("KREG_PASSWORD")
            .good()?;
        report::says_unchanged(&up)
    })
}

fn with_password<const N: usize>(world: &World, words: [&str; N], password: &str) -> Call {
    world
        .kreg(words)
        .args(["--password-stdin", "--output", "json"])
        .input(password)
}

/// It ends well, and the registry knew within the time that a kubelet needs.
fn told_in_time(call: Call) -> Result<Ran> {
    let ran = call.good()?;
    match ran.json()?["seconds"].as_f64() {
        Some(seconds) if seconds < KUBELET => Ok(ran),
        Some(seconds) => Err(ran.wrong(
            format!("see it done within {KUBELET} s"),
            format!("it took {seconds} s"),
        )),
        None => Err(ran.wrong("read `seconds`", "it is not there")),
    }
}

/// What the registry says to this user by another program, with the node's own trust.
fn answers(world: &World, user: &str, password: &str, wanted: &str) -> Result<()> {
    let address = service_address(world)?;
    let script = format!(
        "curl --silent --output /dev/null --write-out '%{{http_code}}' --config - \
         --cacert /etc/containerd/certs.d/docker-registry:5000/ca.crt https://{address}:5000/v2/ <<'END'\n\
         user = \"{user}:{password}\"\nEND"
    );
    let code = world.on(world.node(1)?, &script).read()?;
    match code == wanted {
        true => Ok(()),
        false => Err(Failure::new(
            format!("see the registry answer {wanted} to {user}"),
            format!("it answers {code}"),
        )),
    }
}

pub(super) fn service_address(world: &World) -> Result<String> {
    let service = ["service", "docker-registry", "--namespace", "kreg-system"];
    let service = world.get(service)?;
    match service["spec"]["clusterIP"].as_str() {
        Some(address) => Ok(address.to_owned()),
        None => Err(Failure::new(
            "read the registry's address",
            "its Service has none",
        )),
    }
}

/// Uid and restarts of the registry's Pod.
fn registry_pod(world: &World) -> Result<String> {
    let selector = "--selector=app.kubernetes.io/component=registry";
    let pods = world.get(["pods", "--namespace", "kreg-system", selector])?;
    match pods["items"].as_array().map(Vec::as_slice) {
        Some([pod]) => Ok(format!(
            "{} with {} restarts",
            pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]
        )),
        _ => Err(Failure::new("see one Pod of the registry", &pods["items"])),
    }
}

fn names(list: &Ran) -> Result<Vec<String>> {
    let document = list.json()?;
    let users = document["users"].as_array().into_iter().flatten();
    Ok(users
        .filter_map(|user| user["name"].as_str().map(str::to_owned))
        .collect::<Vec<String>>())
}

/// Of use to other stories: a document's field as text.
pub(super) fn field(ran: &Ran, pointer: &str) -> Result<String> {
    match ran.json()?.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(ran.wrong(format!("read the text at {pointer}"), format!("{other:?}"))),
    }
}
