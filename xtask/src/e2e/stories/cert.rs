//! Certificates: looked at, judged, renewed, and the CA replaced, killed at every step, while a
//! client on every node asks again and again whether the registry is to be trusted.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::user::{field, service_address};
use super::{
    clients, report,
    steps::{down, nodes_untouched},
};
use crate::e2e::call::Ran;
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// No step of a rotation takes longer.
const STEP: Duration = Duration::from_secs(180);
/// Any more lines than these and something goes round in circles.
const MOST_LINES: usize = 16;

pub(super) fn renewed_and_rotated(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    shown(scene)?;
    judged(scene)?;
    while_clients_ask(scene, |scene| {
        nodes_untouched(scene, renewed)?;
        rotated(scene)?;
        one_node_out_of_reach(scene)
    })
}

pub(super) fn killed_and_taken_up(scene: &mut Scene<'_>) -> Result<()> {
    up(scene)?;
    while_clients_ask(scene, killed_at_every_step)
}

fn up(scene: &mut Scene<'_>) -> Result<()> {
    scene.afterwards("kreg down", down);
    scene
        .check("kreg up ends with 0", |world| {
            world.kreg(["up", "--skip-verify"]).good()
        })
        .map(drop)
}

/// `part`, with a client on every node that trusts what its node trusts.
fn while_clients_ask(
    scene: &mut Scene<'_>,
    part: impl FnOnce(&mut Scene<'_>) -> Result<()>,
) -> Result<()> {
    scene.afterwards("the clients on the nodes", |world| {
        clients::stop(world).map(drop)
    });
    scene.check("a client on every node starts asking", clients::start)?;
    scene.check("such a client would notice another CA", |world| {
        clients::would_notice(world, world.node(1)?)
    })?;
    part(scene)?;
    scene.check(
        "no client ever met a registry that it does not trust",
        clients::all_trusted,
    )
}

/// `cert show` says what openssl on a node sees.
fn shown(scene: &mut Scene<'_>) -> Result<()> {
    let show = scene.check("kreg cert show ends with 0: held is served", |world| {
        let show = world.kreg(["cert", "show", "--output", "json"]).good()?;
        match show.json()?["servedIsStored"] {
            Value::Bool(true) => Ok(show),
            _ => Err(show.wrong("read servedIsStored: true", "it is not")),
        }
    })?;
    scene.check("openssl on a node sees the same certificate", |world| {
        let address = service_address(world)?;
        let script = format!(
            "openssl s_client -connect {address}:5000 </dev/null 2>/dev/null |
             openssl x509 -noout -fingerprint -sha256 | cut -d= -f2 | tr -d : | tr A-F a-f"
        );
        let seen = world.on(world.node(1)?, &script).read()?;
        let told = field(&show, "/served/0/fingerprint")?;
        match seen == told {
            true => Ok(()),
            false => Err(Failure::new(
                "see the same fingerprint",
                format!("openssl: {seen}, kreg: {told}"),
            )),
        }
    })?;
    scene.check("no private key is in what it prints", |world| {
        let all = world.kreg(["cert", "show", "--output", "yaml"]).good()?;
        match all.stdout.contains("PRIVATE") {
            false => Ok(()),
            true => Err(all.wrong("see no key", "there is one")),
        }
    })
}

/// `cert lint`, on the cluster and on files without one.
fn judged(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("kreg cert lint finds nothing on the cluster", |world| {
        let lint = world.kreg(["cert", "lint", "--output", "json"]).good()?;
        match lint.json()?["findings"].as_array().map(Vec::len) {
            Some(0) => Ok(()),
            _ => Err(lint.wrong("see no finding", "there is one")),
        }
    })?;
    let lint_files = |world: &World, key: &str| {
        let path = |name: &str| world.file(name).display().to_string();
        world
            .kreg_bare(["cert", "lint", "--output", "json"])
            .args(["--cert", &path("tls.crt"), "--ca", &path("ca.crt")])
            .args(["--key", &path(key)])
            .ran()
    };
    scene.check(
        "files alone, with no cluster: nothing wrong, exit code 0",
        |world| {
            for (secret, entry) in [
                ("docker-registry-tls", "tls.crt"),
                ("docker-registry-tls", "tls.key"),
                ("docker-registry-ca", "ca.crt"),
            ] {
                let path = format!("jsonpath={{.data.{}}}", entry.replace('.', "\\."));
                let get = ["get", "secret", secret, "--namespace", "kreg-system", "-o"];
                let encoded = world.kubectl(get).args([&path]).read()?;
                let file = world.file(entry).display().to_string();
                crate::e2e::call::Call::new("sh")
                    .args(["-c", "umask 077; base64 -d > \"$1\"", "sh", &file])
                    .input(encoded)
                    .good()?;
            }
            lint_files(world, "tls.key")?.ended_with(0).map(drop)
        },
    )?;
    scene.check(
        "another key is an error, by name, with its remedy: exit code 1",
        |world| {
            let file = world.file("other.key").display().to_string();
            let make = "umask 077; openssl ecparam -name prime256v1 -genkey -noout -out \"$1\"";
            crate::e2e::call::Call::new("sh")
                .args(["-c", make, "sh", &file])
                .good()?;
            let lint = lint_files(world, "other.key")?.ended_with(1)?;
            let finding = lint.json()?["findings"][0].clone();
            match (finding["code"].as_str(), finding["remedy"].as_str()) {
                (Some("key-mismatch"), Some(remedy)) if !remedy.is_empty() => Ok(()),
                _ => Err(lint.wrong("read key-mismatch with a remedy first", finding)),
            }
        },
    )
}

/// A new leaf under the same CA: one restart, and no node is touched.
fn renewed(scene: &mut Scene<'_>) -> Result<()> {
    scene.check("renew --if-due changes nothing: it is not due", |world| {
        let ran = world.kreg(["cert", "renew", "--if-due", "--output", "json"]);
        let ran = ran.good()?;
        match ran.json()?["changed"] {
            Value::Bool(false) => Ok(()),
            _ => Err(ran.wrong("read changed: false", "it is not")),
        }
    })?;
    scene.check("renew --dry-run changes nothing", |world| {
        let before = served(world)?;
        world.kreg(["cert", "renew", "--dry-run"]).good()?;
        same(&before, &served(world)?)
    })?;
    scene.check(
        "kreg cert renew: another certificate, the same CA, proved",
        |world| {
            let renew = world.kreg(["cert", "renew", "--output", "json"]).good()?;
            report::proves_every_node(&renew, world)?;
            same(
                &field(&renew, "/before/issuer")?,
                &field(&renew, "/after/issuer")?,
            )?;
            match field(&renew, "/before/serial")? == field(&renew, "/after/serial")? {
                false => same(&field(&renew, "/after/fingerprint")?, &served(world)?),
                true => Err(renew.wrong("see another serial number", "it is the same")),
            }
        },
    )?;
    scene.check("kreg up finds nothing to do after it", |world| {
        report::says_unchanged(
            &world
                .kreg(["up", "--skip-verify", "--output", "json"])
                .good()?,
        )
    })
}

/// A new CA in one run, with and without its time of grace, and there and back.
fn rotated(scene: &mut Scene<'_>) -> Result<()> {
    scene.check(
        "renew --ca stops in the time of grace: exit code 5, both trusted",
        |world| {
            let ran = world.kreg(["cert", "renew", "--ca", "--output", "json"]);
            let ran = ran.ends_with(5)?;
            report::proves_every_node(&ran, world)?;
            phase_is(&ran, "switched", 2)
        },
    )?;
    scene.check("kreg up leaves the rotation as it is", |world| {
        report::says_unchanged(
            &world
                .kreg(["up", "--skip-verify", "--output", "json"])
                .good()?,
        )
    })?;
    scene.check("--roll-back ends under the old CA alone", |world| {
        let words = ["cert", "renew", "--ca", "--roll-back", "--output", "json"];
        phase_is(&world.kreg(words).good()?, "single", 1)
    })?;
    scene.check(
        "kreg cert rotate-ca --grace 0s goes through in one run",
        |world| {
            let words = ["cert", "rotate-ca", "--grace", "0s", "--output", "json"];
            let ran = world.kreg(words).good()?;
            report::proves_every_node(&ran, world)?;
            phase_is(&ran, "single", 1)
        },
    )?;
    scene.check(
        "nothing of the old CA is left, in the cluster or on a node",
        one_ca_everywhere,
    )
}

/// Killed after lines that it tells, then taken up by the next run. By default every second line:
/// there is one as each step begins and one as it ends. KREG_KILL_EVERY=1 takes them all.
fn killed_at_every_step(scene: &mut Scene<'_>) -> Result<()> {
    let every = match std::env::var("KREG_KILL_EVERY") {
        Ok(number) => number
            .parse()
            .map_err(|e| Failure::new(format!("read KREG_KILL_EVERY={number}"), e))?,
        Err(_) => 2,
    };
    for line in (1..MOST_LINES).step_by(every) {
        let told = scene.check(
            &format!("renew --ca is killed after line {line}"),
            |world| kill_after(world, line),
        )?;
        let Some(told) = told else {
            // It came to its end: there are no more lines.
            return scene.check(
                "there was more than one step to be killed at",
                |_| match line {
                    5.. => Ok(()),
                    few => Err(Failure::new("see five lines or more", few - 1)),
                },
            );
        };
        scene.check(
            &format!("the next run completes it (killed after: {told})"),
            |world| {
                let words = ["cert", "renew", "--ca", "--finish", "--grace", "0s"];
                let ran = world.kreg(words).args(["--output", "json"]).good()?;
                phase_is(&ran, "single", 1)?;
                one_ca_everywhere(world)?;
                world.kreg(["cert", "lint"]).good().map(drop)
            },
        )?;
    }
    Err(Failure::new("kill it at every step", "it never ends"))
}

/// The certificate does not move while a node is not known to trust the new CA.
fn one_node_out_of_reach(scene: &mut Scene<'_>) -> Result<()> {
    let node = scene.world.node(1)?;
    let before = scene.check("what is served is noted", served)?;
    scene.afterwards("sshd", |world| {
        let start = world.on(world.node(1)?, "systemctl start ssh");
        start.good().map(drop)
    });
    scene.check(&format!("sshd on {} is stopped", node.name), |world| {
        let script = "systemctl stop ssh; ! ss -Htln sport = :22 | grep .";
        world.on(node, script).good()
    })?;
    scene.check(
        "renew --ca ends with 3, names the node, and the old certificate stays",
        |world| {
            world
                .kreg(["cert", "renew", "--ca"])
                .ends_with(3)?
                .says(&[&node.name, "--roll-back"])?;
            same(&before, &served(world)?)
        },
    )?;
    scene.check("sshd runs again, and the next run goes through", |world| {
        world.on(node, "systemctl start ssh").good()?;
        let words = ["cert", "renew", "--ca", "--finish", "--grace", "0s"];
        let ran = world.kreg(words).args(["--output", "json"]).good()?;
        report::proves_every_node(&ran, world)?;
        phase_is(&ran, "single", 1)?;
        match before == served(world)? {
            false => Ok(()),
            true => Err(ran.wrong("see another certificate served", "it is the old one")),
        }
    })
}

/// The last line told before it was killed; `None` if it ended before that line.
fn kill_after(world: &World, line: usize) -> Result<Option<String>> {
    let (send, lines) = mpsc::channel();
    let words = ["cert", "renew", "--ca", "--grace", "0s"];
    let running = world.kreg(words).start(Some(send))?;
    let mut last = String::new();
    for _ in 0..line {
        match lines.recv_timeout(STEP) {
            Ok(text) => last = text,
            Err(_) => return running.wait()?.ended_with(0).map(|_| None),
        }
    }
    match running.kill()? {
        Ran { code: None, .. } => Ok(Some(last)),
        ended => ended.ended_with(0).map(|_| None),
    }
}

pub(super) fn phase_is(ran: &Ran, phase: &str, trusted: usize) -> Result<()> {
    let document = ran.json()?;
    let now = document["trusted"].as_array().map_or(0, Vec::len);
    match document["phase"] == phase && now == trusted {
        true => Ok(()),
        false => Err(ran.wrong(
            format!("see phase {phase} with {trusted} trusted"),
            format!("phase {} with {now}", document["phase"]),
        )),
    }
}

/// The fingerprint of what the registry serves.
pub(super) fn served(world: &World) -> Result<String> {
    let show = world.kreg(["cert", "show", "--output", "json"]).good()?;
    field(&show, "/served/0/fingerprint")
}

pub(super) fn same(one: &str, other: &str) -> Result<()> {
    match one == other {
        true => Ok(()),
        false => Err(Failure::new(
            "see the same as before",
            format!("{one} became {other}"),
        )),
    }
}

/// One certificate in every trust file, and no Secret of a rotation.
pub(super) fn one_ca_everywhere(world: &World) -> Result<()> {
    let get = ["get", "secrets", "--namespace", "kreg-system", "-o", "name"];
    let secrets = world.kubectl(get).read()?;
    if secrets.contains("rotation") {
        return Err(Failure::new("see no Secret of a rotation", secrets));
    }
    for node in &world.cluster.nodes {
        let count = "grep -c BEGIN /etc/containerd/certs.d/docker-registry:5000/ca.crt";
        let count = world.on(node, count).read()?;
        if count != "1" {
            return Err(Failure::new(
                format!("see one CA trusted on {}", node.name),
                format!("there are {count}"),
            ));
        }
    }
    Ok(())
}
