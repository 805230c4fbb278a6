//! A registry that is there and that kreg did not make, such as the tutorial's typed by hand.

use kreg_k8s::{Inventory, Names, Place, Profile, RegistryState};
use kreg_verify::doctor::{Observations, PodName, Unmanaged};

use super::{Look, objects, titled};
use crate::error::Error;
use crate::session::Session;

/// Looks where kreg's registry would be, and where the tutorial's is; `None` if neither has a
/// workload or a claim.
pub(super) async fn seen(
    look: &mut Look<'_>,
    session: &Session,
    state: &RegistryState,
) -> Result<Option<Observations>, Error> {
    let mut places = vec![session.registry.place().clone()];
    if session.registry.place().profile() != Profile::Tutorial {
        places.push(Place::new(Profile::Tutorial));
    }
    let mut found = Vec::new();
    for place in places {
        found.extend(of(look, &place).await?);
    }
    Ok((!found.is_empty()).then(|| Observations {
        registry: objects::registry(session, state),
        unmanaged: found,
        ..Observations::default()
    }))
}

async fn of(look: &mut Look<'_>, place: &Place) -> Result<Option<Unmanaged>, Error> {
    let names = Names::of(place);
    let mut there = Vec::new();
    let known = Inventory::read(look.cluster, place).await;
    let known = look.allowed(known)?.flatten();
    for reference in [&names.workload, &names.claim] {
        if let Some(Some(live)) = look.get(reference).await?
            && !known.as_ref().is_some_and(|known| known.owns(&live))
        {
            there.push(titled(reference));
        }
    }
    if there.is_empty() {
        return Ok(None);
    }
    let is_tutorial = place.profile() == Profile::Tutorial;
    Ok(Some(Unmanaged {
        objects: there,
        claim: match is_tutorial {
            true => objects::claim(look, &names.claim).await?,
            false => None,
        },
        claim_name: names.claim.name().to_owned(),
        tutorial_pod: is_tutorial.then(|| PodName {
            namespace: place.namespace().to_owned(),
            name: names.workload.name().to_owned(),
        }),
    }))
}
