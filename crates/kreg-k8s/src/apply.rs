//! Carrying a plan out: inventory first, then object after object, then the inventory with uids.

use std::time::Duration;

use crate::{
    additions::by_hand,
    address,
    change::{Action, Change},
    cluster::{ApplyMode, Cluster},
    error::Error,
    inventory::{Entry, Inventory},
    kind::Kind,
    maintenance::make_way,
    manifests::Manifests,
    names::Names,
    object::Object,
    object_ref::ObjectRef,
    plan::{ApplyOptions, Expected, Plan, Step, plan, same_data},
    progress::{Progress, Watcher},
    record::{rewrite, uid_of},
    recorded::Declared,
    reset,
    spec::RegistrySpec,
    unfit::Unfit,
    wait::{Wait, gone, volume_noted},
};

/// What an apply did.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What happened to each object, in order; the inventory is not listed.
    pub changes: Vec<Change>,
    /// The inventory as it is now.
    pub inventory: Inventory,
}

impl Applied {
    /// Whether anything was written to any object.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.changes.iter().any(Change::is_change)
    }
}

/// Makes the cluster hold these objects. Safe to repeat, and to go on with after a run that was killed.
///
/// Every object is checked (see [`plan`]) before the first is written, and one that does not differ is not written.
///
/// # Errors
/// Those of [`plan`], [`Error::Overtaken`] if somebody wrote meanwhile what this was decided on, and whatever stops the server from writing; the message names the object it was at.
pub async fn apply(
    cluster: &dyn Cluster,
    manifests: &Manifests,
    options: ApplyOptions,
    watcher: Watcher<'_>,
) -> Result<Applied, Error> {
    let plan = plan(cluster, manifests, options).await?;
    carry_out(cluster, manifests, plan, watcher).await
}

async fn carry_out(
    cluster: &dyn Cluster,
    manifests: &Manifests,
    plan: Plan,
    watcher: Watcher<'_>,
) -> Result<Applied, Error> {
    let mut inventory = intent(manifests, &plan)?;
    inventory.namespace_uid = uid_of(cluster, manifests.spec().place().namespace()).await?;
    write_inventory(cluster, manifests, &mut inventory).await?;
    let mut changes = Vec::new();
    for step in plan.steps {
        changes
            .push(carry_out_step(cluster, manifests.spec(), step, &mut inventory, watcher).await?);
    }
    inventory.namespace_uid = uid_of(cluster, manifests.spec().place().namespace()).await?;
    write_inventory(cluster, manifests, &mut inventory).await?;
    Ok(Applied { changes, inventory })
}

/// The inventory as it will be, uids of new objects still missing.
fn intent(manifests: &Manifests, plan: &Plan) -> Result<Inventory, Error> {
    let mut inventory = match &plan.inventory {
        Some(known) => known.clone(),
        None => Inventory::new(manifests.spec())?,
    };
    inventory.profile = manifests.spec().place().profile();
    inventory.port = Some(manifests.spec().place().port());
    inventory.declared = Some(Declared::from(manifests.spec()));
    for step in &plan.steps {
        if let Some(desired) = &step.desired {
            note_address(desired, &mut inventory);
            inventory.record(Entry {
                object: step.change.object.clone(),
                uid: step.live_uid.clone(),
                created: !step.adopted,
            });
        }
    }
    Ok(inventory)
}

/// Copies of the pull secret are noted there by others at any time, and stay as they are noted.
async fn write_inventory(
    cluster: &dyn Cluster,
    manifests: &Manifests,
    inventory: &mut Inventory,
) -> Result<(), Error> {
    let spec = manifests.spec();
    rewrite(cluster, spec.place(), |known| {
        if let Some(known) = known {
            inventory.shared.clone_from(&known.shared);
            // Of several who make the same registry at once the first one's id counts.
            inventory.id.clone_from(&known.id);
        }
        Some(inventory.clone())
    })
    .await
}

async fn carry_out_step(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    step: Step,
    inventory: &mut Inventory,
    watcher: Watcher<'_>,
) -> Result<Change, Error> {
    let Step {
        change,
        desired,
        live_uid,
        expected,
        force,
        additions,
        reset,
        adopted,
    } = step;
    let is_registry = change.object.kind() == Kind::Deployment && change.is_change();
    if is_registry && desired.is_some() {
        make_way(cluster, spec.place(), watcher).await?;
    }
    if matches!(change.action, Action::Replace { .. } | Action::Delete)
        && let Some(uid) = &live_uid
    {
        remove(cluster, &change.object, uid, watcher).await?;
    }
    match desired {
        None => inventory.forget(&change.object),
        Some(_) if !change.is_change() => {}
        Some(desired) => {
            let mode = ApplyMode {
                dry_run: false,
                force,
            };
            if reset {
                reset::carry_out(cluster, &desired, adopted).await?;
            }
            // What was to be replaced is gone by now.
            let expected = match change.action {
                Action::Replace { .. } => expected.map(|_| Expected::Absent),
                _ => expected,
            };
            let mut applied = match expected {
                Some(expected) => unless_overtaken(cluster, &desired, expected, mode).await?,
                None if is_registry => when_free(cluster, spec, &desired, mode, watcher).await?,
                None => cluster
                    .apply(&desired, mode)
                    .await
                    .map_err(|error| address::told(&change.object, error))?,
            };
            if additions && !matches!(change.action, Action::Replace { .. }) {
                applied = take_out_additions(cluster, applied).await?;
            }
            inventory.record(Entry {
                object: change.object.clone(),
                uid: applied.uid().map(str::to_owned),
                created: !adopted,
            });
            note_address(&applied, inventory);
            if change.object.kind() == Kind::PersistentVolume {
                volume_noted(cluster, &change.object).await?;
            }
        }
    }
    tracing::debug!(object = %change.object, action = ?change.action, "applied");
    watcher(Progress::Done(change.clone()));
    Ok(change)
}

/// The registry's Deployment, whose Pods take pushes: written only while nothing collects, also if a collection begins
/// at the same time.
async fn when_free(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    desired: &Object,
    mode: ApplyMode,
    watcher: Watcher<'_>,
) -> Result<Object, Error> {
    // The Deployment's controller writes its status all the time.
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        let mut pinned = desired.clone();
        if let Some(version) = make_way(cluster, spec.place(), watcher).await? {
            pinned.value_mut()["metadata"]["resourceVersion"] = version.into();
        }
        match cluster.apply(&pinned, mode).await {
            Err(Error::Raced { .. }) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            outcome => return outcome,
        }
    }
    Err(Error::Overtaken {
        object: desired.reference().clone(),
    })
}

/// Of many who write the same object at once one succeeds.
async fn unless_overtaken(
    cluster: &dyn Cluster,
    desired: &Object,
    expected: Expected,
    mode: ApplyMode,
) -> Result<Object, Error> {
    const TRIES: usize = 5;
    let object = desired.reference();
    for _ in 0..TRIES {
        let outcome = match &expected {
            Expected::Absent => cluster.create(desired).await,
            Expected::Version(version) => {
                let mut pinned = desired.clone();
                pinned.value_mut()["metadata"]["resourceVersion"] = version.as_str().into();
                cluster.apply(&pinned, mode).await
            }
        };
        let Err(Error::Raced { .. }) = outcome else {
            return outcome;
        };
        let live = cluster.get(object).await?;
        let is_as_expected = match (&live, &expected) {
            (None, Expected::Absent) => true,
            (Some(live), Expected::Version(version)) => live.version() == Some(version),
            _ => false,
        };
        match live {
            // So does a write end whose answer was lost and that was tried again.
            Some(live) if same_data(&live, desired) => return Ok(live),
            _ if !is_as_expected => break,
            _ => {}
        }
    }
    Err(Error::Overtaken {
        object: object.clone(),
    })
}

/// Takes out what somebody added by hand, as long as it is as it was read.
async fn take_out_additions(cluster: &dyn Cluster, applied: Object) -> Result<Object, Error> {
    const TRIES: usize = 5;
    let reference = applied.reference().clone();
    let mut live = Some(applied);
    for _ in 0..TRIES {
        let Some(now) = live else { break };
        let pointers = by_hand(&now, &now);
        if pointers.is_empty() {
            return Ok(now);
        }
        match cluster.remove_fields(&now, &pointers, false).await {
            Err(Error::Raced { .. }) => live = cluster.get(&reference).await?,
            outcome => return outcome,
        }
    }
    Err(Error::Overtaken { object: reference })
}

async fn remove(
    cluster: &dyn Cluster,
    object: &ObjectRef,
    uid: &str,
    watcher: Watcher<'_>,
) -> Result<(), Error> {
    cluster.delete(object, uid).await?;
    let wait = Wait::new(Duration::from_secs(90), watcher);
    gone(cluster, object, uid, &wait).await?;
    watcher(Progress::Deleted(object.clone()));
    Ok(())
}

fn note_address(applied: &Object, inventory: &mut Inventory) {
    if applied.reference().kind() == Kind::Service
        && let Some(address) = applied
            .text("/spec/clusterIP")
            .and_then(|text| text.parse().ok())
    {
        inventory.cluster_ip = Some(address);
    }
}

/// Reads the Service's address.
///
/// # Errors
/// [`Error::Unfit`] if the Service is not there, or is headless.
pub async fn cluster_ip(
    cluster: &dyn Cluster,
    manifests: &Manifests,
) -> Result<std::net::IpAddr, Error> {
    let service = Names::of(manifests.spec().place()).service;
    let live = cluster.get(&service).await?;
    let address = live
        .as_ref()
        .and_then(|live| live.text("/spec/clusterIP"))
        .and_then(|text| text.parse().ok());
    address.ok_or_else(|| Unfit::NoAddress(service).into())
}
