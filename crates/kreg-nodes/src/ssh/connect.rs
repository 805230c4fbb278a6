//! From the hosts on the way to a session that is logged in at the last of them.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use super::failure::is_timeout;
use super::known_hosts::KnownHosts;
use super::lock::lock;
use super::openssh::AddressFamily;
use super::route::Hop;
use super::{auth, host_key, offer, tunnel};
use crate::transport::TransportErrorKind;

/// A session that is logged in, and its socket to wait on.
pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) user: String,
    stream: OwnedFd,
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

/// What connections have in common.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The keys known by each list of files, each read once.
    known: Mutex<HashMap<Vec<PathBuf>, KnownHosts>>,
    gates: Gates,
}

impl Connection {
    /// Goes from host to host. What fails at one before the last is told as that one's.
    pub(super) fn open(
        hops: &[Hop],
        accept_new: bool,
        shared: &Shared,
        deadline: Instant,
    ) -> Result<Connection, TransportErrorKind> {
        let mut via: Option<(Connection, &Hop)> = None;
        for (number, hop) in hops.iter().enumerate() {
            let is_jump = number + 1 < hops.len();
            let at_jump = |kind| match is_jump {
                true => hop.failed(kind),
                false => kind,
            };
            let turn = match is_jump {
                true => Some(shared.gates.enter(&hop.name(), deadline).map_err(at_jump)?),
                false => None,
            };
            let limit = hop
                .connect_timeout
                .min(deadline.saturating_duration_since(Instant::now()))
                .max(Duration::from_millis(1));
            let stream: OwnedFd = match via.take() {
                None => dial(hop, limit).map_err(at_jump)?.into(),
                Some((connection, jump)) => tunnel::open(connection, jump, hop, limit)?.into(),
            };
            // libssh2 does not say what the server offers, so it is asked once more.
            let offers = || -> Option<TransportErrorKind> {
                let stream: OwnedFd = match hops[..number].last() {
                    None => dial(hop, limit).ok()?.into(),
                    Some(jump) => {
                        let connection =
                            Connection::open(&hops[..number], accept_new, shared, deadline).ok()?;
                        tunnel::open(connection, jump, hop, limit).ok()?.into()
                    }
                };
                offer::mismatch(stream, limit)
            };
            let opened = Connection::over(stream, hop, accept_new, shared, limit);
            drop(turn);
            let opened = opened.map_err(|kind| match kind {
                TransportErrorKind::Handshake { .. } => offers().unwrap_or(kind),
                kind => kind,
            });
            via = Some((opened.map_err(at_jump)?, hop));
        }
        match via {
            Some((connection, _)) => Ok(connection),
            None => Err(TransportErrorKind::BadAddress {
                address: String::new(),
            }),
        }
    }

    fn over(
        stream: OwnedFd,
        hop: &Hop,
        accept_new: bool,
        shared: &Shared,
        limit: Duration,
    ) -> Result<Connection, TransportErrorKind> {
        let failed = |e: ssh2::Error| handshake_error(&e, limit);
        let mut session = Session::new().map_err(failed)?;
        session.set_tcp_stream(stream.try_clone().map_err(|e| lost(&e))?);
        session.set_timeout(u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        let (name, port) = &hop.known_as;
        let preferred = {
            let mut all = lock(&shared.known);
            if !all.contains_key(&hop.known_hosts) {
                let known = KnownHosts::read(&hop.known_hosts)?;
                all.insert(hop.known_hosts.clone(), known);
            }
            let known = all.entry(hop.known_hosts.clone()).or_default();
            host_key::preference(&known.algorithms(name, *port))
        };
        session
            .method_pref(MethodType::HostKey, &preferred)
            .map_err(failed)?;
        session.handshake().map_err(failed)?;
        host_key::check(
            hop,
            accept_new,
            lock(&shared.known)
                .entry(hop.known_hosts.clone())
                .or_default(),
            &session,
        )?;
        auth::login(hop, &session, limit)?;
        Ok(Connection {
            session,
            user: hop.user.clone(),
            stream,
        })
    }
}

fn dial(hop: &Hop, limit: Duration) -> Result<TcpStream, TransportErrorKind> {
    let (host, port) = (hop.host.as_str(), hop.port);
    let unresolved = |detail: String| TransportErrorKind::Unresolved {
        name: host.to_owned(),
        detail,
    };
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|e| unresolved(e.to_string()))?;
    let fits = |address: &SocketAddr| match hop.family {
        None => true,
        Some(AddressFamily::Inet) => address.is_ipv4(),
        Some(AddressFamily::Inet6) => address.is_ipv6(),
    };
    let mut last = None;
    for address in addresses.filter(fits) {
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

/// sshd drops logins at random once ten are under way (sshd_config(5), MaxStartups), and all
/// nodes behind a jump host log in there at once.
const LOGINS_AT_A_JUMP_HOST: usize = 8;

/// Lets few in at a time, each jump host by itself.
#[derive(Debug, Default)]
struct Gates {
    inside: Mutex<HashMap<String, usize>>,
    left: Condvar,
}

struct Turn<'a> {
    gates: &'a Gates,
    host: String,
}

impl Gates {
    fn enter(&self, host: &str, deadline: Instant) -> Result<Turn<'_>, TransportErrorKind> {
        let begun = Instant::now();
        let limit = deadline.saturating_duration_since(begun);
        let full = |inside: &mut HashMap<String, usize>| {
            inside.get(host).copied().unwrap_or(0) >= LOGINS_AT_A_JUMP_HOST
        };
        let (mut inside, waited) = self
            .left
            .wait_timeout_while(lock(&self.inside), limit, full)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(TransportErrorKind::Timeout {
                during: "waiting for others to log in",
                after: begun.elapsed(),
            });
        }
        *inside.entry(host.to_owned()).or_default() += 1;
        Ok(Turn {
            gates: self,
            host: host.to_owned(),
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(inside) = lock(&self.gates.inside).get_mut(&self.host) {
            *inside -= 1;
        }
        self.gates.left.notify_all();
    }
}

fn lost(error: &io::Error) -> TransportErrorKind {
    TransportErrorKind::Lost {
        during: "connecting",
        detail: error.to_string(),
    }
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
