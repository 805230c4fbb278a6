//! Whether the Service's address can be had.

use std::net::IpAddr;

use crate::{
    cluster::{Cluster, Query},
    error::Error,
    kind::Kind,
    names::Names,
    object::Object,
    object_ref::ObjectRef,
    spec::RegistrySpec,
    unfit::Unfit,
};

/// Whether the address that is asked for, or that the registry had before, is another Service's by now.
///
/// Without the right to see the Services of all namespaces this is not known, and making the Service tells.
///
/// # Errors
/// [`Error::Unfit`] naming the other Service; otherwise what the server says.
pub async fn check(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<(), Error> {
    let service = Names::of(spec.place()).service;
    let Some(address) = spec.cluster_ip() else {
        return Ok(());
    };
    let services = match cluster.list(&Query::all(Kind::Service)).await {
        Err(Error::Denied { .. }) => return Ok(()),
        other => other?,
    };
    let holder = services.iter().find(|one| has(one, address));
    match holder.map(Object::reference) {
        Some(other) if *other != service => {
            let holder = other.clone();
            Err(Unfit::AddressTaken {
                address,
                service,
                holder,
            }
            .into())
        }
        _ => Ok(()),
    }
}

fn has(service: &Object, address: IpAddr) -> bool {
    let all = service.items("/spec/clusterIPs").iter();
    let all = all.filter_map(|one| one.as_str());
    all.chain(service.text("/spec/clusterIP"))
        .any(|text| text.parse::<IpAddr>().is_ok_and(|one| one == address))
}

/// What the server's refusal means.
/// Source: Kubernetes `pkg/registry/core/service/ipallocator`, `ErrAllocated`.
pub(crate) fn told(object: &ObjectRef, error: Error) -> Error {
    match error {
        Error::Refused { message, .. }
            if object.kind() == Kind::Service && message.contains("already allocated") =>
        {
            let service = object.clone();
            Unfit::AddressRefused { service, message }.into()
        }
        other => other,
    }
}

/// Whether a range such as `10.96.0.0/16` holds this address; `None` if it cannot be read.
pub(crate) fn is_within(range: &str, address: IpAddr) -> Option<bool> {
    let (start, length) = range.split_once('/')?;
    let (start, length): (IpAddr, u32) = (start.parse().ok()?, length.parse().ok()?);
    let (start, address, bits) = match (start, address) {
        (IpAddr::V4(start), IpAddr::V4(address)) => {
            (u32::from(start).into(), u32::from(address).into(), 32)
        }
        (IpAddr::V6(start), IpAddr::V6(address)) => (u128::from(start), u128::from(address), 128),
        _ => return Some(false),
    };
    let host_bits = u32::checked_sub(bits, length)?;
    let network = |number: u128| number.checked_shr(host_bits).unwrap_or(0);
    Some(network(start) == network(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_lies_in_them() {
        let within = |range: &str, address: &str| is_within(range, address.parse().unwrap());
        assert_eq!(within("10.96.0.0/16", "10.96.255.255"), Some(true));
        assert_eq!(within("10.96.0.0/16", "10.97.0.0"), Some(false));
        assert_eq!(within("0.0.0.0/0", "203.0.113.9"), Some(true));
        assert_eq!(within("10.96.0.7/32", "10.96.0.8"), Some(false));
        assert_eq!(within("fd00:10:96::/112", "fd00:10:96::ffff"), Some(true));
        assert_eq!(within("fd00:10:96::/112", "fd00:10:96::1:0"), Some(false));
        assert_eq!(within("::/0", "fd00::1"), Some(true));
        assert_eq!(within("fd00:10:96::/112", "10.96.0.1"), Some(false));
        for bad in ["10.96.0.0", "10.96.0.0/33", "x/8", "10.96.0.0/x"] {
            assert_eq!(within(bad, "10.96.0.1"), None, "{bad}");
        }
    }

    #[test]
    fn a_taken_address_is_told_with_the_way_out_and_other_refusals_stay() {
        let refused = |message: &str| Error::Refused {
            action: "apply",
            object: "Service n/s".to_owned(),
            code: 422,
            reason: "Invalid".to_owned(),
            message: message.to_owned(),
        };
        let service = ObjectRef::new(Kind::Service, "n", "s");
        let taken = "failed to allocate IP 10.96.0.9: provided IP is already allocated";
        let error = told(&service, refused(taken));
        assert!(
            matches!(error.unfit(), Some(Unfit::AddressRefused { service: one, .. }) if *one == service),
            "{error}"
        );
        let other = told(&service, refused("spec.ports: Required value"));
        assert!(matches!(other, Error::Refused { .. }), "{other}");
    }
}
