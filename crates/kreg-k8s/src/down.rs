//! Taking a registry away: from its record, by uid, never anybody else's objects, images only when asked.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::{
    cluster::{Cluster, Deleted, Query},
    error::Error,
    inventory::Inventory,
    kind::Kind,
    names::{ANNOTATION_ADOPTED, Names, selector},
    object::Object,
    object_ref::ObjectRef,
    occupants,
    place::Place,
    progress::{Progress, Watcher},
    pull,
    wait::{Wait, gone},
};

/// What `down` may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownOptions {
    /// Also delete the claim and volume that hold the images, and the namespace. Files of a host directory stay on
    /// their node even so.
    pub delete_data: bool,
    /// The record stays, for something else that it lists is still to be undone, such as the trust of nodes.
    pub keep_record: bool,
    /// Time allowed for each object to be gone.
    pub timeout: Duration,
}

/// An object that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The object.
    pub object: ObjectRef,
    /// Why it stays.
    pub reason: String,
    /// Whether that is because it holds the images, which were not to go ([`DownOptions::delete_data`]).
    #[serde(skip)]
    pub holds_images: bool,
}

impl Kept {
    /// One that stays for this reason, other than for the images that it holds.
    #[must_use]
    pub fn new(object: ObjectRef, reason: impl Into<String>) -> Self {
        Kept {
            object,
            reason: reason.into(),
            holds_images: false,
        }
    }
}

/// A directory on a node that a volume used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDirectory {
    /// Absolute path on the node.
    pub path: String,
    /// The node that the volume is bound to; `None` if any node may have such a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl fmt::Display for NodeDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "{} on node {node}", self.path),
            None => write!(f, "{} on the node the registry ran on", self.path),
        }
    }
}

/// What a `down` would do, or did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Objects to delete (or deleted), in order.
    pub delete: Vec<ObjectRef>,
    /// Objects that stay.
    pub keep: Vec<Kept>,
    /// Service accounts that the pull secret is taken off (or was).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detach: Vec<ObjectRef>,
    /// Directories on nodes whose files stay: nothing in Kubernetes removes them.
    #[serde(rename = "filesLeft")]
    pub files_left: Vec<NodeDirectory>,
    /// The bucket whose images stay: kreg never deletes from S3.
    #[serde(rename = "bucketLeft", skip_serializing_if = "Option::is_none")]
    pub bucket_left: Option<String>,
    #[serde(skip)]
    uids: Vec<String>,
}

/// What stays, a line each.
impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.keep.iter();
        let kept = kept.map(|kept| format!("stays: {} ({})", kept.object, kept.reason));
        let left = self.files_left.iter();
        let left = left.map(|left| format!("stays: the files in {left}"));
        let bucket = self.bucket_left.iter();
        let bucket = bucket.map(|bucket| format!("stays: the images in {bucket}"));
        let lines: Vec<String> = kept.chain(left).chain(bucket).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Decides what to delete. Writes nothing.
///
/// Goes by the record and, in the registry's own namespace, by labels: Pods of a proof that was killed are listed
/// nowhere. Without a record there is nothing to remove. The record stays as long as anything that kreg made does.
///
/// # Errors
/// If the cluster cannot be asked, or the inventory is unreadable.
pub async fn plan_down(
    cluster: &dyn Cluster,
    place: &Place,
    options: DownOptions,
) -> Result<Removal, Error> {
    let names = Names::of(place);
    let Some(known) = Inventory::read(cluster, place).await? else {
        let mut removal = Removal::default();
        if options.delete_data {
            removal.keep = retained(cluster, &names).await?;
        }
        return Ok(removal);
    };
    let mut candidates = labelled(cluster, place).await?;
    candidates.extend(pull::copies(cluster, place).await?);
    for entry in &known.entries {
        if !candidates
            .iter()
            .any(|object| object.reference() == &entry.object)
            && let Some(live) = cluster.get(&entry.object).await?
        {
            candidates.push(live);
        }
    }
    candidates.sort_by_key(|object| (order(object.reference()), object.reference().clone()));

    let declared = known.declared.as_ref();
    let bucket = declared.and_then(|declared| declared.storage.bucket());
    let mut removal = Removal {
        bucket_left: bucket.map(ToString::to_string),
        ..Removal::default()
    };
    let attached = pull::attached(cluster, place).await?;
    removal.detach = attached
        .iter()
        .map(|account| account.reference().clone())
        .collect();
    let mut made_stays = false;
    for live in candidates {
        let object = live.reference().clone();
        let theirs = keep_reason(&live, &known);
        let stores = matches!(
            object.kind(),
            Kind::PersistentVolumeClaim | Kind::PersistentVolume
        );
        let holds_images = theirs.is_none() && stores && !options.delete_data;
        let reason = match theirs {
            None if holds_images => Some("it holds the images".to_owned()),
            None => in_use_by_others(cluster, place, &object, &removal).await?,
            reason => reason,
        };
        match reason {
            Some(reason) => {
                // Images that kreg's claim holds stay its own in a cluster that was restored with other uids.
                let held = object.kind().holds_data()
                    && known.find(&object).is_some_and(|entry| entry.created);
                made_stays |= held || known.made(&live);
                removal.keep.push(Kept {
                    object,
                    reason,
                    holds_images,
                });
            }
            None => {
                removal.files_left.extend(files_left(&live));
                removal.delete.push(object);
                removal.uids.push(live.uid().unwrap_or("").to_owned());
            }
        }
    }
    // The record goes last.
    match cluster.get(&names.inventory).await? {
        Some(_) if made_stays => removal.keep.push(of_what_stays(&names)),
        Some(record) if !options.keep_record => {
            removal.delete.push(names.inventory.clone());
            removal.uids.push(record.uid().unwrap_or("").to_owned());
        }
        _ => {}
    }
    if options.delete_data {
        removal.keep.extend(retained(cluster, &names).await?);
    }
    Ok(removal)
}

fn of_what_stays(names: &Names) -> Kept {
    Kept::new(names.inventory.clone(), "it is the record of what stays")
}

/// Volumes that were provisioned for the registry's claim, now or in an earlier life, and outlive it by their class's
/// will.
async fn retained(cluster: &dyn Cluster, names: &Names) -> Result<Vec<Kept>, Error> {
    let claim = (names.claim.namespace(), Some(names.claim.name()));
    let volumes = cluster.list(&Query::all(Kind::PersistentVolume)).await?;
    let provisioned = volumes.iter().filter(|volume| {
        let of = |key: &str| volume.text(&format!("/spec/claimRef/{key}"));
        (of("namespace"), of("name")) == claim
            && volume.reference() != &names.volume
            && volume.text("/spec/persistentVolumeReclaimPolicy") == Some("Retain")
    });
    Ok(provisioned
        .map(|volume| {
            let object = volume.reference().clone();
            let reason = format!(
                "its reclaimPolicy is Retain, so the images on it stay; kubectl delete pv {} gives it up",
                object.name()
            );
            Kept::new(object, reason)
        })
        .collect())
}

/// Deletes what [`plan_down`] decides and waits until it is gone. Safe to repeat.
///
/// # Errors
/// [`Error::Timeout`] naming what holds an object back, or what the server says.
pub async fn down(
    cluster: &dyn Cluster,
    place: &Place,
    options: DownOptions,
    watcher: Watcher<'_>,
) -> Result<Removal, Error> {
    let mut removal = plan_down(cluster, place, options).await?;
    let wait = Wait::new(options.timeout, watcher);
    for account in &removal.detach {
        pull::detach_from(cluster, place, account).await?;
    }
    let names = Names::of(place);
    let planned = removal.keep.len();
    let mut deleted = Vec::new();
    for (object, uid) in removal.delete.iter().zip(&removal.uids) {
        if *object == names.inventory && removal.keep.len() > planned {
            removal.keep.push(of_what_stays(&names));
            continue;
        }
        // Somebody may have come while the rest went.
        if let Some(reason) = in_use_by_others(cluster, place, object, &removal).await? {
            removal.keep.push(Kept::new(object.clone(), reason));
            continue;
        }
        match cluster.delete(object, uid).await? {
            Deleted::OtherUid => {
                let reason = "somebody else has created it again meanwhile";
                removal.keep.push(Kept::new(object.clone(), reason));
                continue;
            }
            // The garbage collector or an earlier run was faster.
            Deleted::Absent => {}
            Deleted::Yes => gone(cluster, object, uid, &wait).await?,
        }
        if object.kind() == Kind::Deployment {
            pods_gone(cluster, place, &wait).await?;
        }
        watcher(Progress::Deleted(object.clone()));
        deleted.push(object.clone());
    }
    // What only carries the labels from now on is not the registry's.
    let stays = |object: &ObjectRef| removal.keep.iter().any(|kept| kept.object == *object);
    if !deleted.contains(&names.inventory) {
        crate::record::rewrite(cluster, place, |known| {
            let mut left = known?.clone();
            left.entries.retain(|entry| stays(&entry.object));
            left.shared.clear();
            Some(left)
        })
        .await?;
    }
    removal.delete = deleted;
    removal.uids.clear();
    Ok(removal)
}

/// Workloads first, so that nothing writes any more; the namespace last. Only the record goes after it, so that a run
/// that was killed can be taken up.
fn order(object: &ObjectRef) -> u8 {
    match object.kind() {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Job => 0,
        Kind::Pod => 1,
        Kind::Service => 2,
        Kind::PersistentVolumeClaim => 4,
        Kind::PersistentVolume => 5,
        Kind::Namespace => 7,
        _ => 3,
    }
}

/// Everything that carries the instance's labels.
async fn labelled(cluster: &dyn Cluster, place: &Place) -> Result<Vec<Object>, Error> {
    const KINDS: [Kind; 9] = [
        Kind::Namespace,
        Kind::Deployment,
        Kind::Pod,
        Kind::Service,
        Kind::ConfigMap,
        Kind::Secret,
        Kind::NetworkPolicy,
        Kind::PersistentVolumeClaim,
        Kind::PersistentVolume,
    ];
    let mut found = Vec::new();
    for kind in KINDS {
        let query = Query::all(kind)
            .within(place.namespace())
            .labelled(selector(place.instance()));
        let owned = |object: &Object| !object.items("/metadata/ownerReferences").is_empty();
        // What a Deployment owns goes with it.
        // Of namespaces only the registry's own; one that carries the labels elsewhere holds something else.
        let elsewhere = |object: &Object| {
            kind == Kind::Namespace && object.reference().name() != place.namespace()
        };
        found.extend(
            cluster
                .list(&query)
                .await?
                .into_iter()
                .filter(|object| !owned(object) && !elsewhere(object)),
        );
    }
    Ok(found)
}

fn keep_reason(live: &Object, known: &Inventory) -> Option<String> {
    let entry = known.find(live.reference());
    if !known.owns(live) {
        return Some("it no longer carries kreg's labels, so it is somebody else's now".to_owned());
    }
    if live.annotation(ANNOTATION_ADOPTED).is_some() || entry.is_some_and(|entry| !entry.created) {
        return Some("it was there before kreg, which had adopted it".to_owned());
    }
    if let Some(uid) = entry.and_then(|entry| entry.uid.as_deref())
        && live.uid() != Some(uid)
        && live.reference().kind().holds_data()
    {
        return Some("it is not the one kreg made (another uid)".to_owned());
    }
    None
}

/// A namespace takes everything in it along: it may go only when what else is in it goes too.
async fn in_use_by_others(
    cluster: &dyn Cluster,
    place: &Place,
    object: &ObjectRef,
    removal: &Removal,
) -> Result<Option<String>, Error> {
    if object.kind() != Kind::Namespace {
        return Ok(None);
    }
    let mut others = occupants::known(cluster, place.namespace()).await?;
    others.retain(|object| !removal.delete.contains(object));
    let images = |object: &ObjectRef| removal.keep.iter().any(|kept| &kept.object == object);
    match others.as_slice() {
        [] => occupants::unknown(cluster, place.namespace()).await,
        all if all.iter().all(images) => Ok(Some("what is kept lies in it".to_owned())),
        all => {
            let named = all.iter().filter(|object| !images(object));
            Ok(Some(occupants::held_by(named.map(ObjectRef::to_string))))
        }
    }
}

fn files_left(live: &Object) -> Option<NodeDirectory> {
    let path = live
        .text("/spec/hostPath/path")
        .or(live.text("/spec/local/path"))?;
    if live.text("/spec/persistentVolumeReclaimPolicy") == Some("Delete") {
        return None;
    }
    let node =
        live.text("/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0");
    Some(NodeDirectory {
        path: path.to_owned(),
        node: node.map(str::to_owned),
    })
}

/// A deleted Deployment's Pods go in the background; a claim cannot go before them.
async fn pods_gone(cluster: &dyn Cluster, place: &Place, wait: &Wait<'_>) -> Result<(), Error> {
    let query = Query::all(Kind::Pod)
        .within(place.namespace())
        .labelled(format!(
            "{},{}=registry",
            selector(place.instance()),
            crate::names::LABEL_COMPONENT
        ));
    for pod in cluster.list(&query).await? {
        gone(cluster, pod.reference(), pod.uid().unwrap_or(""), wait).await?;
    }
    Ok(())
}
