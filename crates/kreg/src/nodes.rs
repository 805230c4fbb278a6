//! What nodes must hold of a registry, which of them are meant, and words for what became of them.

mod chosen;
mod work;

use std::net::IpAddr;

use kreg_k8s::{Place, Profile};
use kreg_nodes::{InstanceId, NameMode, RegistryId, Trust};

pub use self::chosen::{Chosen, addressed, split};
pub(crate) use self::work::note_warnings;
use crate::error::{Error, Tried as _};
pub use crate::words::bullet_list;

/// What every node must come to hold of the registry at `address`.
///
/// # Errors
/// [`Error::Failed`] if its name or its bundle cannot stand in a node's files.
pub fn trust(place: &Place, address: IpAddr, bundle_pem: &str) -> Result<Trust, Error> {
    let name = place.registry_name();
    let host = name
        .parse()
        .tried(format!("{name} cannot stand in an image's name"))?;
    let trust = Trust::new(instance(place)?, host, bundle_pem)
        .tried("the CA bundle cannot be handed to the nodes")?
        .with_endpoint(address);
    Ok(match place.profile() {
        Profile::Tutorial => trust
            .with_names(NameMode::HostsFile)
            .with_docker_certs_d(true),
        _ => trust,
    })
}

/// Whose journals on the nodes are meant. Without a record no id is known: then all of that name.
///
/// # Errors
/// [`Error::Failed`] if its name or id cannot name a journal.
pub fn instance(place: &Place) -> Result<InstanceId, Error> {
    let instance = InstanceId::new(place.instance())
        .tried("the registry's name cannot name a journal on the nodes")?;
    Ok(match place.id() {
        Some(id) => {
            let id = RegistryId::new(id);
            instance
                .with_id(id.tried("the record of the registry holds an id that kreg did not make")?)
        }
        None => instance,
    })
}
