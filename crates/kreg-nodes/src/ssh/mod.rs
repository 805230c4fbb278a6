//! Nodes over SSH (feature `ssh`): one connection a node, kept from probe to undo.

mod auth;
mod by_hand;
mod choices;
mod config;
mod connect;
mod exec;
mod failure;
mod host_key;
mod key;
pub mod known_hosts;
mod lock;
mod offer;
pub mod openssh;
mod pattern;
mod program;
mod route;
mod tunnel;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use choices::SshChoices;
pub use config::{Identity, SshConfig};
pub use key::has_passphrase;
pub use program::SystemSsh;

use self::connect::{Connection, Shared};
use self::lock::lock;
use crate::transport::{NodeTransport, Output, TransportError, TransportErrorKind};
use crate::{Node, quote};

/// Nodes over SSH, by libssh2. Host keys must be known; see [`SshConfig`].
///
/// The script goes to `sh -s` on standard input, as root: by login, else by `sudo -n`.
#[derive(Debug)]
pub struct Ssh {
    config: SshConfig,
    shared: Shared,
    connections: Mutex<HashMap<Node, Slot>>,
}

type Slot = Arc<Mutex<Option<Connection>>>;

impl Ssh {
    /// Nodes that are entered as `config` says. Connects to none yet.
    #[must_use]
    pub fn new(config: SshConfig) -> Ssh {
        Ssh {
            config,
            shared: Shared::default(),
            connections: Mutex::new(HashMap::new()),
        }
    }

    fn slot(&self, node: &Node) -> Slot {
        lock(&self.connections)
            .entry(node.clone())
            .or_default()
            .clone()
    }
}

impl NodeTransport for Ssh {
    fn run(&self, node: &Node, script: &str, timeout: Duration) -> Result<Output, TransportError> {
        let failed = |kind| TransportError::new(node, kind);
        let deadline = Instant::now() + timeout;
        let slot = self.slot(node);
        let mut kept = lock(&slot);
        let mut channel = None;
        if let Some(connection) = kept.as_ref() {
            // A connection that died since is made again: the script has not begun.
            channel = exec::open(connection, deadline).ok();
        }
        let mut channel = match channel {
            Some(channel) => channel,
            None => {
                let hops = route::route(&self.config, node).map_err(failed)?;
                for (number, hop) in hops.iter().enumerate() {
                    let followed = hop.follow().map_err(|kind| match number + 1 == hops.len() {
                        true => kind,
                        false => hop.failed(kind),
                    });
                    followed.map_err(failed)?;
                }
                let accept_new = self.config.accept_new;
                let fresh =
                    Connection::open(&hops, accept_new, &self.shared, deadline).map_err(failed)?;
                let channel = exec::open(&fresh, deadline).map_err(failed)?;
                *kept = Some(fresh);
                channel
            }
        };
        let Some(connection) = kept.as_ref() else {
            return Err(failed(TransportErrorKind::Lost {
                during: "connecting",
                detail: "no connection was kept".to_owned(),
            }));
        };
        let script = below(self.config.root.as_deref(), script);
        let result = exec::run(
            connection,
            &mut channel,
            script.as_bytes(),
            timeout,
            deadline,
        )
        .and_then(|output| exec::entered(&connection.user, output));
        if matches!(
            result,
            Err(TransportErrorKind::Lost { .. } | TransportErrorKind::Timeout { .. })
        ) {
            // Dropping it closes the connection. What runs there goes on to its own end, as it has no
            // terminal that would hang up, and keeps the node's lock until then.
            *kept = None;
        }
        result.map_err(failed)
    }
}

/// The script with all of its paths below `root`.
fn below(root: Option<&str>, script: &str) -> String {
    match root {
        Some(root) => format!("KREG_ROOT={}\nexport KREG_ROOT\n{script}", quote(root)),
        None => script.to_owned(),
    }
}
