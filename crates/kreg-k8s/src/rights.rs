//! The least rights that commands need, as values: printed as RBAC, and asked for before anything is changed.
//!
//! Setup and operation are two lists. [`needed_to_set_up`] makes and removes a registry, and writes objects of the whole
//! cluster. [`needed`] is enough for all later runs with the same settings. [`Right::node_root`] says which rights
//! amount to root on a node.

mod purpose;
mod rbac;
mod root;
mod setup;
#[cfg(test)]
mod tests;

use futures::stream::{StreamExt as _, TryStreamExt as _};

use crate::{
    cluster::Cluster,
    error::Error,
    kind::{Kind, Scope},
    names::{NODE_AGENTS, Names},
    place::Place,
    pull,
    spec::RegistrySpec,
};

pub use crate::right::Right;
pub use purpose::Purpose;
pub use rbac::{manifests, yaml};
pub use root::NodeRoot;
pub use setup::needed_to_set_up;

const READ: &[&str] = &["get", "list"];
const OWN: &[&str] = &["get", "list", "create", "patch", "delete"];

/// What a registry may have besides, and what takes rights of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// It is announced to development tools ([`RegistrySpec::with_local_hosting`]).
    pub local_hosting: bool,
    /// An agent on each node keeps its trust ([`RegistrySpec::with_node_agent`]).
    pub node_agent: bool,
}

impl From<&RegistrySpec> for Extras {
    fn from(spec: &RegistrySpec) -> Self {
        Extras {
            local_hosting: spec.local_hosting(),
            node_agent: spec.node_agent(),
        }
    }
}

/// Everything that operation of a registry needs, once it is set up: to apply it again with the same
/// settings, to look at it, to prove it, to renew certificates, and to change users and the pull secret.
///
/// It writes no object of the whole cluster except the registry's record, and cannot take Pod Security off a namespace.
#[must_use]
pub fn needed(place: &Place, extras: Extras) -> Vec<Right> {
    let names = Names::of(place);
    let mut rights = Rights::default();
    facts(&mut rights, place);
    // What is not in a namespace.
    rights.add(None, Kind::Namespace, "", None, &["list"]);
    // The record lists uids and copies of the pull secret, so it changes when one of these does.
    let record = Some(names.inventory.name());
    rights.add(None, Kind::ClusterRole, "", record, &["patch"]);
    if place.namespace() != "default" {
        let name = Some(place.namespace());
        rights.add(None, Kind::Namespace, "", name, &["get"]);
    }
    rights.add(None, Kind::PersistentVolume, "", None, &["list"]);
    let volume = Some(names.volume.name());
    rights.add(None, Kind::PersistentVolume, "", volume, &["get"]);
    let hosting = Some(names.local_hosting.name());
    let public = names.local_hosting.namespace();
    rights.add(public, Kind::ConfigMap, "", hosting, &["get"]);
    if extras.local_hosting {
        rights.add(public, Kind::ConfigMap, "", hosting, &["patch"]);
    }
    // The registry's own namespace. What else lies in it is looked at before it is deleted.
    let own = Some(place.namespace());
    for kind in Kind::ALL
        .iter()
        .copied()
        .filter(|kind| kind.scope() == Scope::Namespaced)
    {
        let verbs: &[&str] = match kind {
            Kind::Service | Kind::ConfigMap | Kind::Secret | Kind::PersistentVolumeClaim => OWN,
            Kind::Deployment | Kind::NetworkPolicy | Kind::Pod => OWN,
            Kind::ServiceAccount => &["get", "list", "update"],
            Kind::ReplicaSet => READ,
            _ => &["list"],
        };
        rights.add(own, kind, "", None, verbs);
    }
    // The proof follows each of its Pods.
    rights.add(own, Kind::Pod, "", None, &["watch"]);
    rights.add(own, Kind::Pod, "log", None, &["get"]);
    // `get` is what the upgrade to a web socket counts as, `create` what newer servers ask for as well.
    rights.add(own, Kind::Pod, "portforward", None, &["get", "create"]);
    if extras.node_agent {
        node_agent(&mut rights);
    }
    rights.0
}

/// All that a collection of garbage needs: it reads the registry, asks every Pod of it, runs the collector in one, and changes how its
/// Deployment serves.
#[must_use]
pub fn needed_to_collect(place: &Place) -> Vec<Right> {
    let own = Some(place.namespace());
    let mut rights = Rights::default();
    facts(&mut rights, place);
    registry(&mut rights, place);
    rights.add(own, Kind::Deployment, "", None, &["patch"]);
    rights.add(own, Kind::Pod, "exec", None, &["get", "create"]);
    rights.0
}

/// All that a diagnosis needs: besides the registry it looks at whatever pulls from it or may be in its way, in every
/// namespace. Not at Secrets there: those that it may not read it names.
#[must_use]
pub fn needed_to_diagnose(place: &Place, extras: Extras) -> Vec<Right> {
    let own = Some(place.namespace());
    let mut rights = Rights::default();
    facts(&mut rights, place);
    registry(&mut rights, place);
    rights.add(own, Kind::NetworkPolicy, "", None, &["list"]);
    for kind in [
        Kind::PersistentVolume,
        Kind::Pod,
        Kind::Event,
        Kind::DaemonSet,
    ] {
        rights.add(None, kind, "", None, &["list"]);
    }
    rights.add(None, Kind::Pod, "log", None, &["get"]);
    if extras.node_agent {
        let agents = Some(NODE_AGENTS);
        rights.add(agents, Kind::DaemonSet, "", None, &["get"]);
        rights.add(agents, Kind::Pod, "", None, &["watch"]);
        rights.add(agents, Kind::Pod, "exec", None, &["get", "create"]);
        guard(&mut rights);
    }
    rights.0
}

/// What the proof needs besides in the registry's namespace: it starts a Pod on each node, follows it, reads what it
/// wrote and takes it away.
#[must_use]
pub fn needed_to_prove(place: &Place) -> Vec<Right> {
    let own = Some(place.namespace());
    let mut rights = Rights::default();
    let verbs = &["get", "list", "watch", "create", "delete"];
    rights.add(own, Kind::Pod, "", None, verbs);
    rights.add(own, Kind::Pod, "log", None, &["get"]);
    rights.add(own, Kind::Event, "", None, &["list"]);
    rights.add(own, Kind::Pod, "portforward", None, &["get", "create"]);
    rights.0
}

/// Facts of the cluster and the registry's record, with which every command begins.
fn facts(rights: &mut Rights, place: &Place) {
    let record = Names::of(place).inventory;
    rights.add(None, Kind::ClusterRole, "", Some(record.name()), &["get"]);
    rights.add(None, Kind::Node, "", None, &["list"]);
    rights.add(None, Kind::StorageClass, "", None, READ);
    rights.add(None, Kind::ServiceCIDR, "", None, &["list"]);
    let system = Some("kube-system");
    rights.add(system, Kind::Pod, "", None, &["list"]);
    rights.add(system, Kind::ConfigMap, "", Some("coredns"), &["get"]);
}

/// A registry that is up: its objects and Pods, and a way to it.
fn registry(rights: &mut Rights, place: &Place) {
    let own = Some(place.namespace());
    for kind in [
        Kind::Service,
        Kind::ConfigMap,
        Kind::Secret,
        Kind::PersistentVolumeClaim,
        Kind::Deployment,
    ] {
        rights.add(own, kind, "", None, &["get"]);
    }
    for kind in [Kind::Pod, Kind::ReplicaSet] {
        rights.add(own, kind, "", None, READ);
    }
    rights.add(own, Kind::Event, "", None, &["list"]);
    rights.add(own, Kind::Pod, "log", None, &["get"]);
    rights.add(own, Kind::Pod, "portforward", None, &["get", "create"]);
}

/// Agents on the nodes: their objects, and programs that run in their Pods, only in their namespace. A node that joins
/// makes another ConfigMap, which replaces the one before.
fn node_agent(rights: &mut Rights) {
    let agents = Some(NODE_AGENTS);
    rights.add(None, Kind::Namespace, "", agents, &["get"]);
    rights.add(agents, Kind::ConfigMap, "", None, OWN);
    for kind in [Kind::ServiceAccount, Kind::DaemonSet] {
        rights.add(agents, kind, "", None, &["get", "list", "patch"]);
    }
    // One watch shows the Pods of all nodes.
    rights.add(agents, Kind::Pod, "", None, &["list", "watch"]);
    // As for `portforward`.
    rights.add(agents, Kind::Pod, "exec", None, &["get", "create"]);
    guard(rights);
}

/// Past the policy that protects the agents, and to see that it is there. Where the API does not serve such policies,
/// nobody is asked for these ([`wanted`]).
fn guard(rights: &mut Rights) {
    let name = Some(NODE_AGENTS);
    let policy = Kind::ValidatingAdmissionPolicy;
    rights.add(None, policy, "", name, &["get", "use"]);
    let binding = Kind::ValidatingAdmissionPolicyBinding;
    rights.add(None, binding, "", name, &["get"]);
}

/// What giving the pull secret to other namespaces needs besides ([`crate::pull`]): to these, or (`None`) to any.
#[must_use]
pub fn needed_to_share(place: &Place, namespaces: Option<&[String]>) -> Vec<Right> {
    let secret = Names::of(place).pull_secret;
    let mut rights = Rights::default();
    let mut within = |namespace: Option<&str>| {
        rights.add(namespace, Kind::Secret, "", None, &["create"]);
        let name = Some(secret.name());
        rights.add(
            namespace,
            Kind::Secret,
            "",
            name,
            &["get", "patch", "delete"],
        );
        let verbs = &["get", "list", "update"];
        rights.add(namespace, Kind::ServiceAccount, "", None, verbs);
    };
    match namespaces {
        None => within(None),
        Some(names) => names.iter().for_each(|name| within(Some(name))),
    }
    for name in namespaces.into_iter().flatten() {
        rights.add(None, Kind::Namespace, "", Some(name), &["get"]);
    }
    rights.0
}

/// What renewing the copies of the pull secret in these namespaces needs ([`crate::pull::refresh`]).
fn needed_to_refresh(place: &Place, namespaces: &[String]) -> Vec<Right> {
    let secret = Names::of(place).pull_secret;
    let mut rights = Rights::default();
    for namespace in namespaces {
        let (name, verbs) = (Some(secret.name()), &["get", "patch"]);
        rights.add(Some(namespace), Kind::Secret, "", name, verbs);
    }
    rights.0
}

/// Fails with every right at once that [`crate::pull::attach`] lacks in these namespaces, for these service accounts.
///
/// # Errors
/// [`Error::Rights`] naming them; otherwise what the server says.
pub async fn check_to_share(
    cluster: &dyn Cluster,
    place: &Place,
    namespaces: &[String],
    accounts: &[String],
) -> Result<(), Error> {
    let needed = |namespaces| {
        let mut rights = needed_to_share(place, namespaces);
        let of_account = Kind::ServiceAccount.plural();
        rights.retain(|right| !accounts.is_empty() || right.resource != of_account);
        rights
    };
    // Whoever may do it anywhere need not be asked about each.
    let anywhere = lacking(cluster, needed(None)).await?;
    match anywhere.is_empty() {
        true => Ok(()),
        false => require(cluster, needed(Some(namespaces))).await,
    }
}

/// Those rights that the server says are missing to apply this spec: of [`needed`], of those to renew copies of the pull
/// secret, and of [`needed_to_set_up`] those for objects that are not there, or not as they should be.
///
/// # Errors
/// If the server cannot be asked.
pub async fn missing(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<Vec<Right>, Error> {
    let mut rights = needed(spec.place(), spec.into());
    let copies = pull::places(cluster, spec.place()).await?;
    rights.extend(needed_to_refresh(spec.place(), &copies));
    rights.extend(setup::still_needed(cluster, spec).await?);
    lacking(cluster, rights).await
}

/// Without what is about policies that this server does not serve.
async fn wanted(cluster: &dyn Cluster, mut rights: Vec<Right>) -> Result<Vec<Right>, Error> {
    let group = Kind::ValidatingAdmissionPolicy.group();
    if rights.iter().any(|right| right.group == group) {
        let version = cluster.server_version().await?;
        if !version.as_deref().is_none_or(serves_policies) {
            rights.retain(|right| right.group != group);
        }
    }
    Ok(rights)
}

/// Whether a server of this version (such as `v1.34.4`) serves [`Kind::ValidatingAdmissionPolicy`]: 1.30 and later.
#[must_use]
pub fn serves_policies(version: &str) -> bool {
    release(version).is_none_or(|release| release >= (1, 30))
}

/// Major and minor number of a server's version, such as `v1.34.4` or `v1.30+`; `None` if it has another form.
#[must_use]
pub fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    let digits = minor.trim_end_matches(|end: char| !end.is_ascii_digit());
    Some((major, digits.parse().ok()?))
}

/// Those of these rights that the server says are missing.
///
/// # Errors
/// If the server cannot be asked.
pub async fn lacking(cluster: &dyn Cluster, rights: Vec<Right>) -> Result<Vec<Right>, Error> {
    let rights = wanted(cluster, rights).await?;
    let asked = futures::stream::iter(rights.into_iter().map(|right| async move {
        Ok::<_, Error>((!cluster.may(&right).await?).then_some(right))
    }));
    let mut missing: Vec<Right> = asked
        .buffered(8)
        .try_filter_map(|right| async move { Ok(right) })
        .try_collect()
        .await?;
    missing.sort();
    Ok(missing)
}

/// Fails with every missing right at once.
///
/// # Errors
/// [`Error::Rights`] naming them; otherwise what the server says.
pub async fn check(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<(), Error> {
    none_of(missing(cluster, spec).await?)
}

/// The same for rights such as those of [`needed_to_collect`].
///
/// # Errors
/// [`Error::Rights`] naming them; otherwise what the server says.
pub async fn require(cluster: &dyn Cluster, rights: Vec<Right>) -> Result<(), Error> {
    none_of(lacking(cluster, rights).await?)
}

fn none_of(missing: Vec<Right>) -> Result<(), Error> {
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::Rights { missing }),
    }
}

#[derive(Default)]
struct Rights(Vec<Right>);

impl Rights {
    fn add(
        &mut self,
        namespace: Option<&str>,
        kind: Kind,
        subresource: &'static str,
        name: Option<&str>,
        verbs: &[&'static str],
    ) {
        for verb in verbs {
            self.0.push(Right {
                namespace: namespace.map(str::to_owned),
                group: kind.group(),
                resource: kind.plural(),
                subresource,
                name: name.map(str::to_owned),
                verb,
            });
        }
    }
}
