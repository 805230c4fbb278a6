//! Docker's daemon, as its client finds it.

use std::env;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;

/// The group that may open Docker's socket.
pub(super) const DOCKER_GROUP: &str = "docker";
/// Where Docker listens unless told otherwise.
pub(super) const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What this machine needs to answer.
const NEAR: Duration = Duration::from_secs(5);
/// A client may have to reach a daemon elsewhere, over ssh.
pub(super) const FAR: Duration = Duration::from_secs(15);

/// Docker's daemon, where its client is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    /// As `DOCKER_HOST` or the current context has it.
    pub endpoint: String,
    /// Whether it answers there.
    pub daemon: Daemon,
}

/// Whether a daemon answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Daemon {
    /// It does.
    Answers,
    /// The socket is there, and this user may not open it.
    Denied,
    /// There is no socket, or nobody listens.
    NotRunning,
    /// Anything else, in words.
    Trouble(String),
}

impl Docker {
    pub(super) async fn read() -> Self {
        let endpoint = endpoint().await;
        let closed = match endpoint.strip_prefix("unix://") {
            Some(socket) => closed(Path::new(socket), NEAR).await,
            None => None,
        };
        let daemon = match closed {
            Some(why) => why,
            None => ask().await,
        };
        Docker { endpoint, daemon }
    }
}

async fn endpoint() -> String {
    let format = "{{.Endpoints.docker.Host}}";
    let words = ["context", "inspect", "--format", format];
    let host = match env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        Some(host) => host,
        None => said("docker", &words, NEAR).await.unwrap_or_default(),
    };
    match host.trim() {
        "" => format!("unix://{DOCKER_SOCKET}"),
        host => host.to_owned(),
    }
}

/// Why nobody can be asked at this socket, by the system's own error: what a client prints is for people.
async fn closed(socket: &Path, patience: Duration) -> Option<Daemon> {
    // Where nobody accepts, even this may last.
    let error = match timeout(patience, UnixStream::connect(socket)).await {
        Ok(connected) => connected.err()?,
        Err(_) => return Some(Daemon::Trouble(unanswered(patience))),
    };
    Some(match error.kind() {
        ErrorKind::PermissionDenied => Daemon::Denied,
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Daemon::NotRunning,
        _ => Daemon::Trouble(error.to_string()),
    })
}

/// Over a socket, TCP or ssh: Docker's own client knows how.
async fn ask() -> Daemon {
    let words = ["version", "--format", "{{.Server.Version}}"];
    match said("docker", &words, FAR).await {
        Ok(_) => Daemon::Answers,
        Err(why) => Daemon::Trouble(why),
    }
}

/// What a program prints, or why it failed. One that does not end is killed.
pub(super) async fn said(
    program: &str,
    arguments: &[&str],
    patience: Duration,
) -> Result<String, String> {
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
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

fn unanswered(patience: Duration) -> String {
    format!("no answer within {} s", patience.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn a_program_that_does_not_end_is_not_waited_for() {
        let (short, late) = (Duration::from_millis(300), Duration::from_secs(30));
        let begun = Instant::now();
        let why = said("sleep", &["60"], short).await.unwrap_err();
        assert!(why.starts_with("no answer within"), "{why}");
        assert!(begun.elapsed() < late);
        assert_eq!(said("echo", &["a"], late).await.unwrap(), "a");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_at_is_no_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        assert_eq!(closed(&socket, NEAR).await, Some(Daemon::NotRunning));
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(
            closed(&socket, NEAR).await,
            None,
            "Docker's client is asked"
        );
        drop(listener);
        assert_eq!(closed(&socket, NEAR).await, Some(Daemon::NotRunning));
    }
}
