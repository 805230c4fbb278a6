//! Nodes by the system's `ssh` program, for what libssh2 cannot do: keys of security devices,
//! certificates of hosts, `ProxyCommand`, and all that comes to OpenSSH.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::config::{CONNECT_TIMEOUT, SshConfig};
use super::exec::BEGAN;
use super::host_key::keeps;
use super::lock::lock;
use super::{below, exec, route};
use crate::Node;
use crate::transport::error::RUNNING;
use crate::transport::process::{self, Ran};
use crate::transport::{NodeTransport, Output, TransportError, TransportErrorKind, tail};

/// Nodes over SSH, by the `ssh` on `PATH`, which asks nobody anything (`BatchMode`). Host keys are
/// checked strictly, whatever OpenSSH's configuration says.
///
/// Of an [`SshConfig`] all but its passphrases holds: those are for the agent to know. The script goes
/// to `sh -s` on standard input, as root: by login, else by `sudo -n`. ssh keeps one connection a node
/// for a minute, behind a socket in a directory that only this account can enter.
#[derive(Debug)]
pub struct SystemSsh {
    config: SshConfig,
    sockets: OnceLock<TempDir>,
    numbers: Mutex<HashMap<Node, usize>>,
}

/// What is known of a node that ssh goes to.
struct Goal {
    /// Who logs in.
    user: String,
    /// Whether others lead there.
    by_others: bool,
    /// What says that no file keeps its host key, if none does.
    known_hosts_by: Option<String>,
    /// How a person goes there.
    by_hand: String,
}

/// ssh's own end is 255, and so may a script's be: so the shell around the script says on standard
/// error how it ends, too. A script that a signal ends has a status above 128 there.
const ENDED: &str = "kreg: the end ";

/// Whatever the login shell; nothing of the script stands in argv.
fn remote_command() -> String {
    exec::beginning(&format!(
        r#"if [ "$(id -u)" = 0 ]; then sh -s; else sudo -n -- sh -s; fi; echo "{ENDED}$?" >&2"#
    ))
}

impl SystemSsh {
    /// Nodes that are entered as `config` says. Connects to none yet.
    #[must_use]
    pub fn new(config: SshConfig) -> SystemSsh {
        SystemSsh {
            config,
            sockets: OnceLock::new(),
            numbers: Mutex::default(),
        }
    }

    /// ssh's words for `node`, up to the command to run there, and what is known of it.
    fn words(&self, node: &Node) -> Result<(Vec<String>, Goal), TransportErrorKind> {
        let hops = route::route(&self.config, node)?;
        let Some(last) = hops.last() else {
            return Err(TransportErrorKind::BadAddress {
                address: node.address.clone(),
            });
        };
        // What no file keeps would be accepted each time.
        let keep = |hop: &route::Hop| hop.keeps_keys.as_deref().is_some_and(keeps);
        let strict = match self.config.accept_new && hops.iter().all(keep) {
            true => "StrictHostKeyChecking=accept-new",
            false => "StrictHostKeyChecking=yes",
        };
        let limit = self.config.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let limit = format!("ConnectTimeout={}", limit.as_secs().max(1));
        let mut strictly = vec![
            "BatchMode=yes",
            strict,
            "NoHostAuthenticationForLocalhost=no",
            "LogLevel=ERROR",
            &limit,
        ];
        if !self.config.known_hosts.is_empty() {
            strictly.push("GlobalKnownHostsFile=/dev/null");
        }
        let options = |words: &[&str]| -> Vec<String> {
            let pairs = words.iter().flat_map(|word| ["-o", word]);
            pairs.map(str::to_owned).collect()
        };
        let mut words = self.config.words(&hops, &options(&strictly))?;
        let socket = format!("ControlPath={}", self.socket(node)?.display());
        let mut of_last = options(&[
            &socket,
            "ControlMaster=auto",
            "ControlPersist=60",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
        ]);
        of_last.extend(["-T", "-a", "-x"].map(str::to_owned));
        if !self.config.openssh.is_followed() {
            of_last.extend(["-F", "none"].map(str::to_owned));
        }
        words.splice(1..1, of_last);
        let goal = Goal {
            user: last.user.clone(),
            by_others: hops.len() > 1 || last.not_followed.is_some(),
            known_hosts_by: match keep(last) {
                true => None,
                false => Some(last.known_hosts_by.clone()),
            },
            by_hand: self.config.command_line(node)?,
        };
        Ok((words, goal))
    }

    /// Where ssh keeps the connection to `node`. Below `/tmp`, as such a path holds some 100 bytes.
    fn socket(&self, node: &Node) -> Result<PathBuf, TransportErrorKind> {
        let folder = match self.sockets.get() {
            Some(folder) => folder,
            None => {
                let made = tempfile::Builder::new().prefix("kreg-").tempdir_in("/tmp");
                let made = made.map_err(|e| TransportErrorKind::Start {
                    program: "ssh".to_owned(),
                    detail: format!("no directory for its sockets: {e}"),
                })?;
                self.sockets.get_or_init(|| made)
            }
        };
        let mut numbers = lock(&self.numbers);
        let next = numbers.len();
        let number = numbers.entry(node.clone()).or_insert(next);
        Ok(folder.path().join(number.to_string()))
    }
}

/// Ends the connection behind `socket`, if ssh keeps one there.
fn leave(socket: &Path) {
    let mut exit = Command::new("ssh");
    exit.args(["-F", "none", "-O", "exit", "-S"]).arg(socket);
    // There may be none, and it ends by itself.
    let _ = process::run(exit.arg("node"), b"", Duration::from_secs(2));
}

/// First, so that they win.
const ALONE: [&str; 6] = [
    "-o",
    "ControlMaster=no",
    "-o",
    "ControlPersist=no",
    "-S",
    "none",
];

impl NodeTransport for SystemSsh {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        let failed = |kind| TransportError::new(node, kind);
        let begun = Instant::now();
        let (mut words, goal) = self.words(node).map_err(failed)?;
        let script = below(self.config.root.as_deref(), script);
        let attempt = |words: &[String]| {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg(remote_command());
            let left = timeout.saturating_sub(begun.elapsed());
            let ran = process::run(&mut command, script.as_bytes(), left)?;
            judge(&goal, ran, timeout).and_then(|output| exec::entered(&goal.user, output))
        };
        let mut result = attempt(&words);
        let unknown = |kind: &TransportErrorKind| {
            matches!(
                kind,
                TransportErrorKind::HostKeyUnknown { .. } | TransportErrorKind::NoKnownHosts { .. }
            )
        };
        if result.as_ref().is_err_and(unknown) {
            // Which key it is ssh says in its debug output only.
            let mut wordy = words.clone();
            wordy.splice(1..1, ALONE.map(str::to_owned));
            wordy.insert(1, "-v".to_owned());
            result = attempt(&wordy);
        }
        if let (Err(_), Ok(socket)) = (&result, self.socket(node)) {
            leave(&socket);
        }
        let silent = |result: &Result<_, _>| {
            matches!(
                result,
                Err(TransportErrorKind::Openssh {
                    step: "connect",
                    ..
                })
            )
        };
        if goal.by_others && silent(&result) {
            // With ControlPersist a jump host's words are lost (sshconnect.c, ssh_proxy_connect).
            words.splice(1..1, ALONE.map(str::to_owned));
            result = attempt(&words);
        }
        result.map_err(failed)
    }
}

impl Drop for SystemSsh {
    fn drop(&mut self) {
        let sockets = self
            .sockets
            .get()
            .map(|folder| std::fs::read_dir(folder.path()));
        for socket in sockets.into_iter().flatten().flatten().flatten() {
            leave(&socket.path());
        }
    }
}

/// What became of the script, or of the way to it.
fn judge(goal: &Goal, ran: Ran, timeout: Duration) -> Result<Output, TransportErrorKind> {
    let began = exec::find(&ran.stderr, BEGAN);
    let status = match ran.end {
        Ok(status) => status.code(),
        Err(TransportErrorKind::Timeout { .. }) if began.is_none() => {
            return Err(TransportErrorKind::Timeout {
                during: "logging in by ssh",
                after: timeout,
            });
        }
        Err(kind) => return Err(kind),
    };
    if began.is_none() && status == Some(255) {
        return Err(refusal(goal, &String::from_utf8_lossy(&ran.stderr)));
    }
    let mut output = Output {
        stdout: ran.stdout,
        stderr: ran.stderr,
        status,
    };
    if began.is_none() {
        return Ok(output);
    }
    let ended = exec::find(&output.stderr, ENDED).and_then(|at| {
        let line = &output.stderr[at + ENDED.len()..];
        let line = line.split(|&c| c == b'\n').next()?;
        let status: i32 = std::str::from_utf8(line).ok()?.parse().ok()?;
        Some((at..at + ENDED.len() + line.len(), status))
    });
    let Some((mark, status)) = ended else {
        return Err(TransportErrorKind::Lost {
            during: RUNNING,
            detail: output.stderr_tail(),
        });
    };
    output
        .stderr
        .drain(mark.start..output.stderr.len().min(mark.end + 1));
    output.status = (status <= 128).then_some(status);
    Ok(output)
}

/// ssh's own words (sshconnect.c, sshconnect2.c, auth.c, authfile.c of OpenSSH).
fn refusal(goal: &Goal, said: &str) -> TransportErrorKind {
    let user = goal.user.clone();
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let tried = || {
        let unusable: Vec<_> = lines()
            .filter(|line| line.starts_with("Load key "))
            .collect();
        match unusable.as_slice() {
            [] => "the keys that ssh has".to_owned(),
            some => format!("the keys that ssh has ({})", some.join("; ")),
        }
    };
    if said.contains("Too many authentication failures") {
        return TransportErrorKind::HungUp {
            user,
            tried: tried(),
            untried: Vec::new(),
        };
    }
    if let Some((_, offered)) = said.split_once("Permission denied (") {
        return TransportErrorKind::Auth {
            user,
            tried: tried(),
            offered: offered.split(')').next().unwrap_or_default().to_owned(),
            by_openssh: false,
        };
    }
    if said.contains("Host key verification failed") {
        return host_key(goal, said);
    }
    let own: Vec<_> = lines()
        .filter(|line| !line.starts_with("debug1: "))
        .collect();
    TransportErrorKind::Openssh {
        step: "connect",
        said: tail(own.join("; ").as_bytes()),
        by_hand: goal.by_hand.clone(),
    }
}

/// Why ssh does not take the host key.
fn host_key(goal: &Goal, said: &str) -> TransportErrorKind {
    let lines = || said.lines().map(str::trim);
    // `Offending ED25519 key in FILE:LINE`, a fingerprint, and how to remove the line.
    let offending =
        lines().find_map(|line| line.strip_prefix("Offending ")?.split_once(" key in "));
    let remove = lines().find(|line| line.starts_with("ssh-keygen -f"));
    if let (Some((kind, known_at)), Some(remove)) = (offending, remove) {
        let fingerprint = lines().find(|line| line.starts_with("SHA256:"));
        return TransportErrorKind::HostKeyChanged {
            algorithm: kind.to_owned(),
            fingerprint: fingerprint
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_owned(),
            known_at: known_at.to_owned(),
            remove: remove.to_owned(),
        };
    }
    if lines().any(|line| line.starts_with("No ") && line.contains(" host key is known for ")) {
        // Of several hosts on the way the last one that was reached.
        let mut shown = lines().filter_map(|line| line.strip_prefix("debug1: Server host key: "));
        let key = shown.next_back().and_then(|key| key.split_once(' '));
        let (algorithm, fingerprint) = key.unwrap_or_default();
        let (algorithm, fingerprint) = (algorithm.to_owned(), fingerprint.to_owned());
        return match &goal.known_hosts_by {
            None => TransportErrorKind::HostKeyUnknown {
                algorithm,
                fingerprint,
                add: format!("`{}`, which asks", goal.by_hand),
            },
            Some(by) => TransportErrorKind::NoKnownHosts {
                source_of_keys: by.clone(),
                add: goal.by_hand.replacen(
                    "ssh ",
                    "ssh -o UserKnownHostsFile=~/.ssh/known_hosts ",
                    1,
                ),
                algorithm,
                fingerprint,
            },
        };
    }
    let telling = |line: &&str| line.contains(" strict checking");
    let lines: Vec<&str> = lines().filter(telling).collect();
    TransportErrorKind::Openssh {
        step: "host key",
        said: tail(lines.join("; ").as_bytes()),
        by_hand: goal.by_hand.clone(),
    }
}
