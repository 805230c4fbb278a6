//! What clients on this machine need, put in place and taken back.

use std::error::Error as _;
use std::net::IpAddr;

use kreg_nodes::this_machine::{self, Installed, ThisMachineError};
use kreg_nodes::{InstanceId, Trust};

use super::registry::Registry;
use crate::error::{Error, Tried as _};
use crate::session::Session;

/// Trust in the registry at `wanted`, or at its ClusterIP; and that address.
pub(super) fn trust(
    instance: &str,
    registry: &Registry,
    wanted: Option<IpAddr>,
) -> Result<(Trust, IpAddr), Error> {
    let Some(address) = wanted.or(registry.state.cluster_ip) else {
        return Err(Error::failed(format!(
            "the Service of {} has no ClusterIP to take for this machine",
            registry.host
        ))
        .help("choose an address with --address"));
    };
    if address.is_loopback() {
        return Err(Error::usage(format!(
            "docker verifies no registry whose name leads to {address}"
        ))
        .help("choose an --address that is not a loopback one, or leave it to kreg"));
    }
    let trust = Trust::new(
        instance_id(instance)?,
        registry.host.clone(),
        &registry.bundle_pem,
    )
    .tried("cannot give the CA that the cluster holds to clients")?;
    Ok((trust.with_endpoint(address), address))
}

pub(super) fn install(
    session: &Session,
    registry: &Registry,
    wanted: Option<IpAddr>,
) -> Result<Installed, Error> {
    let (trust, address) = trust(session.registry.place().instance(), registry, wanted)?;
    Ok(this_machine::install(&trust, address)?)
}

/// What a tunnel that was killed has left. Says what was taken back; harmless where there is nothing.
pub(super) fn remove(name: &str) -> Result<Vec<String>, Error> {
    Ok(this_machine::remove(&instance_id(name)?)?)
}

/// Apart from the instance of a node, which this machine may be too.
fn instance_id(name: &str) -> Result<InstanceId, Error> {
    InstanceId::new(format!("tunnel-{name}")).map_err(|cause| {
        Error::usage("this registry's name is too long for a tunnel").because(&cause)
    })
}

impl From<ThisMachineError> for Error {
    fn from(error: ThisMachineError) -> Self {
        let message = match &error {
            ThisMachineError::LeadsElsewhere { host, address } => format!(
                "{host} leads to {address} on this machine already, by another `kreg tunnel --trust install`; \
                 nothing was changed"
            ),
            other => other.to_string(),
        };
        let failed = Self::failed(message).help_if(help(&error));
        match error.source() {
            Some(cause) => failed.because(cause),
            None => failed,
        }
    }
}

fn help(error: &ThisMachineError) -> Option<String> {
    Some(match error {
        ThisMachineError::LeadsElsewhere { address, .. } => format!(
            "go on by that one, or say --address {address}; if none is open any more, run `kreg tunnel --trust remove`"
        ),
        ThisMachineError::Refused {
            refused,
            is_root: true,
        } => refused.remedy(),
        ThisMachineError::Refused { .. } => {
            "run `sudo kreg tunnel --trust install`; `kreg tunnel --trust print` shows what it would do"
                .to_owned()
        }
        ThisMachineError::HasAddress { .. } => {
            "it seems to be a node of the cluster: clients here reach the registry without a tunnel"
                .to_owned()
        }
        ThisMachineError::NoIp { .. } => {
            "install iproute2; on a system that is not Linux use `kreg tunnel --trust print`".to_owned()
        }
        ThisMachineError::Ip { .. } => {
            "it takes root and, in a container, the capability NET_ADMIN".to_owned()
        }
        ThisMachineError::Files { .. } => {
            "mend that, then run `kreg tunnel --trust remove`: it goes on where this stopped".to_owned()
        }
        _ => return None,
    })
}
