//! A registry that is there and that kreg did not make, such as the tutorial's typed by hand.

use kreg_k8s::{Inventory, Names, Place, Profile};
use kreg_verify::doctor::{PodName, Unmanaged};

use super::claim;
use super::look::Look;
use crate::error::Error;

/// Looks where this registry would be, and where the tutorial's is. Gives those that have a workload or a claim.
pub(super) async fn seen(look: &mut Look<'_>) -> Result<Vec<Unmanaged>, Error> {
    let place = look.registry.place();
    let mut found = Vec::from_iter(of(look, place).await?);
    if place.profile() != Profile::Tutorial {
        found.extend(of(look, &Place::new(Profile::Tutorial)).await?);
    }
    Ok(found)
}

async fn of(look: &mut Look<'_>, place: &Place) -> Result<Option<Unmanaged>, Error> {
    let names = Names::of(place);
    let mut there = Vec::new();
    let known = Inventory::read(look.cluster(), place).await;
    let known = look.allowed(known)?.flatten();
    for reference in [&names.workload, &names.claim] {
        if let Some(Some(live)) = look.get(reference).await?
            && !known.as_ref().is_some_and(|known| known.owns(&live))
        {
            there.push(reference.to_string());
        }
    }
    if there.is_empty() {
        return Ok(None);
    }
    let is_tutorial = place.profile() == Profile::Tutorial;
    Ok(Some(Unmanaged {
        objects: there,
        claim: if is_tutorial {
            claim::seen(look, &names.claim).await?
        } else {
            None
        },
        claim_name: names.claim.name().to_owned(),
        tutorial_pod: is_tutorial.then(|| PodName {
            namespace: place.namespace().to_owned(),
            name: names.workload.name().to_owned(),
        }),
    }))
}
