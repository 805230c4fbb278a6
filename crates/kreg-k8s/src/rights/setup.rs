//! What only the setup of a registry needs: its first apply, one with other settings, and its end.

use super::{Extras, Rights};
use crate::{
    cluster::Cluster,
    declared,
    error::Error,
    inventory::Inventory,
    kind::{Kind, Scope},
    manifests::Manifests,
    names::{ANNOTATION_ADOPTED, LABEL_MANAGED_BY, NODE_AGENTS, Names},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    right::Right,
    spec::RegistrySpec,
};

/// What setup needs besides [`super::needed`], the namespaces being there. A namespace that is not there needs `create
/// namespaces` as well.
///
/// `create` with a name holds for server-side apply, which names what it makes.
#[must_use]
pub fn needed_to_set_up(place: &Place, extras: Extras) -> Vec<Right> {
    let names = Names::of(place);
    let mut rights = Rights::default();
    // A record is made by a plain request, for which RBAC knows no name. The server lets nobody give rights in a
    // ClusterRole that they do not hold.
    rights.add(None, Kind::ClusterRole, "", None, &["create"]);
    let record = Some(names.inventory.name());
    rights.add(None, Kind::ClusterRole, "", record, &["delete"]);
    if place.namespace() != "default" {
        let name = Some(place.namespace());
        rights.add(None, Kind::Namespace, "", name, &["patch"]);
    }
    let volume = Some(names.volume.name());
    let verbs = &["create", "patch", "delete"];
    rights.add(None, Kind::PersistentVolume, "", volume, verbs);
    if extras.local_hosting {
        let hosting = &names.local_hosting;
        let (place, name) = (hosting.namespace(), Some(hosting.name()));
        rights.add(place, Kind::ConfigMap, "", name, &["create", "delete"]);
    }
    if extras.node_agent {
        let agents = Some(NODE_AGENTS);
        rights.add(None, Kind::Namespace, "", agents, &["patch", "delete"]);
        for kind in [Kind::ServiceAccount, Kind::DaemonSet] {
            rights.add(agents, kind, "", None, &["create", "delete"]);
        }
        for kind in GUARD {
            rights.add(None, kind, "", agents, verbs);
        }
        // What else is in the namespace is looked at before it goes.
        for kind in [Kind::Role, Kind::RoleBinding] {
            rights.add(agents, kind, "", None, &["list"]);
        }
    }
    rights.0
}

/// The policy that protects the agents, and its binding, by the name of their namespace.
const GUARD: [Kind; 2] = [
    Kind::ValidatingAdmissionPolicy,
    Kind::ValidatingAdmissionPolicyBinding,
];

/// An object that setup has yet to write.
struct Pending {
    object: ObjectRef,
    /// It is there, but not as it should be.
    there: bool,
}

/// Those rights of [`needed_to_set_up`] that applying this spec takes, by what is in the cluster now: none once it is
/// set up.
///
/// # Errors
/// If the server cannot be asked.
pub(super) async fn still_needed(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
) -> Result<Vec<Right>, Error> {
    let pending = pending(cluster, spec).await?;
    let mut rights = needed_to_set_up(spec.place(), spec.into());
    rights.retain(|right| {
        pending.iter().any(|one| match right.verb {
            "create" => !one.there && right.is_about(&one.object),
            "patch" => right.is_about(&one.object),
            _ => false,
        })
    });
    let is_absent = |one: &Pending| one.object.kind() == Kind::Namespace && !one.there;
    if pending.iter().any(is_absent) {
        let mut more = Rights::default();
        more.add(None, Kind::Namespace, "", None, &["create"]);
        rights.extend(more.0);
    }
    Ok(rights)
}

async fn pending(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<Vec<Pending>, Error> {
    let names = Names::of(spec.place());
    let known = match Inventory::read(cluster, spec.place()).await {
        // The right to read it is among those that are asked about.
        Err(Error::Denied { .. }) => None,
        known => known?,
    };
    let mut wanted = vec![names.inventory];
    if spec.local_hosting() {
        wanted.push(names.local_hosting);
    }
    if spec.node_agent() {
        let namespace = ObjectRef::new(Kind::Namespace, "", NODE_AGENTS);
        let live = look(cluster, &namespace).await?;
        let theirs = |live: &Object| live.label(LABEL_MANAGED_BY) != Some("kreg");
        // Others' namespace is not protected: what else is in it has to go on.
        if !matches!(&live, Seen::There(live) if theirs(live)) {
            wanted.extend(GUARD.map(|kind| ObjectRef::new(kind, "", NODE_AGENTS)));
        }
        wanted.push(namespace);
        for kind in [Kind::ServiceAccount, Kind::DaemonSet] {
            wanted.push(ObjectRef::new(kind, NODE_AGENTS, spec.place().instance()));
        }
    }
    let mut pending = Vec::new();
    for object in wanted {
        if matches!(look(cluster, &object).await?, Seen::Absent) {
            pending.push(Pending {
                object,
                there: false,
            });
        }
    }
    let foundation = Manifests::foundation(spec);
    let of_the_cluster = |desired: &&Object| desired.reference().kind().scope() == Scope::Cluster;
    for desired in foundation.objects().iter().filter(of_the_cluster) {
        let there = match look(cluster, desired.reference()).await? {
            Seen::Absent => false,
            Seen::There(live) if known.as_ref().is_some_and(|known| known.owns(&live)) => {
                if is_as_declared(&live, desired) {
                    continue;
                }
                true
            }
            // A namespace of others is used as it is; a volume of others ends the apply with its name.
            Seen::There(_) | Seen::Denied => continue,
        };
        pending.push(Pending {
            object: desired.reference().clone(),
            there,
        });
    }
    Ok(pending)
}

fn is_as_declared(live: &Object, desired: &Object) -> bool {
    let mut desired = desired.clone();
    if let Some(adopted) = live.annotation(ANNOTATION_ADOPTED) {
        desired.value_mut()["metadata"]["annotations"][ANNOTATION_ADOPTED] = adopted.into();
    }
    declared::holds(live, &desired)
}

enum Seen {
    There(Object),
    Absent,
    Denied,
}

async fn look(cluster: &dyn Cluster, object: &ObjectRef) -> Result<Seen, Error> {
    match cluster.get(object).await {
        Ok(Some(live)) => Ok(Seen::There(live)),
        Ok(None) => Ok(Seen::Absent),
        Err(Error::Denied { .. }) => Ok(Seen::Denied),
        Err(error) => Err(error),
    }
}

impl Right {
    fn is_about(&self, object: &ObjectRef) -> bool {
        let kind = object.kind();
        (self.group, self.resource, self.subresource) == (kind.group(), kind.plural(), "")
            && self.namespace.as_deref() == object.namespace()
            && self
                .name
                .as_deref()
                .is_none_or(|name| name == object.name())
    }
}
