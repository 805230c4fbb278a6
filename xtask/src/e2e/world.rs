//! Where stories take place: the cluster, its nodes, and the programs that act on them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{ClusterHandle, Node};
use crate::e2e::call::{Call, Ran};
use crate::failure::{Failure, Result, Tried as _};
use crate::process::{Run, cargo_program};

/// The first user's password in every story; the tutorial's own.
pub(crate) const PASSWORD: &str = "mypasswd";

/// The host part of image names that kreg gives the registry by default.
pub(crate) const HOST: &str = "docker-registry:5000";

/// The cluster, the program under test, and a place for files.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cluster: ClusterHandle,
    pub(crate) kreg: PathBuf,
    /// The `kreg.toml` that it goes by.
    config: PathBuf,
    /// The first process of each node's container, where it can be seen from here.
    first_processes: BTreeMap<String, String>,
    listed_kinds: OnceLock<String>,
    scratch: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(cluster: ClusterHandle, kreg: PathBuf) -> Result<Self> {
        let scratch = tempfile::tempdir().tried(|| "make a scratch directory".to_owned())?;
        Ok(Self {
            config: cluster.state.join("kreg.toml"),
            first_processes: cluster.nodes.iter().filter_map(first_process).collect(),
            listed_kinds: OnceLock::new(),
            cluster,
            kreg,
            scratch,
        })
    }

    /// Passwords that cost the registry next to nothing: of a story's many requests each would else
    /// keep a processor busy for as long as the right cost takes, and prove no more for it.
    pub(crate) fn with_cheap_passwords(mut self) -> Result<Self> {
        let text = self.state("kreg.toml")? + "[auth]\nbcrypt_cost = 4\n";
        // Not kreg.toml: that would be found by a kreg that is told of none.
        self.config = self.write("cheap-passwords.toml", &text)?;
        Ok(self)
    }

    /// What this world's `kreg.toml` says.
    pub(crate) fn config(&self) -> Result<String> {
        fs::read_to_string(&self.config).tried(|| format!("read {}", self.config.display()))
    }

    /// `kreg` as a user of this cluster calls it: by its configuration file.
    ///
    /// It stands in an empty directory and sees no configuration or kubeconfig but that one.
    pub(crate) fn kreg<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        self.kreg_bare(arguments)
            .env("KREG_CONFIG", &self.config)
            .env("KREG_PASSWORD", PASSWORD)
    }

    /// `kreg` with nothing of this cluster in its environment.
    pub(crate) fn kreg_bare<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        Call::new(&self.kreg)
            .args(arguments.into_iter().map(|a| a.as_ref().to_owned()))
            .cwd(self.scratch.path())
            .env("HOME", self.scratch.path())
            .without_env("KUBECONFIG")
            .without_env("KREG_CONFIG")
            .without_env("KREG_PASSWORD")
            .without_env("SSH_AUTH_SOCK")
    }

    /// `kubectl` on the cluster.
    pub(crate) fn kubectl<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Call {
        Call::new(self.state_file("kubectl"))
            .args(arguments.into_iter().map(|a| a.as_ref().to_owned()))
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            // kubectl keeps what it discovers under HOME; stories must not see each other's.
            .env("HOME", self.scratch.path())
            .cwd(self.scratch.path())
            .limit(Duration::from_secs(120))
    }

    /// Creates what the manifest says; returns what kubectl printed.
    pub(crate) fn create(&self, manifest: &Value) -> Result<Ran> {
        self.kubectl(["create", "-f", "-"])
            .input(manifest.to_string())
            .good()
    }

    /// An object, or list of objects, as JSON.
    pub(crate) fn get<A: AsRef<str>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Value> {
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
        let all = ["get".to_owned()].into_iter().chain(arguments);
        self.kubectl(all.chain(["-o".to_owned(), "json".to_owned()]))
            .good()?
            .json()
    }

    /// The kinds of objects that the API server lists, one a line. No story adds any.
    pub(crate) fn listed_kinds(&self) -> Result<&str> {
        if let Some(kinds) = self.listed_kinds.get() {
            return Ok(kinds);
        }
        let words = ["api-resources", "--verbs=list", "-o", "name"];
        let kinds = self.kubectl(words).read()?;
        Ok(self.listed_kinds.get_or_init(|| kinds))
    }

    /// A shell script on a node, as root. It does not come by ssh, which some stories break.
    pub(crate) fn on(&self, node: &Node, script: &str) -> Call {
        let shell = match self.first_processes.get(&node.container) {
            // `docker exec` does the same at twenty times the cost.
            Some(process) => Call::new("nsenter")
                .args(["--target", process, "--mount", "--uts", "--ipc", "--net"])
                .args(["--pid", "--cgroup", "--", "env", "-i"])
                .args([NODE_PATH, "HOME=/root", &format!("HOSTNAME={}", node.name)])
                .args(["bash", "-s"]),
            None => Call::new("docker").args(["exec", "-i", &node.container, "bash", "-s"]),
        };
        shell
            .input(format!("set -euo pipefail\n{script}\n"))
            .limit(Duration::from_secs(120))
    }

    /// Waits until the API server says that the node is ready and runs this release of its runtime.
    pub(crate) fn ready_with(&self, node: &Node, release: &str) -> Result<()> {
        let what = format!("{} is ready with {release}", node.name);
        await_that(&what, Duration::from_secs(120), || {
            let seen = self.get(["node", &node.name])?;
            let runtime = &seen["status"]["nodeInfo"]["containerRuntimeVersion"];
            let conditions = seen["status"]["conditions"].as_array();
            let is_ready = conditions.is_some_and(|all| {
                all.iter()
                    .any(|one| one["type"] == "Ready" && one["status"] == "True")
            });
            let has_release = runtime.as_str().is_some_and(|text| text.contains(release));
            Ok(match is_ready && has_release {
                true => Ok(()),
                false => Err(format!("ready: {is_ready}, runtime: {runtime}")),
            })
        })
    }

    pub(crate) fn control_plane(&self) -> Result<&Node> {
        self.node(0)
    }

    /// The n-th node; the control plane is the first.
    pub(crate) fn node(&self, index: usize) -> Result<&Node> {
        self.cluster.nodes.get(index).ok_or_else(|| {
            Failure::new(
                format!("use node {index} of cluster {}", self.cluster.name),
                format!("it has {}", self.cluster.nodes.len()),
            )
            .next("bring up a cluster of three nodes: cargo xtask cluster up --nodes 3")
        })
    }

    /// A path for a file of a story, outside the cluster's own files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes such a file.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.file(name);
        fs::write(&file, text).tried(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    /// One of the cluster's own files: `kubectl`, `kreg.toml`, `known_hosts`, `id_ed25519`.
    pub(crate) fn state_file(&self, name: &str) -> PathBuf {
        self.cluster.state.join(name)
    }

    /// Reads one of them.
    pub(crate) fn state(&self, name: &str) -> Result<String> {
        let file = self.state_file(name);
        fs::read_to_string(&file).tried(|| format!("read {}", file.display()))
    }
}

const NODE_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A node's container and its first process, if that is a process of this machine's.
fn first_process(node: &Node) -> Option<(String, String)> {
    let words = ["inspect", "--format={{.State.Pid}}", &node.container];
    let process = Run::new("docker").args(words).read().ok()?;
    // Docker may run on another machine, where the number means another process.
    let hostname = fs::read_to_string(format!("/proc/{process}/root/etc/hostname")).ok()?;
    (hostname.trim() == node.container).then(|| (node.container.clone(), process))
}

/// Builds the program under test and says where it lies.
pub(crate) fn build_kreg() -> Result<PathBuf> {
    build_kreg_with(&[])
}

/// [`build_kreg`] with further arguments for cargo.
pub(crate) fn build_kreg_with(arguments: &[&str]) -> Result<PathBuf> {
    build("kreg", &[&["--package", "kreg-cli"], arguments].concat())
        .map_err(|failure| failure.next("run `cargo build -p kreg-cli` and fix what it says"))
}

/// Builds one program of the workspace with these arguments for cargo, and says where it lies.
pub(crate) fn build(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let cargo = Run::new(cargo_program())
        .args(["build", "--locked", "--message-format=json"])
        .args(arguments)
        .cwd(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    // All features ask for OpenSSL from source; the system's own does.
    let cargo = if arguments.contains(&"--all-features") {
        cargo.env("OPENSSL_NO_VENDOR", "1")
    } else {
        cargo
    };
    executable(&cargo.read()?, name)
}

/// The program of this name among the messages of `cargo build --message-format=json`.
fn executable(messages: &str, name: &str) -> Result<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            // Beside the program there may be its unit tests, under the same name.
            message["target"]["name"] == name && message["profile"]["test"] == Value::Bool(false)
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| {
            Failure::new(
                format!("build {name}"),
                "cargo named no executable of that name",
            )
        })
}

/// Asks again and again until the answer is there, or the patience is over.
///
/// `ask` says `Ok(Err(what it saw))` for "not yet"; the last of these is in the failure.
pub(crate) fn await_that<T>(
    what: &str,
    patience: Duration,
    mut ask: impl FnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        match ask()? {
            Ok(answer) => return Ok(answer),
            Err(not_yet) if Instant::now() > end => {
                let seconds = patience.as_secs();
                return Err(Failure::new(
                    format!("see that {what}"),
                    format!("not within {seconds} s; last seen: {not_yet}"),
                ));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
