//! The three clients, each told the same in its own words.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bench::random_image::RandomImage;
use crate::bench::timed::{Timed, timed};
use crate::cache;
use crate::e2e::world::{HOST, PASSWORD, World, build};
use crate::failure::{Failure, Result, Tried as _};
use crate::parts;
use crate::process::Run;
use crate::progress::say;

const USER: &str = "kreg";
const TAG: &str = "1";

/// Where skopeo remembers which registry has which blob: it would have the registry copy instead of
/// sending anything. In a mount namespace of their own, every client finds nothing there.
const FORGETFUL: &str = "mkdir -p /var/lib/containers/cache\n\
    mount -t tmpfs kreg /var/lib/containers/cache\n\
    exec \"$@\"";

/// Who takes part; the others are compared with the first.
pub(super) const CLIENTS: [Client; 3] = [Client::Kreg, Client::Skopeo, Client::Crane];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Kreg,
    Skopeo,
    Crane,
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kreg => "kreg",
            Self::Skopeo => "skopeo",
            Self::Crane => "crane",
        }
    }
}

/// The programs, and what they need to get in.
pub(super) struct Clients {
    transfer: PathBuf,
    crane: PathBuf,
    /// `address:port` of the Service, for which the registry has a certificate, too.
    registry: String,
    network: String,
    /// A directory with `ca.crt` alone.
    trust: PathBuf,
    /// A directory with a `config.json` as docker has it.
    config: PathBuf,
    login: PathBuf,
    log: PathBuf,
}

impl Clients {
    pub(super) fn new(world: &World) -> Result<Self> {
        let node = world.control_plane()?;
        let service = world.get(["service", "docker-registry", "--namespace", "kreg-system"])?;
        let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        let process = Run::new("docker")
            .args(["inspect", "--format", "{{.State.Pid}}", &node.container])
            .read()?;
        let clients = Self {
            transfer: transfer()?,
            crane: parts::crane()?,
            registry: format!("{address}:5000"),
            network: format!("--net=/proc/{process}/ns/net"),
            trust: world.file("trust"),
            config: world.file("config"),
            login: world.write("login", &format!("{USER}\n{PASSWORD}\n"))?,
            log: cache::log("throughput")?,
        };
        for folder in [&clients.trust, &clients.config] {
            fs::create_dir_all(folder).tried(|| format!("make {}", folder.display()))?;
        }
        let ca = format!("cat /etc/containerd/certs.d/{HOST}/ca.crt");
        world.write("trust/ca.crt", &world.on(node, &ca).read()?)?;
        let login = ["login", "--username", USER, "--password-stdin"];
        Run::new("nsenter")
            .args([&clients.network, "skopeo"])
            .args(login)
            .arg("--authfile")
            .arg(clients.config.join("config.json"))
            .arg("--cert-dir")
            .args([&clients.trust])
            .arg(&clients.registry)
            .input(PASSWORD)
            .run()?;
        Ok(clients)
    }

    /// Pushes the image, and asks whether it is there.
    pub(super) fn push(
        &self,
        client: Client,
        image: &RandomImage,
        repository: &str,
    ) -> Result<Timed> {
        let mut command = self.command(client);
        let reference = format!("{}/{repository}:{TAG}", self.registry);
        match client {
            Client::Kreg => self.transfer(&mut command, "push", repository, &image.folder)?,
            Client::Skopeo => {
                command.args(["copy", "--quiet", "--dest-cert-dir"]);
                command.arg(&self.trust).arg("--authfile");
                command.arg(self.config.join("config.json"));
                command.arg(format!("oci:{}", image.folder.display()));
                command.arg(format!("docker://{reference}"));
            }
            Client::Crane => {
                command.arg("push").arg(&image.folder).arg(&reference);
            }
        }
        let ran = self.timed(client, command)?;
        let mut digest = self.command(Client::Crane);
        digest.args(["digest", &reference]);
        let there = self.timed(Client::Crane, digest)?.told;
        match there.trim_end() == image.digest {
            true => Ok(ran),
            false => Err(Failure::new(
                format!("find what {} pushed", client.name()),
                format!("{reference} is {there}, not {}", image.digest),
            )),
        }
    }

    /// Pulls the image into a directory, which is made, and looks whether it is there.
    pub(super) fn pull(
        &self,
        client: Client,
        image: &RandomImage,
        repository: &str,
        target: &Path,
    ) -> Result<Timed> {
        let mut command = self.command(client);
        let reference = format!("{}/{repository}:{TAG}", self.registry);
        match client {
            Client::Kreg => self.transfer(&mut command, "pull", repository, target)?,
            Client::Skopeo => {
                command.args(["copy", "--quiet", "--src-cert-dir"]);
                command.arg(&self.trust).arg("--authfile");
                command.arg(self.config.join("config.json"));
                command.arg(format!("docker://{reference}"));
                command.arg(format!("oci:{}:{TAG}", target.display()));
            }
            Client::Crane => {
                command.args(["pull", "--format=oci", &reference]);
                command.arg(target);
            }
        }
        let ran = self.timed(client, command)?;
        image.is_in(target).map(|()| ran)
    }

    /// The client in the node's network, with nothing remembered.
    fn command(&self, client: Client) -> Command {
        let program = match client {
            Client::Kreg => &self.transfer,
            Client::Skopeo => Path::new("skopeo"),
            Client::Crane => &self.crane,
        };
        let mut command = Command::new("nsenter");
        command
            .args([&self.network, "unshare", "--mount"])
            .args(["sh", "-euc", FORGETFUL, "sh"])
            .arg(program)
            // Only crane looks at these two.
            .env("SSL_CERT_FILE", self.trust.join("ca.crt"))
            .env("DOCKER_CONFIG", &self.config)
            .stdin(Stdio::null());
        command
    }

    fn transfer(
        &self,
        command: &mut Command,
        what: &str,
        repository: &str,
        path: &Path,
    ) -> Result<()> {
        let login = File::open(&self.login).tried(|| format!("read {}", self.login.display()))?;
        command
            .args([what, &self.registry, &self.registry])
            .arg(self.trust.join("ca.crt"))
            .args([repository, TAG])
            .arg(path)
            .stdin(login);
        Ok(())
    }

    fn timed(&self, client: Client, mut command: Command) -> Result<Timed> {
        let log = File::options().create(true).append(true).open(&self.log);
        command.stderr(log.tried(|| format!("open {}", self.log.display()))?);
        let ran = timed(command)?;
        match ran.status.success() {
            true => Ok(ran),
            false => Err(Failure::new(format!("run {}", client.name()), ran.status).log(&self.log)),
        }
    }

    pub(super) fn versions(&self) -> Result<String> {
        let skopeo = Run::new("skopeo").arg("--version").read()?;
        let crane = Run::new(&self.crane).arg("version").read()?;
        Ok(format!("{}, crane {crane}", skopeo.replace(" version", "")))
    }
}

/// kreg's client as a program, built for release: SHA-256 and TLS are arithmetic.
fn transfer() -> Result<PathBuf> {
    say("building kreg-registry for release");
    let with = [
        "--package",
        "kreg-registry",
        "--release",
        "--all-features",
        "--quiet",
    ];
    build(
        "transfer",
        &[with.as_slice(), &["--example", "transfer"]].concat(),
    )
}
