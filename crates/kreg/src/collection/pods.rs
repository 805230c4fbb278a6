//! The Pods of a registry.

use kreg_k8s::{Kind, Object, Query, names};

use crate::error::{Error, Tried as _};
use crate::registry::Registry;

/// Every Pod of the registry, also those that are terminating.
pub(super) async fn pods(registry: &Registry) -> Result<Vec<Object>, Error> {
    let query = Query::all(Kind::Pod)
        .within(registry.place().namespace())
        .labelled(names::pod_selector(registry.place().instance()));
    let pods = registry.cluster().list(&query);
    pods.await.tried("cannot list the registry's Pods")
}
