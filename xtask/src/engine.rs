//! The Docker engine: used where one answers, installed and started by hand where none does.
//!
//! Only an engine that was started here is ever stopped here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::cache;
use crate::failure::{Failure, Result, Tried as _};
use crate::packages::{self, tool};
use crate::process::{self, Run};
use crate::progress::say;

/// runc for a machine without `CAP_SYS_RESOURCE`; the nodes of a cluster need it as well.
pub(crate) const RUNC_WRAPPER: &str = include_str!("../assets/runc-without-sys-resource.sh");

/// Bit of `CAP_SYS_RESOURCE` in a capability set (capability.h).
const SYS_RESOURCE: u32 = 24;

/// How long a fresh dockerd may take to answer.
const START: Duration = Duration::from_secs(60);

/// Makes sure that a Docker engine answers.
pub(crate) fn up() -> Result<()> {
    packages::ensure(&[tool("docker", "docker.io")])?;
    if answers() {
        return Ok(());
    }
    if !packages::is_root() {
        return Err(Failure::new(
            "reach the Docker engine",
            "it does not answer `docker version`",
        )
        .next(
            "start Docker, or give your user access to its socket (group docker), or run as root",
        ));
    }
    packages::ensure(&[
        tool("dockerd", "docker.io"),
        tool("runc", "runc"),
        tool("iptables", "iptables"),
        tool("setsid", "util-linux"),
    ])?;
    if Path::new("/run/systemd/system").is_dir() {
        say("starting Docker by systemd");
        return Run::new("systemctl").args(["start", "docker"]).run();
    }
    start()
}

/// Stops the engine if it was started by [`up`]; says so if it was not.
pub(crate) fn down() -> Result<()> {
    let state = State::open()?;
    let Some(pid) = state.running() else {
        say("no Docker engine of ours runs");
        return Ok(());
    };
    say(format!("stopping dockerd ({pid})"));
    Run::new("kill").arg(pid.to_string()).run()?;
    let patience = Instant::now() + START;
    while state.running().is_some() {
        if Instant::now() > patience {
            return Err(Failure::new(format!("stop dockerd ({pid})"), "it goes on")
                .log(&state.log)
                .next("stop the containers that run in it (docker ps), then run this again"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    // dockerd leaves its bridge behind; only ours, with nobody on it, is taken away.
    if Path::new("/sys/class/net/docker0").exists() {
        let _ = Run::new("ip")
            .args(["link", "delete", "docker0"])
            .succeeds();
    }
    fs::remove_file(&state.pid)
        .or_else(absent_is_fine)
        .tried(|| format!("remove {}", state.pid.display()))
}

/// One line about the engine.
pub(crate) fn describe() -> Result<String> {
    if !answers() {
        return Ok("no Docker engine answers".into());
    }
    let version = Run::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .read()?;
    let whose = match State::open()?.running() {
        Some(pid) => format!("started by xtask, pid {pid}"),
        None => "not started by xtask".to_owned(),
    };
    Ok(format!("Docker {version}, {whose}"))
}

/// Whether a capability of this machine is missing that `docker run --privileged` hands out.
pub(crate) fn lacks_sys_resource() -> bool {
    fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| bounding_set_lacks(&status, SYS_RESOURCE))
}

/// Whether a Docker engine answers.
pub(crate) fn answers() -> bool {
    Run::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .succeeds()
}

fn start() -> Result<()> {
    let state = State::open()?;
    let mut arguments = vec![format!("--pidfile={}", state.pid.display())];
    if lacks_sys_resource() {
        say("CAP_SYS_RESOURCE is absent: Docker gets a runc that does not ask for it");
        arguments.extend([
            format!("--add-runtime=kreg={}", state.runc()?.display()),
            "--default-runtime=kreg".to_owned(),
        ]);
    }
    say("starting dockerd");
    let log = fs::File::create(&state.log).tried(|| format!("make {}", state.log.display()))?;
    let copy = log
        .try_clone()
        .tried(|| format!("open {} twice", state.log.display()))?;
    let dockerd = process::find("dockerd").unwrap_or_else(|| "dockerd".into());
    // In a session of its own it outlives xtask and the terminal.
    let mut child = Command::new("setsid")
        .arg(dockerd)
        .args(&arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .spawn()
        .tried(|| "start dockerd".to_owned())?;
    let patience = Instant::now() + START;
    loop {
        if answers() {
            say("dockerd answers");
            return Ok(());
        }
        let ended = child.try_wait().tried(|| "look after dockerd".to_owned())?;
        if ended.is_some() || Instant::now() > patience {
            let why = match ended {
                Some(status) => format!("it ended with {status}"),
                None => format!("it does not answer after {} s", START.as_secs()),
            };
            return Err(Failure::new("start dockerd", why).log(&state.log).next(
                "read the log; on a machine that cannot run Docker use --provider existing",
            ));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Where the engine that was started here keeps its log, pid and runtime.
struct State {
    directory: PathBuf,
    log: PathBuf,
    pid: PathBuf,
}

impl State {
    fn open() -> Result<Self> {
        let directory = cache::directory("engine")?;
        Ok(Self {
            log: directory.join("dockerd.log"),
            pid: directory.join("dockerd.pid"),
            directory,
        })
    }

    /// Writes the runc wrapper and returns its path.
    fn runc(&self) -> Result<PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.directory.join("runc");
        fs::write(&file, RUNC_WRAPPER).tried(|| format!("write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
            .tried(|| format!("make {} executable", file.display()))?;
        Ok(file)
    }

    /// The pid of the engine started here, if that process still is a dockerd.
    fn running(&self) -> Option<u32> {
        let pid = fs::read_to_string(&self.pid).ok()?.trim().parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name.trim() == "dockerd").then_some(pid)
    }
}

fn absent_is_fine(why: std::io::Error) -> std::io::Result<()> {
    match why.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(why),
    }
}

/// Reads the `CapBnd` line of `/proc/<pid>/status`; an unreadable one counts as complete.
fn bounding_set_lacks(status: &str, capability: u32) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .is_some_and(|set| set & (1 << capability) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_bounding_set_is_read() {
        assert!(bounding_set_lacks(
            "Name:\tx\nCapBnd:\t000001fffeffffff\n",
            SYS_RESOURCE
        ));
        assert!(!bounding_set_lacks(
            "CapBnd:\t000001ffffffffff\n",
            SYS_RESOURCE
        ));
        assert!(!bounding_set_lacks("CapBnd:\twhat\n", SYS_RESOURCE));
    }

    /// Runs the wrapper around a stand-in for runc that prints its arguments.
    fn wrapped(arguments: &[&str]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let wrapper = directory.path().join("wrapper");
        fs::write(&wrapper, RUNC_WRAPPER).unwrap();
        let status = directory.path().join("status");
        fs::write(&status, "Name:\tx\nCapBnd:\t000001fffeffffff\n").unwrap();
        Run::new("sh")
            .arg(&wrapper)
            .args(arguments)
            .env("KREG_RUNC", "/bin/echo")
            .env("KREG_STATUS", &status)
            .read()
            .unwrap()
    }

    fn process() -> Value {
        json!({
            "args": ["sh", "-c", "echo '\"CAP_SYS_RESOURCE\", \"oomScoreAdj\":-5'"],
            "capabilities": {
                "bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
                "effective": ["CAP_SYS_RESOURCE"],
                "permitted": ["CAP_SYS_RESOURCE", "CAP_CHOWN"],
            },
            "oomScoreAdj": -998,
        })
    }

    fn lowered() -> Value {
        json!({
            "args": ["sh", "-c", "echo '\"CAP_SYS_RESOURCE\", \"oomScoreAdj\":-5'"],
            "capabilities": {
                "bounding": ["CAP_CHOWN"],
                "effective": [],
                "permitted": ["CAP_CHOWN"],
            },
            "oomScoreAdj": 0,
        })
    }

    #[test]
    fn the_wrapper_lowers_the_bundle_of_a_create() {
        let bundle = tempfile::tempdir().unwrap();
        let config = bundle.path().join("config.json");
        fs::write(
            &config,
            json!({ "hostname": "n", "process": process() }).to_string(),
        )
        .unwrap();
        let arguments = [
            "--root",
            "/r",
            "create",
            "--bundle",
            bundle.path().to_str().unwrap(),
            "id",
        ];
        assert_eq!(wrapped(&arguments), arguments.join(" "));
        let after: Value = serde_json::from_slice(&fs::read(config).unwrap()).unwrap();
        assert_eq!(after, json!({ "hostname": "n", "process": lowered() }));
    }

    #[test]
    fn the_wrapper_lowers_the_process_of_an_exec_and_keeps_a_positive_score() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("process.json");
        let mut before = process();
        before["oomScoreAdj"] = json!(300);
        fs::write(&file, before.to_string()).unwrap();
        wrapped(&["exec", "--process", file.to_str().unwrap(), "id"]);
        let mut expected = lowered();
        expected["oomScoreAdj"] = json!(300);
        let after: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(after, expected);
    }

    #[test]
    fn the_wrapper_passes_every_other_command_on() {
        assert_eq!(wrapped(&["state", "id"]), "state id");
    }
}
