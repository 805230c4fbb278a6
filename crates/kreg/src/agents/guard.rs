//! The admission policy that protects the node agents, in the cluster: put there, looked at, and taken away.

use kreg_k8s::{ApplyMode, Cluster, Kind, Object, ObjectRef, declared, names, rights};
use kreg_nodes::daemonset::{GUARD, NAMESPACE, guard};
use kreg_nodes::{AccessError, Advice};

/// Whether the policy protects the agents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// It does.
    InPlace,
    /// This object of the two is not there.
    Missing(ObjectRef),
    /// This object of the two is not as kreg makes it.
    Altered(ObjectRef),
    /// The server of this version has no such policies.
    NotServed(String),
    /// The namespace is not kreg's, so kreg does not say who may work there.
    NotOurs,
    /// This user may not look at it.
    Unseen,
}

impl Guard {
    pub(crate) async fn look(
        cluster: &dyn Cluster,
        version: Option<&str>,
    ) -> Result<Self, AccessError> {
        if let Some(version) = version.filter(|version| !rights::serves_policies(version)) {
            return Ok(Self::NotServed(version.to_owned()));
        }
        let namespace = ObjectRef::new(Kind::Namespace, "", NAMESPACE);
        match cluster.get(&namespace).await {
            Err(kreg_k8s::Error::Denied { .. }) => return Ok(Self::Unseen),
            other => {
                let live = other.map_err(AccessError::tried(
                    "cannot read the namespace of the node agents",
                ))?;
                if live.is_some_and(|live| !is_ours(&live)) {
                    return Ok(Self::NotOurs);
                }
            }
        }
        for desired in objects()? {
            let object = desired.reference();
            match cluster.get(object).await {
                Ok(Some(live)) if declared::holds(&live, &desired) => {}
                Ok(Some(_)) => return Ok(Self::Altered(object.clone())),
                Ok(None) => return Ok(Self::Missing(object.clone())),
                Err(kreg_k8s::Error::Denied { .. }) => return Ok(Self::Unseen),
                Err(error) => {
                    return Err(error).map_err(AccessError::tried(
                        "cannot see what protects the node agents",
                    ));
                }
            }
        }
        Ok(Self::InPlace)
    }

    /// Whether putting agents there would change that.
    #[must_use]
    pub fn is_drift(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Altered(_))
    }
}

/// Writes the policy and then the namespace of the agents, each only if it is not yet as it should be. A server without
/// such policies gets the namespace only. Unless it is `expected`, a namespace that is there needs a witness besides its label.
pub(super) async fn put(
    cluster: &dyn Cluster,
    namespace: Object,
    expected: bool,
) -> Result<(), AccessError> {
    if !expected {
        check_origin(cluster, namespace.reference()).await?;
    }
    let mode = ApplyMode {
        dry_run: false,
        force: true,
    };
    // A server that knows no such kind may refuse to write it before it says so.
    let guards = match is_served(cluster).await? {
        true => objects()?,
        false => Vec::new(),
    };
    let wanted = guards.into_iter().chain(std::iter::once(namespace));
    for desired in wanted {
        let object = desired.reference();
        let live = cluster.get(object).await;
        let live = live.map_err(AccessError::tried(format!(
            "cannot see whether {object} is there already"
        )))?;
        if let Some(live) = &live {
            if !is_ours(live) {
                let what = format!(
                    "{object} exists and does not belong to kreg, so kreg did not change it; it would protect the node agents"
                );
                return Err(AccessError::new(what).with_remedy("remove or rename that object"));
            }
            if declared::holds(live, &desired) {
                continue;
            }
        }
        match cluster.apply(&desired, mode).await {
            Err(kreg_k8s::Error::Refused { code: 404, .. }) if is_guard(object) => {}
            other => drop(other.map_err(AccessError::tried(
                "cannot put the node agents into the cluster",
            ))?),
        }
    }
    Ok(())
}

/// Anyone who may make namespaces may have made this one, with kreg's labels, and would own what kreg then allows in it.
/// The policy is cluster-scoped: where it is there, kreg was here before. Older servers have no such witness.
async fn check_origin(cluster: &dyn Cluster, namespace: &ObjectRef) -> Result<(), AccessError> {
    let live = cluster.get(namespace).await;
    let labelled = live.map_err(AccessError::tried(format!("cannot look at {namespace}")))?;
    if !labelled.is_some_and(|live| is_ours(&live)) || !is_served(cluster).await? {
        return Ok(());
    }
    if is_witness(cluster).await? {
        return Ok(());
    }
    let what = format!(
        "{namespace} has kreg's labels, but no record or policy shows that kreg made it; kreg did not use it"
    );
    let remedy = format!(
        "if an administrator made it, let kreg take it over; if not, remove it, and kreg makes its own: \
         kubectl delete namespace {NAMESPACE}"
    );
    Err(AccessError::new(what)
        .with_remedy(remedy)
        .with_advice(Advice::AdoptNamespace))
}

/// Whether the policy, which no tenant can make, shows that kreg put agents into this cluster. `false` without the right to
/// look.
pub(super) async fn is_witness(cluster: &dyn Cluster) -> Result<bool, AccessError> {
    for desired in objects()? {
        let object = desired.reference();
        match cluster.get(object).await {
            Ok(Some(live)) if is_ours(&live) => return Ok(true),
            Ok(_) | Err(kreg_k8s::Error::Denied { .. }) => {}
            Err(error) => {
                return Err(error).map_err(AccessError::tried(format!(
                    "cannot see whether {object} is there"
                )));
            }
        }
    }
    Ok(false)
}

/// Takes the policy away: nothing is left that it could protect.
pub(super) async fn remove(cluster: &dyn Cluster) -> Result<(), AccessError> {
    // The binding first: without it the policy does nothing.
    for desired in objects()?.iter().rev() {
        let object = desired.reference();
        let live = match cluster.get(object).await {
            // Where the API does not serve it, a role may not name it either.
            Err(kreg_k8s::Error::Denied { .. }) if !is_served(cluster).await? => return Ok(()),
            other => other.map_err(AccessError::tried(format!(
                "cannot see whether {object} is there"
            )))?,
        };
        let Some(live) = live.filter(is_ours) else {
            continue;
        };
        let uid = live.uid().unwrap_or_default();
        cluster
            .delete(object, uid)
            .await
            .map_err(AccessError::tried(format!("cannot remove {object}")))?;
    }
    Ok(())
}

async fn is_served(cluster: &dyn Cluster) -> Result<bool, AccessError> {
    let version = cluster.server_version().await;
    let version = version.map_err(AccessError::tried("cannot read the version of the cluster"))?;
    Ok(version.as_deref().is_none_or(rights::serves_policies))
}

fn objects() -> Result<Vec<Object>, AccessError> {
    let objects = guard().into_iter().map(Object::from_value);
    objects
        .collect::<Result<_, _>>()
        .map_err(AccessError::tried(
            "cannot make what protects the node agents",
        ))
}

fn is_guard(object: &ObjectRef) -> bool {
    object.kind() != Kind::Namespace && object.name() == GUARD
}

fn is_ours(live: &Object) -> bool {
    live.label(names::LABEL_MANAGED_BY) == Some("kreg")
}
