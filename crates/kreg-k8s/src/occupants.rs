//! What else lies in a namespace, asked before the namespace goes, and all that is in it with it.

use crate::{
    cluster::{Cluster, Query},
    error::Error,
    kind::{Kind, Scope},
    object::Object,
    object_ref::ObjectRef,
};

/// Objects of the kinds that kreg knows, except what another object owns, what is on its way out, and what comes with
/// every namespace.
///
/// # Errors
/// [`Error::Denied`] where not all of these may be listed; otherwise what the server says.
pub async fn known(cluster: &dyn Cluster, namespace: &str) -> Result<Vec<ObjectRef>, Error> {
    let mut known = Vec::new();
    let kinds = Kind::ALL.iter().copied();
    for kind in kinds.filter(|kind| kind.scope() == Scope::Namespaced && *kind != Kind::Event) {
        let found = cluster.list(&Query::all(kind).within(namespace)).await?;
        known.extend(
            found
                .iter()
                .filter(|object| object.items("/metadata/ownerReferences").is_empty())
                .filter(|object| !object.is_terminating() && !comes_with_every_namespace(object))
                .map(|object| object.reference().clone()),
        );
    }
    Ok(known)
}

/// Why objects of kinds that kreg does not know keep the namespace. Where they cannot be seen, they may be there.
///
/// # Errors
/// If the server answers nothing at all.
pub async fn unknown(cluster: &dyn Cluster, namespace: &str) -> Result<Option<String>, Error> {
    match cluster.strangers(namespace).await {
        Ok(found) => Ok((!found.is_empty()).then(|| held_by(found.into_iter()))),
        Err(error) => {
            // A server that answers nothing at all is no reason to end well.
            if matches!(error, Error::Unreachable { .. }) {
                cluster.server_version().await?;
            }
            Ok(Some(format!("not all that is in it may be seen: {error}")))
        }
    }
}

pub(crate) fn held_by(others: impl Iterator<Item = String>) -> String {
    let named: Vec<_> = others.take(5).collect();
    format!("it holds objects that are not kreg's: {}", named.join(", "))
}

/// Source: Kubernetes `pkg/controller/certificates/rootcacertpublisher`, `pkg/controller/serviceaccount`.
fn comes_with_every_namespace(object: &Object) -> bool {
    match object.reference().kind() {
        Kind::ConfigMap => matches!(
            object.reference().name(),
            "kube-root-ca.crt" | "openshift-service-ca.crt"
        ),
        Kind::ServiceAccount => object.reference().name() == "default",
        Kind::Secret => object.text("/type") == Some("kubernetes.io/service-account-token"),
        _ => false,
    }
}
