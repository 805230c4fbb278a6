//! Where a PersistentVolumeClaim stands, and why it may never be bound.

use crate::{
    cause::{Cause, Remedy},
    cluster::Cluster,
    error::Error,
    facts::ClusterFacts,
    inventory::Inventory,
    kind::Kind,
    names::Names,
    object::Object,
    object_ref::ObjectRef,
    spec::RegistrySpec,
    storage::Storage,
    unfit::Unfit,
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
            spec.place().namespace(),
            name,
        )),
        Storage::StorageClass { .. } | Storage::HostPath { .. } => {
            Some(Names::of(spec.place()).claim)
        }
    }
}

/// The claim that a Pod mounts; the registry's has one at most.
pub(crate) fn mounted_by(pod: &Object) -> Option<ObjectRef> {
    let volumes = pod.items("/spec/volumes").iter();
    let name = |volume: &serde_json::Value| {
        let name = volume.pointer("/persistentVolumeClaim/claimName")?;
        name.as_str().map(str::to_owned)
    };
    let namespace = pod.reference().namespace().unwrap_or_default();
    let named = volumes.filter_map(name).next();
    named.map(|name| ObjectRef::new(Kind::PersistentVolumeClaim, namespace, &name))
}

/// Whether the registry's claim can get its volume: the class is there for one that is still to be made, and one that is
/// there, kreg's own or somebody else's, is not past help and may be mounted by as many Pods as there are to be.
///
/// # Errors
/// [`Error::Unfit`] if not; otherwise what the server says.
pub async fn check(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    facts: &ClusterFacts,
) -> Result<(), Error> {
    let Some(claim) = used_by(spec) else {
        return Ok(());
    };
    let is_theirs = matches!(spec.storage(), Storage::ExistingClaim { .. });
    let Some(live) = cluster.get(&claim).await? else {
        if is_theirs {
            return Err(Unfit::NoClaim(claim).into());
        }
        if let Some(cause) = volume_in_the_way(cluster, spec, &claim).await? {
            return Err(Unfit::VolumeStuck(Box::new(cause)).into());
        }
        return facts.check_class(spec);
    };
    if live.is_terminating() {
        return Err(Unfit::ClaimGoes(claim).into());
    }
    // Of a class that is to change the plan has more to say.
    let changes = matches!(spec.storage(), Storage::StorageClass { name: Some(name), .. }
        if live.text("/spec/storageClassName") != Some(name));
    if let (ClaimState::Stuck(cause), false) = (state(cluster, &live).await?, changes) {
        return Err(Unfit::ClaimStuck(Box::new(cause)).into());
    }
    let modes: Vec<&str> = live
        .items("/spec/accessModes")
        .iter()
        .filter_map(serde_json::Value::as_str)
        .collect();
    if spec.replicas() > 1 && !modes.contains(&"ReadWriteMany") {
        return Err(Unfit::ClaimOfOnePod {
            claim,
            modes: modes.join(" and "),
            replicas: spec.replicas(),
        }
        .into());
    }
    Ok(())
}

/// A volume of kreg's own that remembers a claim which is gone.
async fn volume_in_the_way(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    claim: &ObjectRef,
) -> Result<Option<Cause>, Error> {
    if !matches!(spec.storage(), Storage::HostPath { .. }) {
        return Ok(None);
    }
    let volume = cluster.get(&Names::of(spec.place()).volume).await?;
    let known = Inventory::read(cluster, spec.place()).await?;
    let volume = volume.filter(|live| known.is_some_and(|known| known.owns(live)));
    Ok(volume.and_then(|volume| not_free(&volume, claim, None)))
}

pub(crate) async fn state(cluster: &dyn Cluster, claim: &Object) -> Result<ClaimState, Error> {
    let stuck = |reason: &str, message: String, remedy: Remedy| {
        ClaimState::Stuck(Cause {
            object: claim.reference().clone(),
            reason: reason.to_owned(),
            message,
            evidence: Vec::new(),
            remedy,
        })
    };
    match claim.text("/status/phase") {
        Some("Bound") => return Ok(ClaimState::Bound),
        Some("Lost") => {
            return Ok(stuck(
                "Lost",
                "its volume no longer exists".to_owned(),
                Remedy::StartOver,
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
                    Remedy::ExistingClass,
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
            Remedy::NameClass,
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
    Ok(match not_free(&live, claim.reference(), claim.uid()) {
        Some(cause) => ClaimState::Stuck(cause),
        None => ClaimState::Pending,
    })
}

/// Why a volume does not take this claim.
fn not_free(volume: &Object, claim: &ObjectRef, uid: Option<&str>) -> Option<Cause> {
    let held_by = |pointer: &str| volume.text(pointer).unwrap_or("");
    let phase = held_by("/status/phase");
    let owner_uid = held_by("/spec/claimRef/uid");
    let of_another = !owner_uid.is_empty() && Some(owner_uid) != uid;
    if phase != "Released" && phase != "Failed" && !of_another {
        return None;
    }
    Some(Cause {
        object: claim.clone(),
        reason: "VolumeNotFree".to_owned(),
        message: format!(
            "{} is {} and remembers an earlier claim {}/{}",
            volume.reference(),
            if phase.is_empty() { "held" } else { phase },
            held_by("/spec/claimRef/namespace"),
            held_by("/spec/claimRef/name"),
        ),
        evidence: Vec::new(),
        remedy: Remedy::FreeVolume(volume.reference().clone()),
    })
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
        remedy: Remedy::Provisioner,
        evidence: events,
    }
}
