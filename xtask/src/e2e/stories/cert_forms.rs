//! Certificates where there is no CA in the cluster: the tutorial's, which vouches for itself, and
//! those of a CA whose key an operator keeps.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::cert::{phase_is, same, served};
use super::user::field;
use super::{clients, report, steps::down};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};

/// Each renewal makes a new anchor: it reaches every node before the registry serves it.
pub(super) fn tutorial(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", |world| {
        let words = ["down", "--profile", "tutorial", "--delete-data", "--yes"];
        world.kreg(words).good().map(drop)
    });
    scene.check("kreg up --profile tutorial ends with 0", |world| {
        world
            .kreg(["up", "--profile", "tutorial", "--skip-verify"])
            .good()
    })?;
    scene.check(
        "lint warns of a certificate that vouches for itself, and ends with 0",
        |world| {
            let lint = world.kreg(["cert", "lint", "--output", "json"]).good()?;
            match lint.json()?["findings"][0]["code"] == "self-signed-leaf" {
                true => Ok(()),
                false => Err(lint.wrong("read self-signed-leaf", "it is not the first finding")),
            }
        },
    )?;
    let home = scene.check("the Pod's node is noted", home)?;
    let before = scene.check("what is served is noted", served)?;
    scene.check(
        "renew ends with 0, and proves another certificate on every node",
        |world| {
            let renew = world.kreg(["cert", "renew", "--output", "json"]).good()?;
            report::proves_every_node(&renew, world)?;
            same(&field(&renew, "/before/fingerprint")?, &before)?;
            match served(world)? == before {
                false => Ok(()),
                true => Err(renew.wrong("see another certificate served", "it is the old one")),
            }
        },
    )?;
    scene.check("every node trusts the new one alone", |world| {
        for node in &world.cluster.nodes {
            let count = "grep -c BEGIN /etc/docker/certs.d/docker-registry:5000/ca.crt";
            same("1", &world.on(node, count).read()?)?;
        }
        Ok(())
    })?;
    scene.check("kreg up finds nothing to do after it", |world| {
        let words = [
            "up",
            "--profile",
            "tutorial",
            "--skip-verify",
            "--output",
            "json",
        ];
        report::says_unchanged(&world.kreg(words).good()?)
    })?;
    scene.check(
        "its Pod is on the node where the images are, also after an up that replaces it",
        |world| {
            same(&home, &self::home(world)?)?;
            let words = [
                "up",
                "--profile",
                "tutorial",
                "--skip-verify",
                "--output",
                "json",
            ];
            let up = world
                .kreg(words)
                .args(["--san", "registry.example"])
                .good()?;
            if !up.stdout.contains("\"replace\"") {
                return Err(up.wrong("see the Pod replaced", "no object is"));
            }
            same(&home, &self::home(world)?)
        },
    )?;
    scene.check("renew --ca ends with 2: there is no CA", |world| {
        world
            .kreg(["cert", "renew", "--ca"])
            .ends_with(2)?
            .says(&["no CA"])
            .map(drop)
    })
}

/// Where the tutorial's Pod runs.
fn home(world: &World) -> Result<String> {
    let pod = world.get(["pod", "docker-registry-pod", "--namespace", "default"])?;
    match pod["spec"]["nodeName"].as_str() {
        Some(node) => Ok(node.to_owned()),
        None => Err(Failure::new("see the Pod on a node", &pod["status"])),
    }
}

/// The CA's key never comes into the cluster; its files are for their owner alone.
pub(super) fn outside_key(scene: &mut Scene<'_>) -> Result<()> {
    let file = scene.world.file("ca.key");
    let key = file.display().to_string();
    scene.afterwards("kreg down", down);
    scene.check("kreg up --ca-key FILE ends with 0", |world| {
        world.kreg(["up", "--skip-verify", "--ca-key", &key]).good()
    })?;
    scene.afterwards("the clients on the nodes", |world| {
        clients::stop(world).map(drop)
    });
    scene.check("a client on every node starts asking", clients::start)?;
    scene.check("the key is in FILE alone, mode 600", |world| {
        own_files(&file, &["ca.key"])?;
        no_key_in_the_cluster(world)
    })?;
    scene.check(
        "renew without the file ends with 1 and asks for it",
        |world| {
            let renew = world.kreg(["cert", "renew"]);
            renew.ends_with(1)?.says(&["--ca-key"])
        },
    )?;
    scene.check("renew with it ends with 0", |world| {
        let words = ["cert", "renew", "--skip-verify", "--ca-key", &key];
        world.kreg(words).good()
    })?;
    scene.check(
        "in the time of grace both keys are kept, mode 600",
        |world| {
            let words = [
                "cert", "renew", "--ca", "--output", "json", "--ca-key", &key,
            ];
            phase_is(&world.kreg(words).ends_with(5)?, "switched", 2)?;
            own_files(&file, &["ca.key", "ca.key.new", "ca.key.old"])?;
            no_key_in_the_cluster(world)
        },
    )?;
    scene.check(
        "at its end there is one key, and it is the one that signs",
        |world| {
            let words = ["cert", "renew", "--ca", "--finish", "--grace", "0s"];
            let more = ["--output", "json", "--ca-key", &key];
            phase_is(&world.kreg(words).args(more).good()?, "single", 1)?;
            own_files(&file, &["ca.key"])?;
            no_key_in_the_cluster(world)?;
            let renew = ["cert", "renew", "--output", "json", "--ca-key", &key];
            report::proves_every_node(&world.kreg(renew).good()?, world)
        },
    )?;
    scene.check(
        "no client ever met a registry that it does not trust",
        clients::all_trusted,
    )
}

/// Exactly these files have a name that begins with the key's, each for its owner alone.
fn own_files(key: &Path, wanted: &[&str]) -> Result<()> {
    let folder = key.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in folder
        .read_dir()
        .tried(|| format!("list {}", folder.display()))?
    {
        let entry = entry.tried(|| format!("list {}", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("ca.key") {
            continue;
        }
        let about = entry.metadata().tried(|| format!("look at {name}"))?;
        match about.permissions().mode() & 0o777 {
            0o600 => found.push(name),
            mode => {
                return Err(Failure::new(
                    format!("see {name} closed"),
                    format!("{mode:o}"),
                ));
            }
        }
    }
    found.sort();
    match found == wanted {
        true => Ok(()),
        false => Err(Failure::new(
            format!("see the key files {wanted:?}"),
            format!("there are {found:?}"),
        )),
    }
}

/// No Secret of the registry has an entry that is a CA's key.
pub(super) fn no_key_in_the_cluster(world: &World) -> Result<()> {
    let secrets = world.get(["secrets", "--namespace", "kreg-system"])?;
    for secret in secrets["items"].as_array().into_iter().flatten() {
        let entries = secret["data"].as_object().into_iter().flatten();
        for (entry, _) in entries {
            if entry.ends_with(".key") && entry != "tls.key" {
                return Err(Failure::new(
                    "see no key of a CA in the cluster",
                    format!("{} has {entry}", secret["metadata"]["name"]),
                ));
            }
        }
    }
    Ok(())
}
