//! Taking the agents away, and their namespace if nothing else is in it.

use std::time::{Duration, Instant};

use kreg_k8s::{Cluster, Kind, Object, ObjectRef, Query};
use kreg_k8s::{names, occupants};
use kreg_nodes::daemonset::{AgentWatch, NAMESPACE, NodeAgent};
use kreg_nodes::{AccessError, InstanceId};

use super::guard;

/// Takes the agents of `instance` away. What they wrote on the nodes stays.
pub(super) async fn remove(
    cluster: &dyn Cluster,
    watch: &AgentWatch,
    instance: &InstanceId,
    timeout: Duration,
) -> Result<(), AccessError> {
    for kind in [Kind::DaemonSet, Kind::ConfigMap, Kind::ServiceAccount] {
        for object in own(cluster, instance, kind).await? {
            delete(cluster, &object).await?;
        }
    }
    let begun = Instant::now();
    let went = watch.until(timeout, |pods| pods.is_empty()).await;
    if !went.map_err(AccessError::tried("cannot see how the node agents go"))? {
        return Err(still_there("the Pods of the node agents", timeout));
    }
    let namespace = ObjectRef::new(Kind::Namespace, "", NAMESPACE);
    let live = cluster.get(&namespace).await;
    let Some(live) = live.map_err(AccessError::tried(
        "cannot read the namespace of the node agents",
    ))?
    else {
        return guard::remove(cluster).await;
    };
    if live.label(names::LABEL_MANAGED_BY) != Some("kreg") || in_use(cluster).await? {
        return match of_others(cluster).await? {
            true => Ok(()),
            false => guard::remove(cluster).await,
        };
    }
    delete(cluster, &live).await?;
    loop {
        match cluster.get(&namespace).await {
            Ok(None) => return guard::remove(cluster).await,
            // With the namespace its Roles went, and with these the right to look.
            Err(kreg_k8s::Error::Denied { .. }) => return guard::remove(cluster).await,
            other => drop(other.map_err(AccessError::tried(
                "cannot read the namespace of the node agents",
            ))?),
        }
        if begun.elapsed() > timeout {
            return Err(still_there("the namespace kreg-nodes", timeout));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether anything of somebody else's is in the namespace. Where that cannot be seen, it may be.
async fn in_use(cluster: &dyn Cluster) -> Result<bool, AccessError> {
    let what = "cannot see what else is in the namespace kreg-nodes";
    let known = match occupants::known(cluster, NAMESPACE).await {
        Err(kreg_k8s::Error::Denied { .. }) => return Ok(true),
        other => other.map_err(AccessError::tried(what))?,
    };
    if !known.is_empty() {
        return Ok(true);
    }
    let unknown = occupants::unknown(cluster, NAMESPACE).await;
    Ok(unknown.map_err(AccessError::tried(what))?.is_some())
}

/// Whether agents of other registries are there. Where that cannot be seen, they may be.
async fn of_others(cluster: &dyn Cluster) -> Result<bool, AccessError> {
    let all = Query::all(Kind::DaemonSet)
        .within(NAMESPACE)
        .labelled(NodeAgent::any());
    match cluster.list(&all).await {
        Err(kreg_k8s::Error::Denied { .. }) => Ok(true),
        other => other
            .map_err(AccessError::tried("cannot list the node agents"))
            .map(|found| !found.is_empty()),
    }
}

pub(super) async fn own(
    cluster: &dyn Cluster,
    instance: &InstanceId,
    kind: Kind,
) -> Result<Vec<Object>, AccessError> {
    let query = Query::all(kind)
        .within(NAMESPACE)
        .labelled(NodeAgent::selector(instance));
    cluster.list(&query).await.map_err(AccessError::tried(
        "cannot list what belongs to the node agents",
    ))
}

pub(super) async fn delete(cluster: &dyn Cluster, object: &Object) -> Result<(), AccessError> {
    let uid = object.uid().unwrap_or_default();
    cluster
        .delete(object.reference(), uid)
        .await
        .map(drop)
        .map_err(AccessError::tried(
            "cannot remove what belongs to the node agents",
        ))
}

fn still_there(what: &str, timeout: Duration) -> AccessError {
    let what = format!("{what} did not go within {} s", timeout.as_secs());
    AccessError::new(what)
        .with_remedy("see `kubectl -n kreg-nodes get all`, then run the same command again")
}
