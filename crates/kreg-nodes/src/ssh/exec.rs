//! Running a script in a session.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Channel};

use super::connect::Connection;
use crate::transport::error::RUNNING;
use crate::transport::{OUTPUT_LIMIT, Output, TransportErrorKind};

/// Whatever the login shell: a POSIX shell as root that reads the script from its standard
/// input, so that nothing of it stands in argv.
const COMMAND: &str =
    r#"sh -c 'if [ "$(id -u)" = 0 ]; then exec sh -s; fi; exec sudo -n -- sh -s'"#;

/// The same for whoever is root already.
const COMMAND_OF_ROOT: &str = "exec sh -s";

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
        channel.exec(match connection.user.as_str() {
            "root" => COMMAND_OF_ROOT,
            _ => COMMAND,
        })?;
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

/// sudo's refusal, which comes as the script's own end.
pub(super) fn check_privilege(user: &str, output: Output) -> Result<Output, TransportErrorKind> {
    let tail = output.stderr_tail();
    let refused = matches!(output.status, Some(1 | 126 | 127)) && tail.contains("sudo");
    match output.stdout.is_empty() && refused {
        true => Err(TransportErrorKind::Privilege {
            user: user.to_owned(),
            detail: tail,
        }),
        false => Ok(output),
    }
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
