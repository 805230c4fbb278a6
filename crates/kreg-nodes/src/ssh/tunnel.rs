//! Through a jump host: a channel of its session, bridged to a socket that the next session uses.
//!
//! Each node has a connection of its own to the jump host, as with OpenSSH. One for all would
//! save logins, but libssh2 opens one channel of a session at a time: a node that does not answer
//! would hold up all that come after it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, Channel};

use super::connect::Connection;
use super::failure::is_timeout;
use super::route::Hop;
use crate::transport::TransportErrorKind;

/// As much as waits in each direction, in bytes.
const BUFFER: usize = 32 * 1024;

/// A stream to `to` through `jump`. The connection lives as long as the stream is open.
pub(super) fn open(
    connection: Connection,
    jump: &Hop,
    to: &Hop,
    limit: Duration,
) -> Result<UnixStream, TransportErrorKind> {
    let session = &connection.session;
    session.set_blocking(true);
    session.set_timeout(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
    let channel = session
        .channel_direct_tcpip(&to.host, to.port, None)
        .map_err(|e| match is_timeout(&e) {
            true => TransportErrorKind::Timeout {
                during: "connecting from the jump host",
                after: limit,
            },
            false => TransportErrorKind::JumpRefused {
                host: jump.name(),
                to: to.name(),
                detail: e.message().to_owned(),
            },
        })?;
    session.set_blocking(false);
    let start = || {
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        thread::Builder::new()
            .name("kreg-jump".to_owned())
            // It copies bytes; many of these run at once.
            .stack_size(256 * 1024)
            .spawn(move || {
                // An end for whatever reason shows as the end of the stream.
                let _ = Bridge::new(&connection, channel, theirs).carry();
            })?;
        Ok(ours)
    };
    start().map_err(|e: io::Error| {
        let detail = e.to_string();
        jump.failed(TransportErrorKind::Lost {
            during: "connecting",
            detail,
        })
    })
}

struct Bridge<'a> {
    connection: &'a Connection,
    channel: Channel,
    socket: UnixStream,
    /// Read from the socket, not yet taken by the channel; and the other way.
    up: Vec<u8>,
    down: Vec<u8>,
}

impl<'a> Bridge<'a> {
    fn new(connection: &'a Connection, channel: Channel, socket: UnixStream) -> Bridge<'a> {
        Bridge {
            connection,
            channel,
            socket,
            up: Vec::with_capacity(BUFFER),
            down: Vec::with_capacity(BUFFER),
        }
    }

    /// Carries bytes both ways until one side has ended.
    fn carry(&mut self) -> io::Result<()> {
        loop {
            let mut moved = false;
            if self.up.is_empty() {
                match fill(&mut self.socket, &mut self.up)? {
                    // The next session is gone: nobody waits for what may still come.
                    Some(0) => return Ok(()),
                    Some(_) => moved = true,
                    None => {}
                }
            }
            moved |= spill(&mut self.up, &mut self.channel)?;
            if self.down.is_empty() {
                match fill(&mut self.channel, &mut self.down)? {
                    Some(0) if self.channel.eof() => return Ok(()),
                    Some(count) => moved |= count > 0,
                    None => {}
                }
            }
            moved |= spill(&mut self.down, &mut self.socket)?;
            if !moved {
                self.wait()?;
            }
        }
    }

    fn wait(&self) -> io::Result<()> {
        let ssh = match self.connection.session.block_directions() {
            BlockDirections::Outbound => PollFlags::OUT,
            BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::Inbound | BlockDirections::None => PollFlags::IN,
        };
        let mut socket = PollFlags::empty();
        socket.set(PollFlags::IN, self.up.is_empty());
        socket.set(PollFlags::OUT, !self.down.is_empty());
        let mut both = [
            PollFd::new(self.connection, ssh | PollFlags::IN),
            PollFd::new(&self.socket, socket),
        ];
        let limit = Timespec::try_from(Duration::from_secs(1)).map_err(io::Error::other)?;
        match poll(&mut both, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// Reads into an empty buffer; `None` if nothing is there yet.
fn fill(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut bytes = [0; BUFFER];
    match from.read(&mut bytes) {
        Ok(count) => {
            buffer.extend_from_slice(&bytes[..count]);
            Ok(Some(count))
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes what the other side takes.
fn spill(buffer: &mut Vec<u8>, to: &mut impl Write) -> io::Result<bool> {
    if buffer.is_empty() {
        return Ok(false);
    }
    match to.write(buffer) {
        Ok(count) => {
            buffer.drain(..count);
            Ok(count > 0)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(false),
        Err(e) => Err(e),
    }
}
