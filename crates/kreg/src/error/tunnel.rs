//! A registry is not there for the clients of this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};

use kreg_nodes::this_machine::ThisMachineError;

use super::BoxError;

/// Why no tunnel leads to the registry, or why this machine's clients cannot use it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The registry's Service has no address that this machine could take.
    #[error("the Service of {0} has no ClusterIP to take for this machine")]
    NoAddress(
        /// Host and port.
        String,
    ),
    /// Docker does not verify a registry at this machine's loopback addresses.
    #[error("docker verifies no registry whose name leads to {0}")]
    Loopback(
        /// The address that was asked for.
        IpAddr,
    ),
    /// The registry's name cannot name a journal on this machine.
    #[error("this registry's name is too long for a tunnel")]
    Name(#[source] BoxError),
    /// This machine's clients could not be brought to trust, or back.
    #[error(transparent)]
    ThisMachine(#[from] ThisMachineError),
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where the tunnel was to listen.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
    /// Nothing comes through the tunnel.
    #[error("the tunnel at {address} is open, but the registry does not answer through it")]
    NoAnswer {
        /// Where the tunnel listens.
        address: SocketAddr,
        /// What went wrong.
        source: BoxError,
    },
    /// Something else than the registry answers, or the registry is not well.
    #[error("the registry answers through the tunnel, but not as it should")]
    WrongAnswer(#[source] BoxError),
}

impl TunnelError {
    /// Whether what was asked for is at fault.
    #[must_use]
    pub fn is_input(&self) -> bool {
        matches!(self, TunnelError::Loopback(_) | TunnelError::Name(_))
    }
}
