//! The clients that people use, each the real program, through `kreg tunnel` on this machine.
//!
//! Each pushes and pulls with the registry's CA verified, and is refused by nothing but its own
//! distrust where the CA is kept from it.

mod clients;
mod slow;

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use crate::e2e::call::{Call, Ran, Running};
use crate::e2e::story::Scene;
use crate::e2e::world::World;
use crate::failure::{Failure, Result, Tried as _};
use crate::packages::{self, tool};
use crate::parts;

use clients::Programs;

/// Its own name, so that this machine's `/etc/hosts` may name the default one at the same time.
pub(super) const NAME: &str = "clients";
pub(super) const HOST: &str = "clients:5000";
const NAMESPACE: &str = "clients-tunnel";
const USER: &str = "kreg";

/// Where docker and the others look; gone when the tunnel is.
const DOCKER_CA: &str = "/etc/docker/certs.d/clients:5000/ca.crt";
const CA: &str = "/etc/containers/certs.d/clients:5000/ca.crt";
const BUILDKITD_TOML: &str = "/etc/buildkit/clients-5000.toml";

pub(super) fn run(scene: &mut Scene<'_>) -> Result<()> {
    let programs = scene.check(
        "docker, podman, skopeo, buildah, crane and BuildKit are there",
        |_| {
            packages::ensure(&[
                tool("podman", "podman"),
                tool("skopeo", "skopeo"),
                tool("buildah", "buildah"),
                tool("runc", "runc"),
                tool("ip", "iproute2"),
                tool("tc", "iproute2"),
                tool("curl", "curl"),
            ])?;
            Ok(Programs {
                crane: parts::crane()?,
                buildkit: parts::buildkit()?,
            })
        },
    )?;
    scene.afterwards("kreg down", |world| {
        kreg(world, ["down", "--delete-data", "--yes"])
            .good()
            .map(drop)
    });
    scene.check("kreg up ends with 0", |world| {
        kreg(
            world,
            ["up", "--skip-nodes", "--skip-verify", "--no-local-hosting"],
        )
        .good()
    })?;
    let before = scene.check("what this machine holds is noted", |_| Machine::now())?;
    scene.afterwards("what a tunnel has left on this machine", |world| {
        kreg(world, ["tunnel", "--trust", "remove"])
            .good()
            .map(drop)
    });
    let mut tunnel = Some(scene.check("kreg tunnel --trust install opens a tunnel", open)?);
    let told = every_client(scene, &programs).and_then(|()| {
        scene.check(
            "a second tunnel is refused, and takes nothing from the first",
            second,
        )
    });
    if let Some(tunnel) = tunnel.take() {
        scene.check("Ctrl-C ends it with 0", |_| {
            tunnel.interrupt()?.ended_with(0)
        })?;
    }
    told?;
    scene.check("this machine is as it was, byte for byte", |_| {
        before.same()
    })?;

    for signal in ["QUIT", "HUP", "TERM"] {
        scene.check(
            &format!("SIG{signal} takes everything back as well"),
            |world| {
                open(world)?.signalled(signal)?;
                before.same()
            },
        )?;
    }
    scene.check(
        "a tunnel that was killed is taken back by --trust remove",
        |world| {
            open(world)?.kill()?;
            if before.same().is_ok() {
                return Err(Failure::new("see what a killed tunnel leaves", "nothing"));
            }
            kreg(world, ["tunnel", "--trust", "remove"]).good()?;
            before.same()
        },
    )?;
    scene.check(
        "the script of --trust print does by hand what clients need",
        |world| by_hand(world, &before),
    )?;
    scene.check(
        "-- COMMAND is logged in, and its code is the tunnel's",
        |world| {
            let script = format!("skopeo inspect docker://{HOST}/skopeo:1 >/dev/null && exit 7");
            through(world, &script).ends_with(7)?;
            before.same()
        },
    )?;
    slow::run(scene)
}

/// At the same place, at another, and at another port.
fn second(world: &World) -> Result<()> {
    let first = Machine::now()?;
    let refused = |more: [&str; 2], code, says| {
        let [option, value] = more;
        let words = ["tunnel", "--trust", "install", option, value, "--", "true"];
        kreg(world, words).ends_with(code)?.says(&[says]).map(drop)
    };
    refused(["--local-port", "5000"], 1, "cannot listen")?;
    refused(
        ["--address", "198.51.100.7"],
        1,
        "by another `kreg tunnel --trust install`",
    )?;
    refused(["--local-port", "5001"], 2, "--local-port 5001")?;
    first.same()
}

/// Carried out as it stands, then taken away.
fn by_hand(world: &World, before: &Machine) -> Result<()> {
    let made: Vec<&str> = [
        "/etc/docker/certs.d/clients:5000",
        "/etc/docker/certs.d",
        "/etc/containers/certs.d/clients:5000",
        "/etc/containers/certs.d",
        "/etc/buildkit",
    ]
    .into_iter()
    .filter(|folder| !std::path::Path::new(folder).exists())
    .collect();
    let script = kreg(world, ["tunnel", "--trust", "print"]).good()?;
    let told = script
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("#   kreg tunnel --address "));
    let Some(address) = told.map(str::to_owned) else {
        return Err(script.wrong("read how the tunnel is opened", "it is not told"));
    };
    let pulled = (|| {
        Call::new("sh")
            .args(["-eu"])
            .input(script.stdout.as_str())
            .good()?;
        let inspect = format!("skopeo inspect docker://{HOST}/skopeo:1 >/dev/null");
        let open = ["tunnel", "--address", address.as_str(), "--login"];
        kreg(world, open)
            .args(["--", "sh", "-euc", &inspect])
            .good()
    })();
    fs::write("/etc/hosts", &before.hosts).tried(|| "restore /etc/hosts".to_owned())?;
    let files = [DOCKER_CA, CA, BUILDKITD_TOML].into_iter();
    for file in files.filter(|file| !before.files.contains(file)) {
        // Where the script did not come so far, there is none.
        let _ = fs::remove_file(file);
    }
    for folder in made {
        let _ = fs::remove_dir(folder);
    }
    let remove = ["address", "del", &format!("{address}/32"), "dev", "lo"];
    let removed = Call::new("ip").args(remove).ran()?;
    pulled?;
    removed.ended_with(0)?;
    before.same()
}

fn every_client(scene: &mut Scene<'_>, programs: &Programs) -> Result<()> {
    scene.check("docker pushes and pulls", clients::docker)?;
    let archive = scene.check("an image is saved for the others", clients::archive)?;
    scene.check("docker without the CA: x509", |world| -> Result<()> {
        let hidden = world.file("hidden.crt");
        fs::copy(DOCKER_CA, &hidden).tried(|| format!("copy {DOCKER_CA}"))?;
        fs::remove_file(DOCKER_CA).tried(|| format!("remove {DOCKER_CA}"))?;
        let refused = clients::docker_pull(world).ran();
        // Back first: what kreg wrote must be there when it takes it away.
        fs::copy(&hidden, DOCKER_CA).tried(|| format!("restore {DOCKER_CA}"))?;
        distrusts(refused?)
    })?;
    scene.check("podman pushes and pulls", |w| clients::podman(w, &archive))?;
    scene.check("podman without the CA: x509", |w| {
        distrusts(
            clients::podman_pull(w)
                .args(["--cert-dir"])
                .args([empty(w)?])
                .args([clients::PODMAN])
                .ran()?,
        )
    })?;
    scene.check("skopeo pushes and pulls", |w| clients::skopeo(w, &archive))?;
    scene.check("skopeo without the CA: x509", |w| {
        let inspect = ["inspect", "--authfile"];
        let call = Call::new("skopeo")
            .args(inspect)
            .args([w.file("auth.json")]);
        distrusts(
            call.args(["--cert-dir"])
                .args([empty(w)?])
                .args([format!("docker://{HOST}/skopeo:1")])
                .ran()?,
        )
    })?;
    scene.check("buildah pushes and pulls", |w| {
        clients::buildah(w, &archive)
    })?;
    scene.check("buildah without the CA: x509", |w| {
        distrusts(
            clients::buildah_pull(w)
                .args(["--cert-dir"])
                .args([empty(w)?])
                .args([clients::BUILDAH])
                .ran()?,
        )
    })?;
    scene.check("crane pushes and pulls", |w| {
        clients::crane(w, &programs.crane, &archive)
    })?;
    scene.check("crane without the CA: x509", |w| {
        let digest = ["digest", &format!("{HOST}/crane:1")];
        distrusts(clients::crane_call(w, &programs.crane).args(digest).ran()?)
    })?;
    scene.check("BuildKit pushes and pulls", |w| {
        clients::buildkit(w, &programs.buildkit, Some(BUILDKITD_TOML))
    })?;
    scene.check(
        "BuildKit without the CA: x509",
        |w| match clients::buildkit(w, &programs.buildkit, None) {
            Ok(()) => Err(Failure::new("see BuildKit distrust", "it pushed")),
            Err(failure) if failure.to_string().contains(X509) => Ok(()),
            Err(failure) => Err(failure),
        },
    )?;
    scene
        .check(
            "the Pod is replaced, and the next call waits for the new one",
            |world| {
                let deployment = format!("deployment/{NAME}");
                world
                    .kubectl(["--namespace", NAMESPACE, "rollout", "restart", &deployment])
                    .good()?;
                let call = Call::new("skopeo")
                    .args(["inspect", "--authfile"])
                    .args([world.file("auth.json")]);
                call.args([format!("docker://{HOST}/skopeo:1")]).good()
            },
        )
        .map(drop)
}

/// The words of every one of these, all made with Go.
const X509: &str = "x509: certificate signed by unknown authority";

fn distrusts(ran: Ran) -> Result<()> {
    let told = format!("{}{}", ran.stdout, ran.stderr);
    match ran.code {
        Some(0) => Err(ran.wrong("see it distrust the registry", "it worked")),
        _ if told.contains(X509) => Ok(()),
        _ => Err(ran.wrong(
            "see it distrust the registry",
            "it failed for another reason",
        )),
    }
}

fn empty(world: &World) -> Result<std::path::PathBuf> {
    let folder = world.file("no-certificates");
    fs::create_dir_all(&folder).tried(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

/// `kreg` on this story's registry.
fn kreg<const N: usize>(world: &World, arguments: [&str; N]) -> Call {
    let place = ["--namespace", NAMESPACE, "--name", NAME];
    // The global ones before what may come after `--`.
    world.kreg(arguments[..1].iter().chain(&place).chain(&arguments[1..]))
}

/// A shell script while a tunnel is open, logged in.
fn through(world: &World, script: &str) -> Call {
    kreg(
        world,
        [
            "tunnel", "--trust", "install", "--login", "--", "sh", "-euc", script,
        ],
    )
}

/// Opens a tunnel and waits until it works.
fn open(world: &World) -> Result<Running> {
    let (send, lines) = mpsc::channel();
    let running = kreg(world, ["tunnel", "--trust", "install"]).start(Some(send))?;
    let mut told = Vec::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(120)) {
            Ok(line) if line.contains("leads to service") => return Ok(running),
            Ok(line) => told.push(line),
            Err(_) => {
                let ran = running.kill()?;
                return Err(ran.wrong("open a tunnel", format!("it did not: {told:?}")));
            }
        }
    }
}

/// What a tunnel changes here.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    hosts: Vec<u8>,
    addresses: String,
    files: Vec<&'static str>,
}

impl Machine {
    fn now() -> Result<Self> {
        let there = |path: &&str| std::path::Path::new(path).exists();
        Ok(Self {
            hosts: fs::read("/etc/hosts").tried(|| "read /etc/hosts".to_owned())?,
            addresses: Call::new("ip")
                .args(["-oneline", "address", "show", "dev", "lo"])
                .read()?,
            files: [DOCKER_CA, CA, BUILDKITD_TOML]
                .into_iter()
                .filter(there)
                .collect(),
        })
    }

    fn same(&self) -> Result<()> {
        let now = Self::now()?;
        match now == *self {
            true => Ok(()),
            false => Err(Failure::new(
                "see this machine as it was",
                format!("{now:?}\n    before: {self:?}"),
            )),
        }
    }
}
