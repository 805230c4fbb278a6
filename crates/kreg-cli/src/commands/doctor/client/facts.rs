//! What is found on this machine; nothing is changed, and no answer is waited for without end.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::system::{Init, System};

/// Where Docker listens unless told otherwise.
pub(super) const DOCKER_SOCKET: &str = "/var/run/docker.sock";
pub(super) const DOCKER_GROUP: &str = "docker";

/// What a daemon on this machine needs to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);
/// A client may have to reach a daemon elsewhere, over ssh.
const FAR: Duration = Duration::from_secs(15);

/// Everything that advice depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) system: System,
    pub(super) init: Init,
    pub(super) user: String,
    pub(super) is_root: bool,
    pub(super) has_sudo: bool,
    /// Names of the programs that were found.
    pub(super) programs: Vec<&'static str>,
    pub(super) docker: Option<Docker>,
    /// Where nerdctl is installed: whether containerd answers it, or why not.
    pub(super) nerdctl: Option<Result<(), String>>,
    pub(super) group: Group,
    /// Whether the user has ranges of ids to map containers' users to (subuid(5)).
    pub(super) has_subordinate_ids: bool,
}

/// Docker's daemon, where its client is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Docker {
    /// As `DOCKER_HOST` or the current context has it.
    pub(super) endpoint: String,
    pub(super) daemon: Daemon,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Daemon {
    Answers,
    /// The socket is there, and this user may not open it.
    Denied,
    /// There is no socket, or nobody listens.
    NotRunning,
    /// Anything else, in words.
    Trouble(String),
}

/// The group that may open Docker's socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) exists: bool,
    /// `/etc/group` lists the user.
    pub(super) lists_user: bool,
    /// This very session has it.
    pub(super) is_held: bool,
}

/// Clients that can push to and pull from a registry.
const CLIENTS: &[&str] = &["docker", "podman", "nerdctl", "buildah", "skopeo", "crane"];

impl Facts {
    pub(super) async fn read() -> Self {
        let uid = rustix::process::getuid();
        let user = user_name(uid.as_raw());
        let programs: Vec<_> = CLIENTS
            .iter()
            .copied()
            .filter(|name| find(name).is_some())
            .collect();
        let docker = match programs.contains(&"docker") {
            true => Some(docker().await),
            false => None,
        };
        let nerdctl = match programs.contains(&"nerdctl") {
            true => Some(said("nerdctl", &["info"], FAR).await.map(drop)),
            false => None,
        };
        Self {
            system: System::parse(
                &read("/etc/os-release")
                    .or_else(|| read("/usr/lib/os-release"))
                    .unwrap_or_default(),
            ),
            init: init(),
            is_root: uid.is_root(),
            has_sudo: find("sudo").is_some(),
            programs,
            docker,
            nerdctl,
            group: group(&user),
            has_subordinate_ids: lists(
                &read("/etc/subuid").unwrap_or_default(),
                &user,
                uid.as_raw(),
            ),
            user,
        }
    }
}

async fn docker() -> Docker {
    let endpoint = endpoint().await;
    let daemon = match endpoint.strip_prefix("unix://") {
        Some(socket) => ping(Path::new(socket), PATIENCE).await,
        // Over TCP or ssh: Docker's own client knows how.
        None => ask_client().await,
    };
    Docker { endpoint, daemon }
}

async fn endpoint() -> String {
    let told = match env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        Some(host) => Some(host),
        None => {
            let format = [
                "context",
                "inspect",
                "--format",
                "{{.Endpoints.docker.Host}}",
            ];
            said("docker", &format, PATIENCE).await.ok()
        }
    };
    told.map(|host| host.trim().to_owned())
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| format!("unix://{DOCKER_SOCKET}"))
}

/// Source: Docker Engine API, `GET /_ping`.
async fn ping(socket: &Path, patience: Duration) -> Daemon {
    let asked = async {
        // Where nobody accepts, even this may last.
        let mut stream = UnixStream::connect(socket).await?;
        stream
            .write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = match timeout(patience, asked).await {
        Ok(answer) => answer,
        Err(_) => return Daemon::Trouble(unanswered(patience)),
    };
    match answer {
        Ok(answer) => match answer.lines().next().unwrap_or_default() {
            status if status.contains(" 200 ") => Daemon::Answers,
            status => Daemon::Trouble(format!("it answers `{status}`")),
        },
        Err(error) => match error.kind() {
            ErrorKind::PermissionDenied => Daemon::Denied,
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Daemon::NotRunning,
            _ => Daemon::Trouble(error.to_string()),
        },
    }
}

async fn ask_client() -> Daemon {
    let words = ["version", "--format", "{{.Server.Version}}"];
    match said("docker", &words, FAR).await {
        Ok(_) => Daemon::Answers,
        Err(why) => Daemon::Trouble(why),
    }
}

/// What a program prints, or why it failed. One that does not end is killed.
async fn said(program: &str, arguments: &[&str], patience: Duration) -> Result<String, String> {
    let running = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(patience, running).await {
        Ok(output) => output.map_err(|error| error.to_string())?,
        Err(_) => return Err(unanswered(patience)),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

fn unanswered(patience: Duration) -> String {
    format!("no answer within {} s", patience.as_secs())
}

fn init() -> Init {
    let there = |path: &str| Path::new(path).exists();
    // sd_booted(3).
    if there("/run/systemd/system") {
        Init::Systemd
    } else if there("/run/openrc") {
        Init::OpenRc
    } else if there("/etc/init.d/docker") {
        Init::SysV
    } else {
        Init::None
    }
}

fn group(user: &str) -> Group {
    let groups = read("/etc/group").unwrap_or_default();
    // name:password:gid:members (group(5))
    let line = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (gid, members) = (fields.nth(1)?.parse::<u32>().ok()?, fields.next()?);
        (name == DOCKER_GROUP).then_some((gid, members))
    });
    let Some((gid, members)) = line else {
        return Group::default();
    };
    let held = rustix::process::getgroups().unwrap_or_default();
    Group {
        exists: true,
        lists_user: members.split(',').any(|member| member == user),
        is_held: rustix::process::getegid().as_raw() == gid
            || held.iter().any(|group| group.as_raw() == gid),
    }
}

/// By the password file; a user of a directory service by the environment.
fn user_name(uid: u32) -> String {
    let passwd = read("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.or_else(|| env::var("USER").ok())
        .unwrap_or_else(|| uid.to_string())
}

/// Whether subuid(5) gives ids to this user, by name or number.
fn lists(subuid: &str, user: &str, uid: u32) -> bool {
    let number = uid.to_string();
    subuid
        .lines()
        .filter_map(|line| line.split(':').next())
        .any(|owner| owner == user || owner == number)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    /// Later than any busy machine, and earlier than what is not to be waited for.
    const LATE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_program_that_does_not_end_is_not_waited_for() {
        let begun = Instant::now();
        let why = said("sleep", &["60"], SHORT).await.unwrap_err();
        assert!(why.starts_with("no answer within"), "{why}");
        assert!(begun.elapsed() < LATE);
        assert_eq!(said("echo", &["a"], LATE).await.unwrap(), "a");
    }

    #[tokio::test]
    async fn a_daemon_that_takes_connections_and_no_more_does_not_hold_it_up() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let _silent = tokio::net::UnixListener::bind(&socket).unwrap();
        let asked = timeout(LATE, ping(&socket, SHORT)).await.unwrap();
        assert!(matches!(asked, Daemon::Trouble(why) if why.starts_with("no answer")));
        let nobody = ping(&folder.path().join("none"), SHORT).await;
        assert_eq!(nobody, Daemon::NotRunning);
    }
}
