//! From an address to a session that is logged in.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ssh2::{ErrorCode, MethodType, Session};

use super::config::SshConfig;
use super::known_hosts::KnownHosts;
use super::{auth, host_key, lock};
use crate::transport::TransportErrorKind;

/// A session that is logged in, and its socket to wait on.
pub(super) struct Connection {
    pub(super) session: Session,
    stream: TcpStream,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Connection").field(&self.stream).finish()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    pub(super) fn open(
        config: &SshConfig,
        known: &Mutex<Option<KnownHosts>>,
        address: &str,
        deadline: Instant,
    ) -> Result<Connection, TransportErrorKind> {
        let (host, port) = parse(address, config.port)?;
        let limit = config
            .connect_timeout
            .min(deadline.saturating_duration_since(Instant::now()))
            .max(Duration::from_millis(1));
        let stream = dial(host, port, limit)?;
        let failed = |e: ssh2::Error| handshake_error(&e, limit);
        let mut session = Session::new().map_err(failed)?;
        session.set_tcp_stream(stream.try_clone().map_err(|e| lost(&e))?);
        session.set_timeout(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        let preferred = {
            let mut known = lock(known);
            let known = match known.as_mut() {
                Some(known) => known,
                None => known.insert(KnownHosts::read(config.known_hosts_files())?),
            };
            host_key::preference(&known.algorithms(host, port))
        };
        session
            .method_pref(MethodType::HostKey, &preferred)
            .map_err(failed)?;
        session.handshake().map_err(failed)?;
        host_key::check(config, &mut lock(known), &session, host, port)?;
        auth::login(config, &session, limit)?;
        Ok(Connection { session, stream })
    }
}

/// Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn parse(address: &str, default: u16) -> Result<(&str, u16), TransportErrorKind> {
    let bad = || TransportErrorKind::BadAddress {
        address: address.to_owned(),
    };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
            (host, rest.strip_prefix(':'))
        }
        None if address.matches(':').count() > 1 => (address, None),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        Some(port) => port
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(bad)?,
        None => default,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    match !host.is_empty() && !host.starts_with('-') && host.chars().all(plain) {
        true => Ok((host, port)),
        false => Err(bad()),
    }
}

fn dial(host: &str, port: u16, limit: Duration) -> Result<TcpStream, TransportErrorKind> {
    let unresolved = |detail: String| TransportErrorKind::Unresolved {
        name: host.to_owned(),
        detail,
    };
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|e| unresolved(e.to_string()))?;
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                // Small requests and answers, each waiting for the other.
                stream.set_nodelay(true).map_err(|e| lost(&e))?;
                return Ok(stream);
            }
            Err(e) => last = Some(e),
        }
    }
    Err(match last {
        None => unresolved("no address".to_owned()),
        Some(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            TransportErrorKind::Refused { port }
        }
        Some(e)
            if matches!(
                e.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
            ) =>
        {
            TransportErrorKind::Timeout {
                during: "connecting",
                after: limit,
            }
        }
        Some(e) => lost(&e),
    })
}

fn lost(error: &io::Error) -> TransportErrorKind {
    TransportErrorKind::Lost {
        during: "connecting",
        detail: error.to_string(),
    }
}

/// LIBSSH2_ERROR_TIMEOUT and LIBSSH2_ERROR_SOCKET_TIMEOUT (libssh2.h).
pub(super) fn is_timeout(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(-9 | -30))
}

fn handshake_error(error: &ssh2::Error, limit: Duration) -> TransportErrorKind {
    match is_timeout(error) {
        true => TransportErrorKind::Timeout {
            during: "waiting for the SSH handshake",
            after: limit,
        },
        false => TransportErrorKind::Handshake {
            detail: error.message().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_addresses() {
        let of = |text| parse(text, 22).ok();
        assert_eq!(of("node1"), Some(("node1", 22)));
        assert_eq!(of("10.0.0.1:2222"), Some(("10.0.0.1", 2222)));
        assert_eq!(of("[fd00::1]:2222"), Some(("fd00::1", 2222)));
        assert_eq!(of("[fd00::1]"), Some(("fd00::1", 22)));
        assert_eq!(of("fd00::1"), Some(("fd00::1", 22)));
        for bad in [
            "",
            ":22",
            "a:b",
            "a:0",
            "a:70000",
            "[a",
            "-oProxyCommand=x",
            "a b",
            "u@h",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,30}") {
            let _ = parse(&text, 22);
        }
    }
}
