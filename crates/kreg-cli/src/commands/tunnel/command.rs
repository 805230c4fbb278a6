//! A command that runs while the tunnel is open.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use kreg::tunnel::Tunnels;
use kreg_k8s::RegistryState;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::Command;

use crate::error::{Error, Tried as _};
use crate::signals::Signals;

/// Runs it to its end, logged in if that is wanted, and passes on what it is asked to end by.
pub(super) async fn run(
    (program, arguments): (&OsString, &[OsString]),
    tunnels: &Tunnels<'_>,
    login: bool,
    signals: &mut Signals,
) -> Result<ExitCode, Error> {
    let name = program.to_string_lossy();
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("KREG_REGISTRY", tunnels.host().to_string());
    let login = login.then(|| log_in(tunnels.state())).transpose()?;
    if let Some(login) = &login {
        // The first is read by docker, crane and BuildKit's buildctl, the second by podman, skopeo and buildah.
        command
            .env("DOCKER_CONFIG", login.path())
            .env("REGISTRY_AUTH_FILE", login.path().join(CONFIG));
    }
    let mut child = command.spawn().tried(format!("cannot run `{name}`"))?;
    // Ctrl-C on a terminal reaches every program in the foreground by itself.
    let on_terminal = std::io::stdin().is_terminal();
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    loop {
        tokio::select! {
            ended = child.wait() => {
                let status = ended.tried(format!("cannot tell how `{name}` ended"))?;
                return Ok(ExitCode::from(code(status)));
            }
            got = signals.next() => {
                if let (Some(pid), false) = (pid, on_terminal && got == Signal::INT) {
                    // It may have ended at this very moment.
                    let _ = kill_process(pid, got);
                }
            }
        }
    }
}

const CONFIG: &str = "config.json";

/// The pull Secret's document, which is a client's configuration, for this user's eyes only. Gone when dropped.
fn log_in(state: &RegistryState) -> Result<TempDir, Error> {
    let Some(document) = &state.docker_config_json else {
        return Err(
            Error::failed("the cluster holds no credentials to log in with")
                .help("run `kreg up`: it makes them again; or log in by yourself, without --login"),
        );
    };
    // In memory where the system has such a place; it is this user's alone.
    let place = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let place = place.filter(|place| place.is_dir());
    let folder = tempfile::Builder::new()
        .prefix("kreg-login-")
        .tempdir_in(place.unwrap_or_else(std::env::temp_dir))
        .tried("cannot make a directory for the login")?;
    kreg_pki::write_secret_file(&folder.path().join(CONFIG), document)
        .tried("cannot write the login")?;
    Ok(folder)
}

/// As a shell has it: 128 and the signal's number for a program that was killed.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_shells() {
        assert_eq!(code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
