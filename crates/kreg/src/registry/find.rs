//! Which registry is meant. State lives in the cluster: its records say which registries there are, and where.

use kreg_k8s::{Cluster, Inventory, Kind, Names, Place, Query, SpecError, names};

use crate::error::FindError;

/// Which registry is meant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Which {
    /// This one.
    At(Place),
    /// The only one of the cluster; this one where it is there, or where there is none.
    Only(Place),
    /// The one of this name: here if `exact`, else wherever it is. What takes a registry away goes on to no other because
    /// the one that was meant is gone.
    Named {
        /// Its name, and where it is thought to be.
        place: Place,
        /// Whether it must be there.
        exact: bool,
    },
}

impl Which {
    pub(super) fn place(&self) -> &Place {
        let (Which::At(place) | Which::Only(place) | Which::Named { place, .. }) = self;
        place
    }
}

fn reading(cause: kreg_k8s::Error) -> FindError {
    FindError::Cluster(cause.into())
}

/// Every registry of the cluster by its record. Without the right to list records, the one that is meant.
pub(super) async fn records(
    cluster: &dyn Cluster,
    meant: &Place,
) -> Result<Vec<Inventory>, FindError> {
    let query = Query::all(Kind::ClusterRole).labelled(format!(
        "{}=kreg,{}",
        names::LABEL_MANAGED_BY,
        names::LABEL_INSTANCE
    ));
    let mut found: Vec<Inventory> = match cluster.list(&query).await {
        Ok(found) => found
            .iter()
            .filter_map(|object| Inventory::from_object(object).ok())
            .collect(),
        Err(kreg_k8s::Error::Denied { .. }) => Vec::new(),
        Err(cause) => return Err(reading(cause)),
    };
    if found.iter().any(|one| one.instance == meant.instance()) {
        return Ok(found);
    }
    let role = match cluster.get(&Names::of(meant).inventory).await {
        Ok(Some(role)) => Inventory::from_object(&role).map(Some),
        Ok(None) => Inventory::read(cluster, meant).await,
        Err(cause) => Err(cause),
    };
    match role {
        Ok(named) => found.extend(named),
        Err(kreg_k8s::Error::Denied { .. }) => {}
        Err(cause) => return Err(reading(cause)),
    }
    Ok(found)
}

/// The record of the registry at `place`.
pub(super) fn here<'a>(records: &'a [Inventory], place: &Place) -> Option<&'a Inventory> {
    let is_here =
        |one: &&Inventory| one.namespace == place.namespace() && one.instance == place.instance();
    records.iter().find(is_here)
}

/// The place of the registry that is meant, as it is recorded.
pub(super) fn found(records: &[Inventory], which: &Which) -> Result<Place, FindError> {
    let meant = which.place();
    let one = match (here(records, meant), which) {
        (Some(one), _) => one,
        (None, Which::At(_)) => return Ok(meant.clone()),
        (None, Which::Only(_)) => match records {
            [] => return Ok(meant.clone()),
            [only] => only,
            many => {
                return Err(several(many.iter()));
            }
        },
        (None, Which::Named { exact, .. }) => match elsewhere(records, meant) {
            None => return Ok(meant.clone()),
            Some(one) if !exact => {
                let alike = records.iter();
                let alike = alike.filter(|other| other.instance == one.instance);
                if alike.clone().count() > 1 {
                    return Err(several(alike));
                }
                one
            }
            Some(one) => {
                return Err(FindError::Elsewhere {
                    instance: one.instance.clone(),
                    meant: meant.namespace().to_owned(),
                    namespace: one.namespace.clone(),
                    profile: one.profile,
                });
            }
        },
    };
    recorded(one, meant).map_err(|source| FindError::Record {
        instance: one.instance.clone(),
        source,
    })
}

fn several<'a>(records: impl Iterator<Item = &'a Inventory>) -> FindError {
    let named = records.map(|one| format!("{}/{}", one.namespace, one.instance));
    FindError::Several(named.collect())
}

/// The registry of this name, if it is in another place or of another profile.
fn elsewhere<'a>(records: &'a [Inventory], place: &Place) -> Option<&'a Inventory> {
    records.iter().find(|one| {
        one.instance == place.instance()
            && (one.namespace != place.namespace() || one.profile != place.profile())
    })
}

/// Its place, of which the record says more than the person who asks for it.
fn recorded(one: &Inventory, meant: &Place) -> Result<Place, SpecError> {
    let place = one.place()?.with_earlier(meant.earlier());
    let port = one.port.unwrap_or(meant.port());
    place
        .with_port(port)?
        .with_cluster_domain(meant.cluster_domain())
}

pub(super) fn unclaimed(records: &[Inventory], place: &Place) -> Result<(), FindError> {
    match elsewhere(records, place) {
        None => Ok(()),
        Some(other) => Err(FindError::Claimed {
            instance: other.instance.clone(),
            namespace: other.namespace.clone(),
            profile: other.profile,
        }),
    }
}

/// Where there is no record, the inventory of an earlier kreg is shown, and not believed unless the namespace is named:
/// anyone who can write a ConfigMap there could have made it.
pub(super) async fn no_earlier(
    cluster: &dyn Cluster,
    records: &[Inventory],
    place: &Place,
) -> Result<(), FindError> {
    if place.earlier() || records.iter().any(|one| one.instance == place.instance()) {
        return Ok(());
    }
    let object = names::earlier_inventory(place);
    let live = match cluster.get(&object).await {
        Ok(Some(live)) => live,
        Ok(None) | Err(kreg_k8s::Error::Denied { .. }) => return Ok(()),
        Err(cause) => return Err(reading(cause)),
    };
    let Ok(found) = Inventory::from_object(&live) else {
        return Ok(());
    };
    let image = found.declared.as_ref().map(|one| one.image.clone());
    Err(FindError::Unconfirmed {
        object: Box::new(object),
        instance: found.instance,
        objects: found.entries.len(),
        image: image.unwrap_or_else(|| "not noted".to_owned()),
        namespace: place.namespace().to_owned(),
    })
}
