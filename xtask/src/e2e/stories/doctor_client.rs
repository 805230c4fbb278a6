//! `kreg doctor client` in a container that plays a person's machine: nothing installed, a daemon
//! that is down, a user without the group, and the commands that it prints carried out.

use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use crate::e2e::call::{Call, Ran};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};
use crate::images::SSHD;
use crate::process;

const SOCKET: &str = "/var/run/docker.sock";
/// Where the container sees this machine's; in the usual place it is put by the story.
const OUTSIDE: &str = "/outside/docker.sock";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let name = format!("kreg-doctor-{}", std::process::id());
    let removed = name.clone();
    scene.afterwards("the container", move |_| {
        Call::new("docker")
            .args(["rm", "--force", &removed])
            .good()
            .map(drop)
    });
    let machine = Machine { name };
    scene.check("a container plays a machine of Debian 12", |world| {
        machine.start(world)
    })?;
    scene.check(
        "nothing installed: told, with the commands of Debian",
        |_| {
            let ran = machine.doctor("root", 1)?;
            fix(
                &ran,
                "client",
                &[
                    "apt-get update",
                    "apt-get install --yes docker.io",
                    "service docker start",
                ],
            )
        },
    )?;
    scene.check("apt knows the package that it names", |_| {
        machine
            .sh("apt-get update && apt-get install --yes --simulate docker.io | grep '^Inst docker.io '")
            .good()
    })?;
    for (release, command) in [
        ("ID=fedora", "dnf install --assumeyes moby-engine"),
        (
            "ID=rocky\nID_LIKE=\"rhel centos fedora\"",
            "dnf install --assumeyes podman",
        ),
        (
            "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"",
            "zypper --non-interactive install docker",
        ),
        ("ID=arch", "pacman --sync --needed --noconfirm docker"),
        ("ID=alpine", "apk add docker"),
    ] {
        let id = release.lines().next().unwrap_or_default();
        scene.check(&format!("the same with {id}: {command}"), |_| {
            // Its file is a link, so that this one stands for the system.
            machine
                .sh(&format!(
                    "rm -f /etc/os-release; printf '%s\\n' '{release}' > /etc/os-release"
                ))
                .good()?;
            fix_begins(&machine.doctor("root", 1)?, "client", command)
        })?;
    }
    scene.check(
        "nerdctl alone: of use only where containerd answers it, and not waited for without end",
        |_| {
            let nerdctl = |script: &str| {
                let file = format!("printf '#!/bin/sh\\n{script}\\n' > /usr/local/bin/nerdctl");
                machine
                    .sh(&format!("{file}; chmod +x /usr/local/bin/nerdctl"))
                    .good()
            };
            for script in ["echo no containerd >&2; exit 1", "exec sleep 600"] {
                nerdctl(script)?;
                fix_begins(&machine.doctor("root", 1)?, "daemon", "sh -c 'containerd ")?;
            }
            nerdctl("exit 0")?;
            machine.doctor("root", 0)?;
            machine.sh("rm /usr/local/bin/nerdctl").good()
        },
    )?;
    scene.check("a client and no daemon: told, with the command that starts it", |_| {
        machine.sh("ln -sf ../usr/lib/os-release /etc/os-release; cp /outside/docker /usr/local/bin/docker").good()?;
        fix_begins(&machine.doctor("root", 1)?, "daemon", "sh -c 'dockerd ")
    })?;
    scene.check("a daemon that takes connections and says nothing is not waited for without end", |_| {
        let silent = "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalAddr => shift, Listen => 9) or die $!; sleep 600' \
             127.0.0.1:2399 </dev/null >/dev/null 2>&1 & listener=$!; sleep 1; code=0\n\
             DOCKER_HOST=tcp://127.0.0.1:2399 /outside/kreg doctor client --output json || code=$?\n\
             kill $listener; exit $code";
        let ran = machine.sh(silent).ends_with(1)?;
        fix_begins(&ran, "daemon", "docker version")?;
        ran.shows(&["no answer within"]).map(drop)
    })?;
    scene.check("a socket that a dead daemon has left is no daemon", |_| {
        machine
            .sh("perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die $!' /var/run/docker.sock")
            .good()?;
        fix_begins(&machine.doctor("root", 1)?, "daemon", "sh -c 'dockerd ")
    })?;
    scene.check("the daemon answers: root may use it", |_| {
        machine.sh(&format!("ln -sf {OUTSIDE} {SOCKET}")).good()?;
        machine.doctor("root", 0).map(drop)
    })?;
    let gid = std::fs::metadata(SOCKET)
        .tried(|| format!("look at {SOCKET}"))?
        .gid();
    scene.check(
        "a user without the group: told, with the command that adds it",
        |_| {
            machine
                .sh(&format!(
                    "useradd --create-home ann; groupadd --gid {gid} docker; chmod 755 /outside"
                ))
                .good()?;
            let ran = machine.doctor("ann", 1)?;
            fix_begins(&ran, "access", "sudo usermod --append --groups docker ann")
        },
    )?;
    scene.check("that command, and a new session: ann may use it", |_| {
        machine.sh("usermod --append --groups docker ann").good()?;
        machine.doctor("ann", 0)?;
        // What kreg says is what Docker's own client finds.
        machine.sh("su ann -c 'docker version'").good()
    })?;
    scene.check("a session from before: newgrp is told", |_| {
        let old = "setpriv --reuid ann --regid ann --clear-groups /outside/kreg doctor client --output json";
        fix_begins(&machine.sh(old).ends_with(1)?, "access", "newgrp docker")
    })
}

struct Machine {
    name: String,
}

impl Machine {
    fn start(&self, world: &World) -> Result<()> {
        let docker = process::find("docker")
            .ok_or_else(|| Failure::new("find docker", "it is not on PATH"))?;
        let mount = |from: &std::path::Path, to: &str| format!("{}:{to}:ro", from.display());
        Call::new("docker")
            .args([
                "run",
                "--detach",
                "--init",
                "--name",
                &self.name,
                "--entrypoint",
                "sleep",
            ])
            .args(["--volume", &mount(&world.kreg, "/outside/kreg")])
            .args(["--volume", &mount(&docker, "/outside/docker")])
            .args(["--volume", &format!("{SOCKET}:{OUTSIDE}")])
            .args([SSHD, "3600"])
            .good()
            .map(drop)
    }

    /// A script in it, as root.
    fn sh(&self, script: &str) -> Call {
        Call::new("docker").args(["exec", "--interactive", &self.name, "sh", "-euc", script])
    }

    /// What a new session of `user` is told.
    fn doctor(&self, user: &str, code: i32) -> Result<Ran> {
        self.sh(&format!(
            "su {user} -c '/outside/kreg doctor client --output json'"
        ))
        .ends_with(code)
    }
}

/// The commands for `check`, which is the one that is wrong.
fn commands(ran: &Ran, check: &str) -> Result<Vec<String>> {
    let told = ran.json()?;
    let findings = told["findings"].as_array().cloned().unwrap_or_default();
    let bad: Vec<_> = findings
        .iter()
        .filter(|finding| finding["verdict"] == "bad")
        .collect();
    match bad.as_slice() {
        [only] if only["check"] == check && told["usable"] == Value::Bool(false) => {
            let fix = only["fix"].as_array().cloned().unwrap_or_default();
            Ok(fix
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect())
        }
        _ => Err(ran.wrong(format!("see that `{check}` alone is wrong"), told)),
    }
}

fn fix(ran: &Ran, check: &str, wanted: &[&str]) -> Result<()> {
    let found = commands(ran, check)?;
    match found == wanted {
        true => Ok(()),
        false => Err(ran.wrong(format!("read {wanted:?}"), format!("{found:?}"))),
    }
}

fn fix_begins(ran: &Ran, check: &str, wanted: &str) -> Result<()> {
    let found = commands(ran, check)?;
    match found.first().is_some_and(|first| first.starts_with(wanted)) {
        true => Ok(()),
        false => Err(ran.wrong(format!("read `{wanted}`"), format!("{found:?}"))),
    }
}
