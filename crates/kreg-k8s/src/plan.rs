//! What an apply would change: desired objects held against what is there, by asking the server (dry run).

mod compare;

use std::collections::BTreeMap;

use crate::{
    address,
    change::{Action, Change},
    cluster::Cluster,
    error::{Error, ForeignObject},
    inventory::Inventory,
    kind::{Kind, Scope},
    managed_fields::is_kreg,
    manifests::{Manifests, Stage},
    names::{ANNOTATION_ADDRESS, ANNOTATION_ADOPTED, LABEL_INSTANCE, LABEL_MANAGED_BY, Names},
    object::Object,
    object_ref::ObjectRef,
    unfit::Unfit,
};

use compare::{Compared, compare_at_rest, dry_run, pod_is_over};

/// What an apply may do beyond the plain case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Take over objects of the right names that somebody else made, with all fields that kreg declares. `down` will
    /// leave them.
    pub adopt: bool,
    /// Take fields from other tools that declare them too (field managers that use server-side apply).
    pub force: bool,
}

/// Everything that would happen, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) inventory: Option<Inventory>,
}

/// One change with what is needed to carry it out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) change: Change,
    /// `None` for deletions.
    pub(crate) desired: Option<Object>,
    pub(crate) live_uid: Option<String>,
    /// Write only what is still of this version, or still not there; `None` writes whatever is there.
    pub(crate) expected: Option<Expected>,
    pub(crate) force: bool,
    /// Somebody added fields by hand, which go.
    pub(crate) additions: bool,
    /// An apply is refused for what others wrote: the fields that kreg declares are written whole first.
    pub(crate) reset: bool,
    pub(crate) adopted: bool,
}

/// What an object was when it was decided what to write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    Absent,
    Version(String),
}

impl Plan {
    /// The changes, unchanged objects included.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps.iter().map(|step| &step.change)
    }

    /// Whether anything would be written.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.changes().any(Change::is_change)
    }
}

/// Compares the desired objects with the cluster. Writes nothing.
///
/// Each object that exists is applied with `dryRun=All`, so that the server's own defaults, merges, immutable fields,
/// admission and conflicts decide what counts as a difference. An object of the whole cluster that is as declared
/// ([`crate::declared::holds`]) is not: a dry run needs the right to write it.
///
/// # Errors
/// [`Error::Foreign`] with every object in the way, [`Error::Conflict`], [`Error::Immutable`], [`Error::Unfit`] where an
/// adopted object would have to be replaced, [`Error::Overtaken`] (see [`Manifests::decided_on`]), or what the server
/// says.
pub async fn plan(
    cluster: &dyn Cluster,
    manifests: &Manifests,
    options: ApplyOptions,
) -> Result<Plan, Error> {
    let spec = manifests.spec();
    let names = Names::of(spec.place());
    let inventory = Inventory::read(cluster, spec.place()).await?;
    let owns = |live: &Object| inventory.as_ref().is_some_and(|known| known.owns(live));
    // The record says what may be deleted: another's of this name is never taken over.
    if inventory.is_none()
        && let Some(live) = cluster.get(&names.inventory).await?
    {
        return Err(Error::Foreign {
            objects: vec![foreign_object(&live)],
        });
    }
    let mut foreign = Vec::new();
    let mut compared = Vec::new();
    for desired in manifests.objects() {
        let live = cluster.get(desired.reference()).await?;
        if let Some(live) = &live {
            refuse_terminating(live)?;
            if !owns(live) {
                // A namespace of somebody else is used as it is.
                // So is another registry's announcement, of which a cluster has one.
                if live.reference().kind() == Kind::Namespace
                    || live.reference() == &names.local_hosting
                {
                    continue;
                }
                foreign.push(foreign_object(live));
            }
        }
        compared.push((desired, live));
    }
    if !foreign.is_empty() && !options.adopt {
        return Err(Error::Foreign { objects: foreign });
    }
    let namespace_missing = compared
        .iter()
        .any(|(desired, live)| desired.reference().kind() == Kind::Namespace && live.is_none());
    let mut steps = Vec::new();
    for (desired, live) in compared {
        let foreign = live.as_ref().is_some_and(|live| !owns(live));
        let blind = namespace_missing && desired.reference().kind().scope() == Scope::Namespaced;
        let expected = match manifests.seen() {
            Some(seen) if desired.reference().kind() == Kind::Secret => {
                not_overtaken(seen, desired, live.as_ref(), foreign)?
            }
            _ => None,
        };
        let step = step(cluster, desired, live, options, (blind, foreign)).await?;
        steps.push(Step { expected, ..step });
    }
    if manifests.stage() == Stage::Full
        && let Some(inventory) = &inventory
    {
        steps.extend(prunable(cluster, manifests, inventory).await?);
    }
    Ok(Plan { steps, inventory })
}

/// What a Secret has to be still when it is written.
fn not_overtaken(
    seen: &BTreeMap<ObjectRef, String>,
    desired: &Object,
    live: Option<&Object>,
    foreign: bool,
) -> Result<Option<Expected>, Error> {
    let Some(live) = live else {
        return Ok(Some(Expected::Absent));
    };
    // One that is taken over was never read for what it holds.
    let is_seen = foreign
        || seen.get(live.reference()).map(String::as_str) == live.version()
        || same_data(live, desired);
    match (is_seen, live.version()) {
        (false, _) => Err(Error::Overtaken {
            object: live.reference().clone(),
        }),
        (true, version) => Ok(version.map(|version| Expected::Version(version.to_owned()))),
    }
}

pub(crate) fn same_data(one: &Object, other: &Object) -> bool {
    one.value().get("data") == other.value().get("data")
}

async fn step(
    cluster: &dyn Cluster,
    desired: &Object,
    live: Option<Object>,
    options: ApplyOptions,
    (blind, foreign): (bool, bool),
) -> Result<Step, Error> {
    let mut desired = desired.clone();
    let adopted = foreign
        || live
            .as_ref()
            .is_some_and(|live| live.annotation(ANNOTATION_ADOPTED).is_some());
    // What is kreg's already has been taken over, or was never another's.
    let options = ApplyOptions {
        force: options.force || (options.adopt && foreign),
        ..options
    };
    if adopted {
        desired.value_mut()["metadata"]["annotations"][ANNOTATION_ADOPTED] = "true".into();
    }
    // Whoever does not know the address yet does not forget it either.
    if let Some(address) = live
        .as_ref()
        .and_then(|live| live.annotation(ANNOTATION_ADDRESS))
        && desired.annotation(ANNOTATION_ADDRESS).is_none()
    {
        desired.value_mut()["metadata"]["annotations"][ANNOTATION_ADDRESS] = address.into();
    }
    if let Some(node) = live.as_ref().and_then(home_of) {
        desired.value_mut()["spec"]["nodeName"] = node.into();
    }
    let reference = desired.reference().clone();
    let found = match &live {
        None if blind => Compared::from(Action::Create),
        None => match dry_run(cluster, &desired, false).await {
            // Another kreg made it after it was looked for.
            Err(Error::Conflict { object, conflicts })
                if conflicts.iter().all(|held| is_kreg(&held.manager)) =>
            {
                return Err(Error::Overtaken { object });
            }
            outcome => outcome
                .map(|_| Compared::from(Action::Create))
                .map_err(|error| address::told(&reference, error))?,
        },
        Some(live) => compare_at_rest(cluster, &desired, live, options, adopted).await?,
    };
    Ok(Step {
        force: found.force,
        additions: found.additions,
        reset: found.reset,
        expected: None,
        change: Change {
            object: reference,
            action: found.action,
            taken_from: found.taken_from,
        },
        desired: Some(desired),
        live_uid: live.as_ref().and_then(Object::uid).map(str::to_owned),
        adopted,
    })
}

/// What the inventory lists, kreg made, and nothing wants any more; never anything that may hold images.
async fn prunable(
    cluster: &dyn Cluster,
    manifests: &Manifests,
    inventory: &Inventory,
) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    for entry in inventory.entries.iter().rev() {
        let wanted = manifests
            .objects()
            .iter()
            .any(|object| object.reference() == &entry.object);
        if wanted || !entry.created || entry.object.kind().holds_data() {
            continue;
        }
        let Some(live) = cluster.get(&entry.object).await? else {
            continue;
        };
        let same = entry.uid.is_none() || entry.uid.as_deref() == live.uid();
        if !same || !inventory.owns(&live) {
            continue;
        }
        steps.push(Step {
            change: Change {
                object: entry.object.clone(),
                action: Action::Delete,
                taken_from: Vec::new(),
            },
            desired: None,
            live_uid: live.uid().map(str::to_owned),
            expected: None,
            force: false,
            additions: false,
            reset: false,
            adopted: false,
        });
    }
    Ok(steps)
}

fn refuse_terminating(live: &Object) -> Result<(), Error> {
    if !live.is_terminating() {
        return Ok(());
    }
    let since = live.text("/metadata/deletionTimestamp");
    Err(Unfit::Terminating {
        object: live.reference().clone(),
        since: since.unwrap_or("?").to_owned(),
    }
    .into())
}

fn foreign_object(live: &Object) -> ForeignObject {
    let owner = match (live.label(LABEL_MANAGED_BY), live.label(LABEL_INSTANCE)) {
        (Some("kreg"), Some(instance)) => format!("of kreg instance {instance:?}"),
        (Some(manager), _) => format!("managed by {manager:?}"),
        (None, _) => live
            .items("/metadata/managedFields")
            .first()
            .and_then(|entry| entry.get("manager")?.as_str())
            .map_or("of unknown origin".to_owned(), |manager| {
                format!("written by {manager:?}")
            }),
    };
    ForeignObject {
        object: live.reference().clone(),
        owner,
    }
}

/// The node of a bare Pod that runs: its host directory is there and nowhere else, so a Pod that takes its place must
/// not be scheduled again.
fn home_of(live: &Object) -> Option<String> {
    let stays = live.reference().kind() == Kind::Pod && pod_is_over(live).is_none();
    live.text("/spec/nodeName")
        .filter(|_| stays)
        .map(str::to_owned)
}
