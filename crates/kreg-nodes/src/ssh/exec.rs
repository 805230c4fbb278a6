//! Running a script in a session.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Channel};

use super::connect::Connection;
use crate::transport::error::RUNNING;
use crate::transport::{OUTPUT_LIMIT, Output, TransportErrorKind};

/// What the shell says on standard error before it begins: without it, something else answered.
pub(super) const BEGAN: &str = "kreg: a shell";

/// Whatever the login shell: a POSIX shell as root that reads the script from its standard
/// input, so that nothing of it stands in argv.
const SHELL: &str = r#"if [ "$(id -u)" = 0 ]; then exec sh -s; fi; exec sudo -n -- sh -s"#;

/// The same for root.
const SHELL_OF_ROOT: &str = "exec sh -s";

/// The command that runs `commands`, which have no single quotes, and says first that it began.
pub(super) fn beginning(commands: &str) -> String {
    format!(r#"sh -c 'echo "{BEGAN}" >&2; {commands}'"#)
}

/// Opens a channel and starts the shell in it.
pub(super) fn open(
    connection: &Connection,
    deadline: Instant,
) -> Result<Channel, TransportErrorKind> {
    let session = &connection.session;
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1));
    session.set_blocking(true);
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
    let open = || {
        let mut channel = session.channel_session()?;
        channel.exec(&beginning(match connection.user.as_str() {
            "root" => SHELL_OF_ROOT,
            _ => SHELL,
        }))?;
        Ok(channel)
    };
    open().map_err(|e: ssh2::Error| TransportErrorKind::Lost {
        during: "starting a shell",
        detail: e.message().to_owned(),
    })
}

/// Feeds the shell and reads both of its outputs together: read one after the other, the
/// channel's window fills and both sides wait for ever.
pub(super) fn run(
    connection: &Connection,
    channel: &mut Channel,
    script: &[u8],
    timeout: Duration,
    deadline: Instant,
) -> Result<Output, TransportErrorKind> {
    let session = &connection.session;
    session.set_blocking(false);
    let mut input = Some(script);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let mut moved = feed(channel, &mut input)?;
        moved |= drain(&mut channel.stream(0), &mut stdout)?;
        moved |= drain(&mut channel.stderr(), &mut stderr)?;
        if stdout.len().max(stderr.len()) > OUTPUT_LIMIT {
            return Err(TransportErrorKind::TooMuchOutput {
                limit: OUTPUT_LIMIT,
            });
        }
        if channel.eof() {
            break;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TransportErrorKind::Timeout {
                during: RUNNING,
                after: timeout,
            });
        }
        if !moved {
            wait(connection, left).map_err(lost)?;
        }
    }
    session.set_blocking(true);
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(Duration::from_millis(100));
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX));
    let end = |channel: &mut Channel| {
        channel.close()?;
        channel.wait_close()?;
        let signal = channel.exit_signal()?.exit_signal;
        let status = channel.exit_status()?;
        Ok(signal.is_none().then_some(status))
    };
    let status = end(channel).map_err(|e: ssh2::Error| lost(e.into()))?;
    Ok(Output {
        stdout,
        stderr,
        status,
    })
}

/// Where a mark begins; the last one, as nothing of the script's can come before the first.
pub(super) fn find(text: &[u8], mark: &str) -> Option<usize> {
    text.windows(mark.len())
        .rposition(|window| window == mark.as_bytes())
}

/// Of what came back, what is the script's: not that of an account that starts no shell, and not
/// sudo's refusal.
pub(super) fn entered(user: &str, mut output: Output) -> Result<Output, TransportErrorKind> {
    let user = || user.to_owned();
    let Some(at) = find(&output.stderr, BEGAN) else {
        let said = output.said();
        return Err(TransportErrorKind::Answered {
            user: user(),
            wants: other_user(&said),
            said,
        });
    };
    let after = at + BEGAN.len() + 1;
    output.stderr.drain(at..after.min(output.stderr.len()));
    let tail = output.stderr_tail();
    let refused = matches!(output.status, Some(1 | 126 | 127)) && tail.contains("sudo");
    match output.stdout.is_empty() && refused {
        true => Err(TransportErrorKind::Privilege {
            user: user(),
            detail: tail,
        }),
        false => Ok(output),
    }
}

/// `ubuntu` of `Please login as the user "ubuntu" rather than the user "root".`: cloud-init's
/// `disable_root_opts` (cloudinit/ssh_util.py), and what images say in its place.
fn other_user(said: &str) -> Option<String> {
    let words: Vec<&str> = said.split_ascii_whitespace().collect();
    let at = words.windows(2).position(|two| two == ["rather", "than"])?;
    let asked = words[..at]
        .iter()
        .any(|word| ["login", "log"].contains(&word.to_ascii_lowercase().as_str()));
    let name = words.get(at.checked_sub(1)?)?;
    let name = name.trim_matches(['"', '\'', '`', ',']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(plain);
    (asked && is_name).then(|| name.to_owned())
}

/// Gives the shell what it will take; the end of the input once all is given.
fn feed(channel: &mut Channel, input: &mut Option<&[u8]>) -> Result<bool, TransportErrorKind> {
    let Some(left) = *input else {
        return Ok(false);
    };
    if left.is_empty() {
        // Not sent yet is sent at the next call.
        *input = match channel.send_eof().map_err(io::Error::from) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Some(left),
            Ok(()) | Err(_) => None,
        };
        return Ok(input.is_none());
    }
    match channel.write(left) {
        Ok(count) => {
            *input = Some(&left[count..]);
            Ok(count > 0)
        }
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
        // A shell that ended early reads no more; its status tells the story.
        Err(_) if channel.eof() => {
            *input = None;
            Ok(true)
        }
        Err(e) => Err(lost(e)),
    }
}

fn drain(from: &mut impl Read, into: &mut Vec<u8>) -> Result<bool, TransportErrorKind> {
    let mut buffer = [0; 16 * 1024];
    let mut moved = false;
    while into.len() <= OUTPUT_LIMIT {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                into.extend_from_slice(&buffer[..count]);
                moved = true;
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(lost(e)),
        }
    }
    Ok(moved)
}

/// Waits until the socket is ready for what libssh2 waits for, for a second at most.
fn wait(connection: &Connection, left: Duration) -> io::Result<()> {
    let flags = match connection.session.block_directions() {
        BlockDirections::Outbound => PollFlags::OUT,
        BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
        BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
    };
    let limit = left.min(Duration::from_secs(1));
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(connection, flags)], Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn lost(error: io::Error) -> TransportErrorKind {
    TransportErrorKind::Lost {
        during: RUNNING,
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_that_a_node_asks_for() {
        for (said, wanted) in [
            (
                "Please login as the user \"ubuntu\" rather than the user \"root\".",
                Some("ubuntu"),
            ),
            ("Please log in as 'core' rather than root.", Some("core")),
            ("log in as ec2-user rather than root", Some("ec2-user")),
            ("Please login as the user \"NONE\" rather", None),
            ("I would rather than not", None),
            ("rather than", None),
            ("login as -oProxyCommand=x rather than root", None),
            ("", None),
        ] {
            assert_eq!(other_user(said).as_deref(), wanted, "{said}");
        }
    }
}
