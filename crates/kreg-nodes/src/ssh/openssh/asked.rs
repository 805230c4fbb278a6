//! One question to `ssh -G`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::said::{Said, TOKENS};
use crate::transport::{TransportErrorKind, process};

/// The longest that ssh may think: `Match exec` runs programs, canonical names are looked up.
const LIMIT: Duration = Duration::from_secs(30);

/// What ssh would do for `host`. `-v` shows the lines that apply.
pub(super) fn ask(
    file: Option<&Path>,
    user: Option<&str>,
    host: &str,
) -> Result<Said, TransportErrorKind> {
    let mut command = Command::new("ssh");
    command.args(["-v", "-T", "-G"]);
    // Of all values only a few come with their tokens replaced, this one in every release.
    command.args(["-o", &format!("ControlPath={TOKENS}")]);
    if let Some(file) = file {
        command.arg("-F").arg(file);
    }
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    let ran = process::run(command.args(["--", host]), b"", LIMIT)?;
    let rejected = |detail: String| TransportErrorKind::OpensshConfig {
        host: host.to_owned(),
        detail,
    };
    let stderr = String::from_utf8_lossy(&ran.stderr);
    match ran.end {
        Ok(status) if status.success() => {
            Ok(Said::read(&String::from_utf8_lossy(&ran.stdout), &stderr))
        }
        Ok(status) => Err(match words(&stderr) {
            words if words.is_empty() => rejected(format!("{status}, without a word")),
            words => rejected(words),
        }),
        Err(kind) => Err(rejected(kind.to_string())),
    }
}

/// What ssh says for people, without its trace.
fn words(stderr: &str) -> String {
    let trace = |line: &&str| {
        ["debug1: ", "OpenSSH_", "Pseudo-terminal "]
            .iter()
            .any(|head| line.starts_with(head))
    };
    let lines: Vec<&str> = stderr.lines().filter(|line| !trace(line)).collect();
    crate::transport::tail(lines.join("; ").as_bytes())
}
