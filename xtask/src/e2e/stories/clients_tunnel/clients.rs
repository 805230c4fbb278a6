//! Each client: logs in by standard input, pushes, forgets, pulls, and has the same image.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CA, HOST, USER};
use crate::e2e::call::Call;
use crate::e2e::world::{PASSWORD, World, await_that};
use crate::failure::{Failure, Result, Tried as _};

/// Those that no package of Debian 12 brings.
pub(super) struct Programs {
    pub(super) crane: PathBuf,
    /// Directory with buildctl and buildkitd.
    pub(super) buildkit: PathBuf,
}

const DOCKER: &str = "clients:5000/docker:1";
pub(super) const PODMAN: &str = "clients:5000/podman:1";
pub(super) const BUILDAH: &str = "clients:5000/buildah:1";

fn docker_call(world: &World) -> Call {
    Call::new("docker")
        .args(["--config"])
        .args([world.file("docker")])
}

pub(super) fn docker_pull(world: &World) -> Call {
    docker_call(world).args(["pull", DOCKER])
}

/// A layer that nobody has seen.
fn nonce() -> Result<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .tried(|| "read the clock".to_owned())?;
    Ok(now.as_nanos().to_string())
}

pub(super) fn docker(world: &World) -> Result<()> {
    let folder = world.file("image");
    fs::create_dir_all(&folder).tried(|| format!("make {}", folder.display()))?;
    world.write("image/nonce", &nonce()?)?;
    world.write("image/Dockerfile", "FROM scratch\nCOPY nonce /nonce\n")?;
    let build = ["build", "--quiet", "--tag", DOCKER];
    docker_call(world)
        .args(build)
        .args([&folder])
        .env("DOCKER_BUILDKIT", "0")
        .good()?;
    log_in(docker_call(world).args(["login"]))?;
    docker_call(world).args(["push", DOCKER]).good()?;
    let id = || {
        docker_call(world)
            .args(["image", "inspect", "--format", "{{.Id}}", DOCKER])
            .read()
    };
    let built = id()?;
    // Saved before it is forgotten, for the others.
    docker_call(world)
        .args(["save", "--output"])
        .args([world.file("docker.tar")])
        .args([DOCKER])
        .good()?;
    docker_call(world).args(["rmi", DOCKER]).good()?;
    docker_pull(world).good()?;
    let pulled = id()?;
    docker_call(world).args(["rmi", DOCKER]).good()?;
    same(&built, &pulled)
}

/// What docker saved, and a login for those that share `--authfile`.
pub(super) fn archive(world: &World) -> Result<PathBuf> {
    let auth = world.file("auth.json");
    log_in(
        Call::new("skopeo")
            .args(["login", "--authfile"])
            .args([&auth]),
    )?;
    Ok(world.file("docker.tar"))
}

fn podman_call(world: &World) -> Call {
    storage(Call::new("podman"), world, "podman").args(["--cgroup-manager", "cgroupfs"])
}

pub(super) fn podman_pull(world: &World) -> Call {
    podman_call(world)
        .args(["pull", "--authfile"])
        .args([world.file("podman.json")])
}

pub(super) fn podman(world: &World, archive: &Path) -> Result<()> {
    let auth = world.file("podman.json");
    log_in(
        podman_call(world)
            .args(["login", "--authfile"])
            .args([&auth]),
    )?;
    podman_call(world)
        .args(["load", "--input"])
        .args([archive])
        .good()?;
    podman_call(world).args(["tag", DOCKER, PODMAN]).good()?;
    podman_call(world)
        .args(["push", "--authfile"])
        .args([&auth])
        .args([PODMAN])
        .good()?;
    let id = || {
        podman_call(world)
            .args(["image", "inspect", "--format", "{{.Id}}", PODMAN])
            .read()
    };
    let built = id()?;
    podman_call(world)
        .args(["rmi", "--force", "--all"])
        .good()?;
    podman_pull(world).args([PODMAN]).good()?;
    same(&built, &id()?)?;
    podman_call(world)
        .args(["rmi", "--force", "--all"])
        .good()
        .map(drop)
}

pub(super) fn skopeo(world: &World, archive: &Path) -> Result<()> {
    let reference = format!("docker://{HOST}/skopeo:1");
    let source = format!("docker-archive:{}", archive.display());
    let copied = format!("dir:{}", world.file("skopeo").display());
    let copy = |from: &str, to: &str| {
        let call = Call::new("skopeo")
            .args(["copy", "--authfile"])
            .args([world.file("auth.json")]);
        call.args([from, to]).good()
    };
    copy(&source, &reference)?;
    copy(&reference, &copied)?;
    let config = |what: &str| {
        let call = Call::new("skopeo").args(["inspect", "--config", "--raw", "--authfile"]);
        call.args([world.file("auth.json")]).args([what]).read()
    };
    same(&config(&source)?, &config(&copied)?)
}

fn buildah_call(world: &World) -> Call {
    storage(Call::new("buildah"), world, "buildah")
}

pub(super) fn buildah_pull(world: &World) -> Call {
    buildah_call(world)
        .args(["pull", "--policy", "always", "--authfile"])
        .args([world.file("buildah.json")])
}

pub(super) fn buildah(world: &World, archive: &Path) -> Result<()> {
    let auth = world.file("buildah.json");
    log_in(
        buildah_call(world)
            .args(["login", "--authfile"])
            .args([&auth]),
    )?;
    let source = format!("docker-archive:{}", archive.display());
    let id = buildah_call(world)
        .args(["pull", "--quiet", &source])
        .read()?;
    let push = buildah_call(world)
        .args(["push", "--authfile"])
        .args([&auth]);
    push.args([&id, &format!("docker://{BUILDAH}")]).good()?;
    buildah_call(world)
        .args(["rmi", "--force", "--all"])
        .good()?;
    let pulled = buildah_pull(world).args(["--quiet", BUILDAH]).read()?;
    buildah_call(world)
        .args(["rmi", "--force", "--all"])
        .good()?;
    same(&id, &pulled)
}

/// Without the CA.
pub(super) fn crane_call(world: &World, crane: &Path) -> Call {
    Call::new(crane).env("DOCKER_CONFIG", world.file("crane"))
}

pub(super) fn crane(world: &World, crane: &Path, archive: &Path) -> Result<()> {
    let reference = format!("{HOST}/crane:1");
    let trusting = || crane_call(world, crane).env("SSL_CERT_FILE", CA);
    log_in(trusting().args(["auth", "login"]))?;
    trusting()
        .args(["push"])
        .args([archive])
        .args([&reference])
        .good()?;
    let pulled = world.file("crane.tar");
    trusting()
        .args(["pull", &reference])
        .args([&pulled])
        .good()?;
    let config = |file: &Path| {
        let source = format!("docker-archive:{}", file.display());
        Call::new("skopeo")
            .args(["inspect", "--config", "--raw", &source])
            .read()
    };
    same(&config(archive)?, &config(&pulled)?)
}

/// A daemon of its own, for as long as it takes to push an image and to build on it.
pub(super) fn buildkit(world: &World, programs: &Path, config: Option<&str>) -> Result<()> {
    let (root, socket) = (world.file("buildkit"), world.file("buildkit.sock"));
    let address = format!("unix://{}", socket.display());
    // Snapshots without overlays, and networks without plugins: nothing is run in the image.
    let mut daemon = Call::new(programs.join("buildkitd"))
        .args([
            "--oci-worker-snapshotter",
            "native",
            "--containerd-worker=false",
        ])
        .args(["--oci-worker-net", "host", "--addr", &address, "--root"])
        .args([&root]);
    // Without one of its own it would read a file of this machine's.
    let none = world.write("buildkitd.toml", "")?;
    daemon = daemon
        .args(["--config"])
        .args([config.map_or(none, PathBuf::from)]);
    let daemon = daemon.start(None)?;
    let built = (|| {
        let buildctl = || {
            let call = Call::new(programs.join("buildctl")).args(["--addr", &address]);
            // crane has logged in there.
            call.env("DOCKER_CONFIG", world.file("crane"))
        };
        await_that("buildkitd answers", Duration::from_secs(60), || {
            let ran = buildctl().args(["debug", "workers"]).ran()?;
            Ok(match ran.code {
                Some(0) => Ok(()),
                _ => Err(ran.stderr),
            })
        })?;
        let nonce = nonce()?;
        let build = |dockerfile: &str, output: &str| {
            let folder = world.file("context");
            fs::create_dir_all(&folder).tried(|| format!("make {}", folder.display()))?;
            world.write("context/nonce", &nonce)?;
            world.write("context/Dockerfile", dockerfile)?;
            let local = |name: &str| format!("{name}={}", folder.display());
            buildctl()
                .args([
                    "build",
                    "--progress",
                    "plain",
                    "--no-cache",
                    "--frontend",
                    "dockerfile.v0",
                ])
                .args([
                    "--local",
                    &local("context"),
                    "--local",
                    &local("dockerfile"),
                    "--output",
                    output,
                ])
                .good()
        };
        build(
            "FROM scratch\nCOPY nonce /nonce\n",
            &format!("type=image,name={HOST}/buildkit:1,push=true"),
        )?;
        let pulled = world.file("pulled");
        // Named by another reference than the one it was built as, so it is asked of the registry.
        build(
            &format!("FROM {HOST}/buildkit:1\nCOPY nonce /again\n"),
            &format!("type=local,dest={}", pulled.display()),
        )?;
        let read = |name: &str| {
            fs::read_to_string(pulled.join(name)).tried(|| format!("read {name} of the image"))
        };
        same(&nonce, &read("nonce")?)
    })();
    let ended = daemon.interrupt();
    // Its root holds read-only files of content stores; it goes with the scratch directory.
    built.and(ended.map(drop))
}

/// With the password on standard input, as `kreg tunnel --trust print` has it.
fn log_in(call: Call) -> Result<()> {
    call.args(["--username", USER, "--password-stdin", HOST])
        .input(PASSWORD)
        .good()
        .map(drop)
}

/// Storage of the story's own: nothing of this machine's is seen or left.
fn storage(call: Call, world: &World, name: &str) -> Call {
    let (root, run) = (
        world.file(&format!("{name}-root")),
        world.file(&format!("{name}-run")),
    );
    call.args(["--root"])
        .args([root])
        .args(["--runroot"])
        .args([run])
        .args(["--storage-driver", "vfs"])
}

fn same(pushed: &str, pulled: &str) -> Result<()> {
    match !pushed.is_empty() && pushed == pulled {
        true => Ok(()),
        false => Err(Failure::new(
            "pull what was pushed",
            format!("{pulled}, not {pushed}"),
        )),
    }
}
