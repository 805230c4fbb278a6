//! The least rights that commands need, as values: printed as RBAC, and asked for before anything is changed.

use futures::stream::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    error::Error,
    kind::{Kind, Scope},
    manifests::Manifests,
    names::{NODE_AGENTS, Names},
    object::ObjectRef,
    pull,
    spec::RegistrySpec,
};

/// One thing that may be done to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Right {
    /// Namespace; `None` for cluster-scoped resources.
    pub namespace: Option<String>,
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// Such as `log`; empty for the resource itself.
    pub subresource: &'static str,
    /// Only the object of this name.
    pub name: Option<String>,
    /// RBAC verb.
    pub verb: &'static str,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in the cluster"),
        }
    }
}

const READ: &[&str] = &["get", "list"];
const OWN: &[&str] = &["get", "list", "create", "patch", "delete"];

/// Everything that a registry of this spec needs of `kreg up`, `status`, `verify` and `down`, its namespace being there.
/// One that is not there needs `create namespaces` besides.
#[must_use]
pub fn needed(spec: &RegistrySpec) -> Vec<Right> {
    let names = Names::of(spec);
    let mut rights = Rights::default();
    facts(&mut rights, spec);
    // What is not in a namespace.
    rights.add(None, Kind::Namespace, "", None, &["list"]);
    // The record. A name cannot be demanded of `create`; a ClusterRole gives nobody more than its maker has.
    rights.add(None, Kind::ClusterRole, "", None, &["create"]);
    let record = Some(names.inventory.name());
    rights.add(None, Kind::ClusterRole, "", record, &["patch", "delete"]);
    if spec.namespace() != "default" {
        let name = Some(spec.namespace());
        rights.add(None, Kind::Namespace, "", name, &["get", "patch"]);
    }
    rights.add(None, Kind::PersistentVolume, "", None, &["list"]);
    let volume = names.volume.name();
    let verbs = &["get", "create", "patch", "delete"];
    rights.add(None, Kind::PersistentVolume, "", Some(volume), verbs);
    let hosting = Some(names.local_hosting.name());
    let public = names.local_hosting.namespace();
    rights.add(public, Kind::ConfigMap, "", hosting, &["get"]);
    if spec.local_hosting() {
        rights.add(
            public,
            Kind::ConfigMap,
            "",
            hosting,
            &["create", "patch", "delete"],
        );
    }
    // The registry's own namespace. What else lies in it is looked at before it is deleted.
    let own = Some(spec.namespace());
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
    if spec.node_agent() {
        node_agent(&mut rights);
    }
    rights.0
}

/// All that `kreg gc` needs: it reads the registry, asks every Pod of it, runs the collector in one, and changes how its
/// Deployment serves.
#[must_use]
pub fn needed_to_collect(spec: &RegistrySpec) -> Vec<Right> {
    let own = Some(spec.namespace());
    let mut rights = Rights::default();
    facts(&mut rights, spec);
    registry(&mut rights, spec);
    rights.add(own, Kind::Deployment, "", None, &["patch"]);
    rights.add(own, Kind::Pod, "exec", None, &["get", "create"]);
    rights.0
}

/// All that `kreg doctor` needs: besides the registry it looks at whatever pulls from it or may be in its way, in every
/// namespace. Not at Secrets there: those that it may not read it names.
#[must_use]
pub fn needed_to_diagnose(spec: &RegistrySpec) -> Vec<Right> {
    let own = Some(spec.namespace());
    let mut rights = Rights::default();
    facts(&mut rights, spec);
    registry(&mut rights, spec);
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
    if spec.node_agent() {
        let agents = Some(NODE_AGENTS);
        rights.add(agents, Kind::DaemonSet, "", None, &["get"]);
        rights.add(agents, Kind::Pod, "", None, &["watch"]);
        rights.add(agents, Kind::Pod, "exec", None, &["get", "create"]);
    }
    rights.0
}

/// What the proof needs besides in the registry's namespace: it starts a Pod on each node, follows it, reads what it
/// wrote and takes it away.
#[must_use]
pub fn needed_to_prove(spec: &RegistrySpec) -> Vec<Right> {
    let own = Some(spec.namespace());
    let mut rights = Rights::default();
    let verbs = &["get", "list", "watch", "create", "delete"];
    rights.add(own, Kind::Pod, "", None, verbs);
    rights.add(own, Kind::Pod, "log", None, &["get"]);
    rights.add(own, Kind::Event, "", None, &["list"]);
    rights.add(own, Kind::Pod, "portforward", None, &["get", "create"]);
    rights.0
}

/// Facts of the cluster and the registry's record, with which every command begins.
fn facts(rights: &mut Rights, spec: &RegistrySpec) {
    let record = Names::of(spec).inventory;
    rights.add(None, Kind::ClusterRole, "", Some(record.name()), &["get"]);
    rights.add(None, Kind::Node, "", None, &["list"]);
    rights.add(None, Kind::StorageClass, "", None, READ);
    rights.add(None, Kind::ServiceCIDR, "", None, &["list"]);
    let system = Some("kube-system");
    rights.add(system, Kind::Pod, "", None, &["list"]);
    rights.add(system, Kind::ConfigMap, "", Some("coredns"), &["get"]);
}

/// A registry that is up: its objects and Pods, and a way to it.
fn registry(rights: &mut Rights, spec: &RegistrySpec) {
    let own = Some(spec.namespace());
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

/// Agents on the nodes: the objects of theirs, and programs run in their Pods, in their namespace alone. What else is in
/// it is looked at before it is deleted.
fn node_agent(rights: &mut Rights) {
    let agents = Some(NODE_AGENTS);
    rights.add(
        None,
        Kind::Namespace,
        "",
        agents,
        &["get", "patch", "delete"],
    );
    for kind in [Kind::ServiceAccount, Kind::ConfigMap, Kind::DaemonSet] {
        rights.add(agents, kind, "", None, OWN);
    }
    for kind in [Kind::Pod, Kind::Role, Kind::RoleBinding] {
        rights.add(agents, kind, "", None, &["list"]);
    }
    // One watch shows the Pods of all nodes.
    rights.add(agents, Kind::Pod, "", None, &["watch"]);
    // As for `portforward`.
    rights.add(agents, Kind::Pod, "exec", None, &["get", "create"]);
}

/// What giving the pull secret to other namespaces needs besides ([`crate::pull`]): to these, or (`None`) to any.
#[must_use]
pub fn needed_to_share(spec: &RegistrySpec, namespaces: Option<&[String]>) -> Vec<Right> {
    let secret = Names::of(spec).pull_secret;
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
fn needed_to_refresh(spec: &RegistrySpec, namespaces: &[String]) -> Vec<Right> {
    let secret = Names::of(spec).pull_secret;
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
    spec: &RegistrySpec,
    namespaces: &[String],
    accounts: &[String],
) -> Result<(), Error> {
    let needed = |namespaces| {
        let mut rights = needed_to_share(spec, namespaces);
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

/// Those rights of [`needed`] that the server says are missing, of those to renew copies of the pull secret, and
/// `create namespaces` if there is no namespace yet.
///
/// # Errors
/// If the server cannot be asked.
pub async fn missing(cluster: &dyn Cluster, spec: &RegistrySpec) -> Result<Vec<Right>, Error> {
    let mut rights = needed(spec);
    let copies = pull::places(cluster, spec).await?;
    rights.extend(needed_to_refresh(spec, &copies));
    let agents = spec.node_agent().then_some(NODE_AGENTS);
    let mut absent = false;
    for name in [spec.namespace()].into_iter().chain(agents) {
        let namespace = ObjectRef::new(Kind::Namespace, "", name);
        match cluster.get(&namespace).await {
            Ok(Some(_)) | Err(Error::Denied { .. }) => {}
            Ok(None) => absent = true,
            Err(error) => return Err(error),
        }
    }
    if absent {
        rights.push(Right {
            namespace: None,
            group: "",
            resource: "namespaces",
            subresource: "",
            name: None,
            verb: "create",
        });
    }
    lacking(cluster, rights).await
}

/// Those of these rights that the server says are missing.
///
/// # Errors
/// If the server cannot be asked.
pub async fn lacking(cluster: &dyn Cluster, rights: Vec<Right>) -> Result<Vec<Right>, Error> {
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

/// RBAC objects that give a service account `account` in the registry's namespace exactly these rights, such as those
/// of [`needed`]: the namespace, the account, a ClusterRole, a Role in each namespace, and their bindings. What they are
/// called has the account's name in it, so that several accounts may each have their own.
#[must_use]
pub fn manifests(spec: &RegistrySpec, account: &str, rights: &[Right]) -> Vec<Value> {
    let subject =
        json!([{ "kind": "ServiceAccount", "name": account, "namespace": spec.namespace() }]);
    let name = format!("{account}-{}", spec.instance());
    let mut objects: Vec<Value> = Manifests::foundation(spec)
        .objects()
        .iter()
        .filter(|object| object.reference().kind() == Kind::Namespace)
        .map(|object| object.value().clone())
        .collect();
    if rights
        .iter()
        .any(|right| right.namespace.as_deref() == Some(NODE_AGENTS))
    {
        objects.push(
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NODE_AGENTS,
            // As kreg labels it itself, so that `kreg down` leaves it as it was.
            "labels": { "app.kubernetes.io/managed-by": "kreg", "pod-security.kubernetes.io/enforce": "privileged" } } }),
        );
    }
    objects.push(json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": account, "namespace": spec.namespace() } }));
    let mut places: Vec<Option<String>> =
        rights.iter().map(|right| right.namespace.clone()).collect();
    places.sort();
    places.dedup();
    for place in places {
        let (role, binding) = match place {
            None => ("ClusterRole", "ClusterRoleBinding"),
            Some(_) => ("Role", "RoleBinding"),
        };
        let mut metadata = json!({ "name": name });
        if let Some(namespace) = &place {
            metadata["namespace"] = namespace.as_str().into();
        }
        let api = "rbac.authorization.k8s.io/v1";
        let rules = rules(rights.iter().filter(|right| right.namespace == place));
        objects
            .push(json!({ "apiVersion": api, "kind": role, "metadata": metadata, "rules": rules }));
        objects.push(
            json!({ "apiVersion": api, "kind": binding, "metadata": metadata, "subjects": subject,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name } }),
        );
    }
    objects
}

/// One rule for each resource and name.
fn rules<'a>(rights: impl Iterator<Item = &'a Right>) -> Vec<Value> {
    let mut rules: Vec<(Value, Vec<&str>)> = Vec::new();
    for right in rights {
        let resource = match right.subresource {
            "" => right.resource.to_owned(),
            sub => format!("{}/{sub}", right.resource),
        };
        let mut rule = json!({ "apiGroups": [right.group], "resources": [resource] });
        if let Some(name) = &right.name {
            rule["resourceNames"] = json!([name]);
        }
        match rules.iter_mut().find(|(known, _)| known == &rule) {
            // Two commands may need the same.
            Some((_, verbs)) if verbs.contains(&right.verb) => {}
            Some((_, verbs)) => verbs.push(right.verb),
            None => rules.push((rule, vec![right.verb])),
        }
    }
    rules
        .into_iter()
        .map(|(mut rule, verbs)| {
            rule["verbs"] = verbs.into();
            rule
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Profile;

    #[test]
    fn nothing_is_asked_for_that_would_give_more_than_the_registry() {
        for profile in [Profile::Default, Profile::Tutorial] {
            let spec = RegistrySpec::new(profile)
                .with_local_hosting(true)
                .with_node_agent(true);
            let all = [needed, needed_to_collect, needed_to_diagnose];
            for right in all.iter().flat_map(|needed| needed(&spec)) {
                let within = right.namespace.as_deref();
                let own = within == Some(spec.namespace()) || within == Some(NODE_AGENTS);
                let text = right.to_string();
                assert!(
                    right.verb != "*" && right.resource != "*" && right.group != "*",
                    "{text}"
                );
                assert!(right.resource != "secrets" || own, "{text}");
                // A role may be made or changed as a record only: rules that the account does not have the server
                // refuses, as it may not `escalate`.
                let record = Some(Names::of(&spec).inventory.name().to_owned());
                let of_record = right.name == record || right.verb == "create";
                assert!(
                    !right.resource.contains("role")
                        || right.verb == "list"
                        || (right.resource == "clusterroles" && of_record),
                    "{text}"
                );
                // What is written elsewhere is written by name, which cannot be demanded of what is made.
                let read = ["get", "list", "create"].contains(&right.verb);
                assert!(own || read || right.name.is_some(), "{text}");
            }
        }
    }

    #[test]
    fn to_collect_or_to_look_nothing_is_made_or_deleted_and_no_secret_listed() {
        let spec = RegistrySpec::new(Profile::Default).with_node_agent(true);
        let changes = |rights: Vec<Right>| -> Vec<String> {
            let reads = |right: &Right| {
                ["get", "list", "watch"].contains(&right.verb) || right.subresource == "portforward"
            };
            let changing = rights.iter().filter(|right| !reads(right));
            changing.map(ToString::to_string).collect()
        };
        assert_eq!(
            changes(needed_to_collect(&spec)),
            [
                "patch deployments.apps in namespace kreg-system",
                "create pods/exec in namespace kreg-system"
            ]
        );
        // To ask the agents on the nodes.
        assert_eq!(
            changes(needed_to_diagnose(&spec)),
            ["create pods/exec in namespace kreg-nodes"]
        );
        let needed = needed(&spec);
        let granted = needed_to_prove(&spec);
        assert!(
            granted.iter().all(|right| needed.contains(right)),
            "{granted:?}"
        );
        let both = [needed_to_collect(&spec), needed_to_diagnose(&spec)].concat();
        assert!(
            !both
                .iter()
                .any(|r| r.resource == "secrets" && r.verb != "get")
        );
    }

    #[test]
    fn what_two_commands_need_is_granted_once_and_two_accounts_have_roles_of_their_own() {
        let spec = RegistrySpec::new(Profile::Default);
        let twice = [needed(&spec), needed(&spec)].concat();
        let (once, twice) = (
            manifests(&spec, "a", &needed(&spec)),
            manifests(&spec, "a", &twice),
        );
        assert_eq!(once, twice);
        let role = |objects: &[Value]| -> Value {
            let mut roles = objects.iter().filter(|object| object["kind"] == "Role");
            roles.next().unwrap()["metadata"]["name"].clone()
        };
        assert_eq!(role(&once), "a-docker-registry");
        assert_eq!(
            role(&manifests(&spec, "b", &needed(&spec))),
            "b-docker-registry"
        );
    }

    #[test]
    fn every_right_is_in_a_role_of_its_namespace_and_the_account_is_bound_to_each() {
        let spec = RegistrySpec::new(Profile::Default).with_local_hosting(true);
        let namespaces = ["team".to_owned()];
        let mut rights = needed(&spec);
        rights.extend(needed_to_share(&spec, Some(&namespaces)));
        let objects = manifests(&spec, "robot", &rights);
        let of = |kind: &str| {
            objects
                .iter()
                .filter(|object| object["kind"] == kind)
                .collect::<Vec<_>>()
        };
        let granted: usize = ["Role", "ClusterRole"]
            .iter()
            .flat_map(|kind| of(kind))
            .flat_map(|role| role["rules"].as_array().unwrap())
            .map(|rule| rule["verbs"].as_array().unwrap().len())
            .sum();
        assert_eq!(granted, rights.len());
        let places: Vec<_> = of("Role")
            .iter()
            .map(|role| role["metadata"]["namespace"].as_str().unwrap())
            .collect();
        assert!(places.contains(&"team"), "{places:?}");
        assert_eq!(of("Role").len(), of("RoleBinding").len());
        assert_eq!(of("ClusterRole").len(), of("ClusterRoleBinding").len());
        for binding in of("RoleBinding") {
            assert_eq!(binding["subjects"][0]["name"], "robot");
        }
    }
}
