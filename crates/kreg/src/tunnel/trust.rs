//! What clients on this machine need, put in place and taken back.

use std::net::IpAddr;

use kreg_k8s::Place;
use kreg_nodes::this_machine::{self, Installed};
use kreg_nodes::{InstanceId, Trust};

use super::tunnels::Tunnels;
use crate::error::{Error, Tried as _, TunnelError};
use crate::event::Observer;

const STAGE: &str = "trust of this machine's clients";

impl Tunnels<'_> {
    /// Has this machine's clients trust the registry, whose name then leads to `wanted`, or to its ClusterIP, on the
    /// loopback device. It stays until [`take_back`]. It needs root, and blocks for as long as some programs run.
    ///
    /// # Errors
    /// [`TunnelError`]; nothing is changed then, unless the error says so.
    pub fn install(&self, wanted: Option<IpAddr>, on: &dyn Observer) -> Result<Installed, Error> {
        let stage = on.stage(STAGE);
        let (trust, address) = self.trust(wanted)?;
        let installed = this_machine::install(&trust, address).map_err(TunnelError::from)?;
        stage.done(format!("{} leads here", self.host));
        for warning in installed.warnings() {
            on.note(warning);
        }
        Ok(installed)
    }

    /// Trust in the registry at `wanted`, or at its ClusterIP; and that address.
    pub(super) fn trust(&self, wanted: Option<IpAddr>) -> Result<(Trust, IpAddr), Error> {
        let host = &self.host;
        let address = wanted.or(self.state.cluster_ip);
        let address = address.ok_or_else(|| TunnelError::NoAddress(host.to_string()))?;
        if address.is_loopback() {
            return Err(TunnelError::Loopback(address).into());
        }
        let instance = instance(self.registry.place())?;
        let trust = Trust::new(instance, host.clone(), &self.bundle_pem)
            .tried("cannot give the CA that the cluster holds to clients")?;
        Ok((trust.with_endpoint(address), address))
    }
}

/// Puts everything back as it was, unless another program that runs has put it there.
///
/// # Errors
/// [`TunnelError`] if something is left; [`remove`] goes on from there.
pub fn take_back(installed: Installed, on: &dyn Observer) -> Result<(), Error> {
    if installed.is_anothers() {
        return Ok(());
    }
    let stage = on.stage(STAGE);
    installed.take_back().map_err(TunnelError::from)?;
    stage.done("taken back");
    Ok(())
}

/// Takes back what a program that was killed has left of a tunnel to the registry at `place`. Harmless where there is
/// nothing.
///
/// # Errors
/// [`TunnelError`] if something is left.
pub fn remove(place: &Place, on: &dyn Observer) -> Result<(), Error> {
    let stage = on.stage(STAGE);
    let removed = this_machine::remove(&instance(place)?).map_err(TunnelError::from)?;
    stage.done(match removed.as_slice() {
        [] => "nothing was there".to_owned(),
        some => format!("{} taken back", some.join(", ")),
    });
    Ok(())
}

/// Apart from the instance of a node, which this machine may be too.
fn instance(place: &Place) -> Result<InstanceId, TunnelError> {
    let name = format!("tunnel-{}", place.instance());
    InstanceId::new(name).map_err(|cause| TunnelError::Name(cause.into()))
}

#[cfg(test)]
mod tests {
    use kreg_k8s::Profile;

    use super::*;

    #[test]
    fn this_machine_has_a_journal_of_its_own_and_a_name_that_is_too_long_is_refused() {
        let named = |name: &str| {
            let place = Place::new(Profile::Default);
            instance(&place.with_instance(name).unwrap())
        };
        assert_eq!(named("r").unwrap().to_string(), "tunnel-r");
        let error = named(&"r".repeat(63)).unwrap_err();
        assert!(error.is_input(), "{error}");
    }
}
