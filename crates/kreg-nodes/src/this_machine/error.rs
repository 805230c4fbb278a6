//! Why this machine's clients could not be brought to trust, or back.

use std::error::Error;
use std::net::IpAddr;

use crate::Refused;

/// Why this machine's clients could not be brought to trust, or back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThisMachineError {
    /// The registry's name leads to another address already, by an earlier [`super::install`].
    #[error("{host} leads to {address} on this machine already; nothing was changed")]
    LeadsElsewhere {
        /// The registry.
        host: String,
        /// Where its name leads.
        address: IpAddr,
    },
    /// The plan leaves this machine alone.
    #[error("cannot have this machine's clients trust the registry; nothing was changed")]
    Refused {
        /// The reasons.
        #[source]
        refused: Refused,
        /// Whether this program runs as root.
        is_root: bool,
    },
    /// Another device than the loopback one has the address.
    #[error("this machine has the registry's address {address} already, on {device}")]
    HasAddress {
        /// The address.
        address: IpAddr,
        /// The device.
        device: String,
    },
    /// `ip`, of iproute2, could not be started.
    #[error("cannot run `ip {arguments}`")]
    NoIp {
        /// Its arguments.
        arguments: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// `ip` failed. It takes root and, in a container, the capability NET_ADMIN.
    #[error("`ip {arguments}` failed: {said}")]
    Ip {
        /// Its arguments.
        arguments: String,
        /// Its words.
        said: String,
    },
    /// Some files are not as they should be; [`super::remove`] goes on where this stopped.
    #[error("cannot {tried}: {unwell}")]
    Files {
        /// What was tried.
        tried: &'static str,
        /// Each file, and what is the matter with it.
        unwell: String,
    },
    /// A program could not be run here, or gave no answer to be read.
    #[error("cannot {tried}")]
    Program {
        /// What was tried.
        tried: &'static str,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ThisMachineError {
    pub(super) fn program<E: Error + Send + Sync + 'static>(
        tried: &'static str,
    ) -> impl FnOnce(E) -> ThisMachineError {
        move |source| ThisMachineError::Program {
            tried,
            source: Box::new(source),
        }
    }
}
