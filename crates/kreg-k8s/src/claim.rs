//! Where a PersistentVolumeClaim stands, and why it may never be bound.

use crate::{
    cluster::Cluster,
    diagnose::Cause,
    error::Error,
    kind::Kind,
    names::Names,
    object::{Object, ObjectRef},
    spec::RegistrySpec,
    storage::Storage,
};

pub(crate) enum ClaimState {
    Bound,
    Pending,
    AfterPod,
    Stuck(Cause),
}

/// The claim the registry's Pod mounts, if its storage has one.
pub(crate) fn used_by(spec: &RegistrySpec) -> Option<ObjectRef> {
    match spec.storage() {
        Storage::EmptyDir | Storage::S3(_) => None,
        Storage::ExistingClaim { name } => Some(ObjectRef::new(
            Kind::PersistentVolumeClaim,
            spec.namespace(),
            name,
        )),
        Storage::StorageClass { .. } | Storage::HostPath { .. } => Some(Names::of(spec).claim),
    }
}

/// Whether a claim of somebody else is there, and may be mounted by as many Pods as there are to be.
///
/// # Errors
/// [`Error::Unfit`] if not; otherwise what the server says.
pub async fn check(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<(), Error> {
    let Storage::ExistingClaim { name } = spec.storage() else {
        return Ok(());
    };
    let claim = ObjectRef::new(Kind::PersistentVolumeClaim, spec.namespace(), name);
    let Some(live) = cluster.get(&claim).await? else {
        return Err(Error::Unfit {
            what: format!("there is no {claim}"),
            advice: "make it, or choose other storage with --storage".to_owned(),
        });
    };
    let modes: Vec<&str> = live
        .items("/spec/accessModes")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .collect();
    if spec.replicas() > 1 && !modes.contains(&"ReadWriteMany") {
        return Err(Error::Unfit {
            what: format!(
                "{claim} is {}, so {} Pods on different nodes cannot all write to it",
                modes.join(" and "),
                spec.replicas()
            ),
            advice: "have one Pod (--replicas 1), a claim that is ReadWriteMany, or an S3 bucket"
                .to_owned(),
        });
    }
    Ok(())
}

pub(crate) async fn state(cluster: &dyn Cluster, claim: &Object) -> Result<ClaimState, Error> {
    let stuck = |reason: &str, message: String, advice: &str| {
        ClaimState::Stuck(Cause {
            object: claim.reference().clone(),
            reason: reason.to_owned(),
            message,
            evidence: Vec::new(),
            advice: advice.to_owned(),
        })
    };
    match claim.text("/status/phase") {
        Some("Bound") => return Ok(ClaimState::Bound),
        Some("Lost") => {
            return Ok(stuck(
                "Lost",
                "its volume no longer exists".to_owned(),
                "the images are gone with it: `kreg down --delete-data`, then `kreg up`",
            ));
        }
        _ => {}
    }
    match claim.text("/spec/storageClassName") {
        Some("") => static_volume(cluster, claim).await,
        Some(class) => {
            let Some(found) = cluster
                .get(&ObjectRef::new(Kind::StorageClass, "", class))
                .await?
            else {
                return Ok(stuck(
                    "NoStorageClass",
                    format!("StorageClass {class} does not exist"),
                    "name one that exists (`kubectl get storageclass`) or choose other storage with --storage",
                ));
            };
            Ok(match found.text("/volumeBindingMode") {
                Some("WaitForFirstConsumer") => ClaimState::AfterPod,
                _ => ClaimState::Pending,
            })
        }
        None => Ok(stuck(
            "NoStorageClass",
            "it names no StorageClass and the cluster has no default".to_owned(),
            "name a StorageClass or choose other storage with --storage",
        )),
    }
}

/// A claim without a class waits for the volume that it names.
async fn static_volume(cluster: &dyn Cluster, claim: &Object) -> Result<ClaimState, Error> {
    let Some(name) = claim
        .text("/spec/volumeName")
        .filter(|name| !name.is_empty())
    else {
        return Ok(ClaimState::Pending);
    };
    let volume = ObjectRef::new(Kind::PersistentVolume, "", name);
    let Some(live) = cluster.get(&volume).await? else {
        return Ok(ClaimState::Pending);
    };
    let held_by = |pointer: &str| live.text(pointer).unwrap_or("");
    let phase = held_by("/status/phase");
    let owner_uid = held_by("/spec/claimRef/uid");
    let of_another = !owner_uid.is_empty() && Some(owner_uid) != claim.uid();
    if phase == "Released" || phase == "Failed" || of_another {
        return Ok(ClaimState::Stuck(Cause {
            object: claim.reference().clone(),
            reason: "VolumeNotFree".to_owned(),
            message: format!(
                "{volume} is {} and remembers an earlier claim {}/{}",
                if phase.is_empty() { "held" } else { phase },
                held_by("/spec/claimRef/namespace"),
                held_by("/spec/claimRef/name"),
            ),
            evidence: Vec::new(),
            advice: format!(
                "free it (the files on it stay): kubectl patch pv {name} --type json \
                 -p '[{{\"op\":\"remove\",\"path\":\"/spec/claimRef/uid\"}}]'"
            ),
        }));
    }
    Ok(ClaimState::Pending)
}

/// A claim whose provisioner keeps saying no, or says nothing.
pub(crate) fn unprovisioned(claim: &Object, events: Vec<String>) -> Cause {
    let class = match claim.text("/spec/storageClassName") {
        None | Some("") => "a static PersistentVolume".to_owned(),
        Some(class) => format!("StorageClass {class}"),
    };
    let said = events
        .last()
        .map_or("nothing was said about it", String::as_str);
    Cause {
        object: claim.reference().clone(),
        reason: claim.text("/status/phase").unwrap_or("Pending").to_owned(),
        message: format!("no volume from {class} ({said})"),
        advice: "mend the provisioner, or choose other storage with --storage".to_owned(),
        evidence: events,
    }
}
