//! One object held against what is there, by asking the server (dry run).

use super::ApplyOptions;
use crate::{
    additions,
    change::Action,
    cluster::{ApplyMode, CREATE_MANAGER, Cluster},
    declared,
    diff::{FieldDiff, diff},
    error::{Error, FieldConflict},
    kind::Kind,
    managed_fields::{blame, is_kreg},
    names::ANNOTATION_TLS,
    object::Object,
    object_ref::ObjectRef,
    reset,
    unfit::Unfit,
};

/// What the comparison found.
pub(super) struct Compared {
    pub(super) action: Action,
    pub(super) taken_from: Vec<FieldConflict>,
    pub(super) force: bool,
    pub(super) additions: bool,
    pub(super) reset: bool,
}

impl From<Action> for Compared {
    fn from(action: Action) -> Self {
        Compared {
            action,
            taken_from: Vec::new(),
            force: false,
            additions: false,
            reset: false,
        }
    }
}

/// Compares with the version that the server answered from. A controller may write between the read and the dry run
/// (a Deployment's first revision, say): what it wrote would look like a change that kreg makes.
pub(super) async fn compare_at_rest(
    cluster: &dyn Cluster,
    desired: &Object,
    live: &Object,
    options: ApplyOptions,
    adopted: bool,
) -> Result<Compared, Error> {
    const TRIES: usize = 5;
    let mut live = live.clone();
    for _ in 1..TRIES {
        let outcome = compare(cluster, desired, &live, options, adopted).await;
        match &outcome {
            Ok(found)
                if !matches!(found.action, Action::Update { .. } | Action::Replace { .. }) =>
            {
                return outcome;
            }
            Ok(_) | Err(Error::Raced { .. }) => {}
            Err(_) => return outcome,
        }
        match cluster.get(desired.reference()).await? {
            // Somebody wrote between the read and the dry run.
            Some(now) if now.version() != live.version() || outcome.is_err() => live = now,
            // Gone meanwhile: applying it makes it again.
            _ => return outcome,
        }
    }
    compare(cluster, desired, &live, options, adopted).await
}

async fn compare(
    cluster: &dyn Cluster,
    desired: &Object,
    live: &Object,
    options: ApplyOptions,
    adopted: bool,
) -> Result<Compared, Error> {
    let known =
        declared::is_known_here(live.reference().kind()).then(|| declared::applied(live, desired));
    if known
        .as_ref()
        .is_some_and(|after| diff(live, after).is_empty())
    {
        return Ok(Compared::from(Action::Unchanged));
    }
    let mut taken_from = Vec::new();
    let mut force = false;
    let mut outcome = dry_run(cluster, desired, false).await;
    // Who may not write it may still know what differs.
    if let (Err(Error::Denied { .. }), Some(after)) = (&outcome, known) {
        outcome = Ok(after);
    }
    if let Err(Error::Conflict { object, conflicts }) = outcome {
        if !(options.force
            || conflicts
                .iter()
                .all(|held| held.manager == CREATE_MANAGER || is_hand_edit(live, &held.manager)))
        {
            return Err(Error::Conflict { object, conflicts });
        }
        taken_from = conflicts;
        taken_from.retain(|held| !is_kreg(&held.manager));
        force = true;
        outcome = dry_run(cluster, desired, true).await;
    }
    let replaceable =
        !live.reference().kind().holds_data() && live.reference().kind() != Kind::Service;
    let mut added = Vec::new();
    // An object that was taken over may still have another manager, and that one keeps a say.
    if let (Ok(after), false) = (&outcome, adopted) {
        match additions(cluster, live, after).await {
            Ok(fields) => added = fields,
            Err(error) => outcome = Err(error),
        }
    }
    let mut reset = false;
    if let Err(Error::Refused {
        message, code: 422, ..
    }) = &outcome
        && replaceable_in_part(live.reference().kind())
        && !says_immutable(message)
        && let Some(after) = reset::preview(cluster, live, desired, adopted).await?
    {
        (outcome, reset, force) = (Ok(after), true, true);
    }
    let additions = !added.is_empty();
    taken_from.extend(taken_back(live, &added));
    let action = match outcome {
        Ok(after) => {
            let mut fields = diff(live, &after);
            if reset {
                taken_from = taken_back(live, &fields);
            }
            added.retain(|field| fields.iter().all(|known| known.path != field.path));
            fields.extend(added);
            if let Some(reason) = pod_is_over(live) {
                Action::Replace { reason, fields }
            } else if live.reference().kind() == Kind::Pod
                && fields
                    .iter()
                    .any(|field| field.path.contains(ANNOTATION_TLS))
            {
                let reason = "the certificate changed, and the registry reads it only at its start"
                    .to_owned();
                Action::Replace { reason, fields }
            } else if additions && live.reference().kind() == Kind::Pod {
                let reason = "what was added to a Pod cannot be taken out of it".to_owned();
                Action::Replace { reason, fields }
            } else if fields.is_empty() {
                Action::Unchanged
            } else {
                Action::Update { fields }
            }
        }
        Err(Error::Refused {
            message, code: 422, ..
        }) if says_immutable(&message) && replaceable => Action::Replace {
            reason: format!("it cannot be changed in place: {message}"),
            fields: Vec::new(),
        },
        Err(Error::Refused {
            message, code: 422, ..
        }) if says_immutable(&message) => {
            return Err(match adopted {
                true => immutable_claim(live, &message),
                false => None,
            }
            .unwrap_or_else(|| immutable(live.reference(), message)));
        }
        Err(error) => return Err(error),
    };
    if let (Action::Replace { reason, .. }, true) = (&action, adopted) {
        let object = live.reference();
        return Err(Unfit::Adopted {
            object: object.clone(),
            reason: reason.clone(),
        }
        .into());
    }
    Ok(Compared {
        action,
        taken_from,
        force,
        additions,
        reset,
    })
}

/// Whether fields of such an object may be written whole. A bare Pod's hardly ever change, and claims and volumes are
/// left to their owners.
fn replaceable_in_part(kind: Kind) -> bool {
    !kind.holds_data() && kind != Kind::Pod
}

/// Who wrote the fields that change.
fn taken_back(live: &Object, fields: &[FieldDiff]) -> Vec<FieldConflict> {
    let held = fields.iter().filter_map(|field| {
        let manager = blame(live, &field.path)?.manager;
        let field = field.path.clone();
        Some(FieldConflict { manager, field })
    });
    held.collect()
}

/// A claim that somebody else made: what is on it is theirs, and it can be used as it is.
fn immutable_claim(live: &Object, message: &str) -> Option<Error> {
    let object = live.reference();
    if object.kind() != Kind::PersistentVolumeClaim {
        return None;
    }
    let class = match live.text("/spec/storageClassName") {
        None | Some("") => "no StorageClass".to_owned(),
        Some(class) => format!("StorageClass {class}"),
    };
    let volume = match live.text("/spec/volumeName") {
        None | Some("") => "no volume yet".to_owned(),
        Some(volume) => format!("volume {volume}"),
    };
    let unfit = Unfit::OtherClaim {
        claim: object.clone(),
        class,
        volume,
        message: message.to_owned(),
    };
    Some(unfit.into())
}

fn immutable(object: &ObjectRef, message: String) -> Error {
    let object = object.clone();
    match object.kind() {
        Kind::Service => Unfit::ServiceFixed {
            service: object,
            message,
        }
        .into(),
        _ => Error::Immutable { object, message },
    }
}

/// What goes with the fields that somebody added by hand, as the server sees it: it may have set the same by itself.
async fn additions(
    cluster: &dyn Cluster,
    live: &Object,
    after: &Object,
) -> Result<Vec<FieldDiff>, Error> {
    let pointers = additions::by_hand(live, after);
    if pointers.is_empty() {
        return Ok(Vec::new());
    }
    if live.reference().kind() == Kind::Pod {
        return Ok(diff(live, &additions::without(live, &pointers)));
    }
    let without = cluster.remove_fields(live, &pointers, true).await?;
    Ok(diff(live, &without))
}

pub(super) async fn dry_run(
    cluster: &dyn Cluster,
    desired: &Object,
    force: bool,
) -> Result<Object, Error> {
    cluster
        .apply(
            desired,
            ApplyMode {
                dry_run: true,
                force,
            },
        )
        .await
}

/// Whether this manager only ever wrote by update or patch: a hand edit, which kreg undoes. A manager that applies
/// declares the field again and again; that is a dispute to be settled by people.
fn is_hand_edit(live: &Object, manager: &str) -> bool {
    let mut entries = live
        .items("/metadata/managedFields")
        .iter()
        .filter(|entry| entry.get("manager").and_then(|name| name.as_str()) == Some(manager))
        .peekable();
    entries.peek().is_some()
        && entries
            .all(|entry| entry.get("operation").and_then(|name| name.as_str()) == Some("Update"))
}

/// A bare Pod that has ended (evicted, or its node is gone) never starts again.
pub(super) fn pod_is_over(live: &Object) -> Option<String> {
    let phase = live.text("/status/phase")?;
    (live.reference().kind() == Kind::Pod && matches!(phase, "Failed" | "Succeeded")).then(|| {
        let reason = live.text("/status/reason").unwrap_or(phase);
        format!("it has ended ({reason}) and does not start again on its own")
    })
}

/// The API server's ways of saying that a field is set for life.
/// Source: apimachinery `pkg/api/validation/objectmeta.go`, Kubernetes `pkg/apis/core/validation/validation.go`.
fn says_immutable(message: &str) -> bool {
    ["immutable", "may not change", "may not be changed"]
        .iter()
        .any(|words| message.contains(words))
}
