//! The record of a registry in the cluster: found, and written by several at once without a loss.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{
    cluster::{ApplyMode, Cluster, Query},
    error::Error,
    inventory::Inventory,
    kind::Kind,
    names::{Names, earlier_inventory, is_labelled, pull_label},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
};

/// How often a write that lost a race is tried again.
pub(crate) const TRIES: u32 = 40;

impl Inventory {
    /// Reads the record of this registry; `None` if there is none of that name in this namespace.
    ///
    /// Where there is no record, the ConfigMap of an earlier kreg counts if the namespace may be
    /// believed ([`Place::with_earlier`]).
    ///
    /// # Errors
    /// [`Error::Malformed`] if somebody edited it out of shape or a newer kreg wrote it; otherwise what the server says.
    pub async fn read(cluster: &dyn Cluster, place: &Place) -> Result<Option<Self>, Error> {
        Ok(found(cluster, place).await?.map(|(known, _)| known))
    }
}

/// The record and the object that it was read from.
async fn found(cluster: &dyn Cluster, place: &Place) -> Result<Option<(Inventory, Object)>, Error> {
    let is_here = |live: &Object| is_labelled(live, place.instance());
    if let Some(live) = cluster
        .get(&Names::of(place).inventory)
        .await?
        .filter(is_here)
    {
        let known = Inventory::from_object(&live)?;
        if known.namespace != place.namespace() {
            return Ok(None);
        }
        if !place.earlier() {
            in_the_same_namespace(cluster, &known).await?;
        }
        return Ok(Some((known, live)));
    }
    if !place.earlier() {
        return Ok(None);
    }
    let Some(live) = cluster
        .get(&earlier_inventory(place))
        .await?
        .filter(is_here)
    else {
        return Ok(None);
    };
    let mut known = Inventory::from_object(&live)?;
    // Of service accounts it kept only a label on each.
    let mut namespaces: BTreeSet<String> = known.shared.keys().cloned().collect();
    namespaces.insert(known.namespace.clone());
    let labelled = Query::all(Kind::ServiceAccount).labelled(pull_label(place.instance()));
    for namespace in namespaces {
        for account in cluster.list(&labelled.clone().within(&namespace)).await? {
            let accounts = known.shared.entry(namespace.clone()).or_default();
            let name = account.reference().name().to_owned();
            accounts.service_accounts.insert(name);
        }
    }
    Ok(Some((known, live)))
}

/// Where tenants make namespaces, one of them may make the registry's again after it was deleted, with everything in it.
async fn in_the_same_namespace(cluster: &dyn Cluster, known: &Inventory) -> Result<(), Error> {
    let Some(recorded) = &known.namespace_uid else {
        return Ok(());
    };
    match uid_of(cluster, &known.namespace).await? {
        Some(uid) if uid != *recorded => Err(Error::Replaced {
            namespace: ObjectRef::new(Kind::Namespace, "", &known.namespace),
            instance: known.instance.clone(),
        }),
        _ => Ok(()),
    }
}

/// The uid of a namespace; `None` if it is not there, or may not be looked at.
pub(crate) async fn uid_of(
    cluster: &dyn Cluster,
    namespace: &str,
) -> Result<Option<String>, Error> {
    let namespace = ObjectRef::new(Kind::Namespace, "", namespace);
    match cluster.get(&namespace).await {
        Ok(live) => Ok(live.and_then(|live| live.uid().map(str::to_owned))),
        Err(Error::Denied { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes the record; where there is none, nothing.
pub(crate) async fn remember(
    cluster: &dyn Cluster,
    place: &Place,
    change: impl Fn(&mut Inventory),
) -> Result<(), Error> {
    rewrite(cluster, place, |known| {
        let mut changed = known?.clone();
        change(&mut changed);
        Some(changed)
    })
    .await
}

/// Writes what `change` makes of the inventory that is there, and only over what it was made of: two who do it at the
/// same time lose nothing. `None`, or the same again, writes nothing.
pub(crate) async fn rewrite(
    cluster: &dyn Cluster,
    place: &Place,
    mut change: impl FnMut(Option<&Inventory>) -> Option<Inventory>,
) -> Result<(), Error> {
    let mut lost = 0;
    loop {
        let (known, live) = found(cluster, place).await?.unzip();
        // That of an earlier kreg is not a record yet.
        let record = Names::of(place).inventory;
        let live = live.filter(|live| *live.reference() == record);
        let changed = match change(known.as_ref()) {
            Some(changed) if live.is_none() || known.as_ref() != Some(&changed) => changed,
            _ => return Ok(()),
        };
        let mut object = changed.to_object(place);
        // The record is kreg's own: a hand edit of it is overwritten.
        let mode = ApplyMode {
            dry_run: false,
            force: true,
        };
        let outcome = match live.as_ref().and_then(Object::version) {
            Some(version) => {
                object.value_mut()["metadata"]["resourceVersion"] = version.into();
                cluster.apply(&object, mode).await
            }
            None => cluster.create(&object).await,
        };
        match outcome {
            Ok(_) => return Ok(()),
            Err(Error::Raced { .. }) if lost < TRIES => lost += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause(lost)).await;
    }
}

/// Grows, and differs between writers: the clock's nanoseconds are as good as dice here.
pub(crate) fn pause(lost: u32) -> Duration {
    let dice = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    Duration::from_millis(u64::from(dice % (10 * lost.min(20) + 1)))
}
