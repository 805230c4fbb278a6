//! What the tests on a real API server share. They fail, and never skip, without one.

// Each test binary uses its own part of this, and none exports anything.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::disallowed_methods, reason = "what others than kreg write")]

pub mod unruly;

use std::{
    net::IpAddr,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use futures::future::BoxFuture;
use kreg_k8s::{
    ApplyMode, Cluster, ClusterFacts, Connection, Deleted, DownOptions, Error, Kind, LiveCluster,
    Manifests, Material, Object, ObjectRef, Place, Profile, Progress, Query, RegistrySpec,
    RegistryState, Scope, Storage, apply, down, wait,
};
use serde_json::{Value, json};

/// The cluster of `$KUBECONFIG`.
pub async fn cluster() -> LiveCluster {
    LiveCluster::connect(&Connection::default())
        .await
        .expect("this test needs a cluster: set KUBECONFIG")
}

/// A spec whose namespace, instance and Service no other test uses, on storage that needs nothing.
pub fn spec(test: &str) -> RegistrySpec {
    let name = format!("t-{test}-{}", std::process::id());
    Place::new(Profile::Default)
        .with_instance(&name)
        .and_then(|place| place.with_namespace(&name))
        .and_then(|place| RegistrySpec::new(place).with_image("kreg.test/registry:2.8.2"))
        .and_then(|spec| spec.with_storage(Storage::EmptyDir))
        .unwrap()
}

/// Certificates and passwords that an API server takes; a registry would not start with them.
pub fn dummy_material() -> Material {
    Material {
        tls_chain_pem: "certificate\n".into(),
        tls_key_pem: "key".into(),
        ca_bundle_pem: "ca\n".into(),
        ca_key_pem: Some("ca-key".into()),
        htpasswd: "u:$2y$10$x\n".into(),
        http_secret: "0123456789".into(),
        docker_config_json: r#"{"auths":{}}"#.into(),
        s3: None,
    }
}

/// Certificates and passwords a registry starts with; the password is `wonderland`.
pub fn real_material(spec: &RegistrySpec, address: IpAddr) -> Material {
    use kreg_auth::{Cost, Credentials, Htpasswd, PullSecret};
    use kreg_pki::{Authority, AuthorityRequest, Issuer, LeafRequest};
    let authority = Authority::generate(&AuthorityRequest::new(spec.place().instance())).unwrap();
    let names = spec.place().certificate_names(Some(address)).into_iter();
    let request =
        LeafRequest::new(spec.place().service()).sans(names.map(|name| name.parse().unwrap()));
    let leaf = authority.issue(&request).unwrap();
    let alice = Credentials::new("alice", "wonderland").unwrap();
    let mut users = Htpasswd::parse("");
    users.add(&alice, Cost::MIN).unwrap();
    let host = spec.place().registry_name().parse().unwrap();
    Material {
        tls_chain_pem: leaf.chain_pem(),
        tls_key_pem: leaf.key_pem().clone(),
        ca_bundle_pem: authority.certificate_pem(),
        ca_key_pem: Some(authority.key_pem().clone()),
        htpasswd: String::from_utf8(users.to_bytes()).unwrap().into(),
        http_secret: "0123456789".into(),
        docker_config_json: PullSecret::for_registry(&host, &alice).to_json(),
        s3: None,
    }
}

pub fn quiet(_: Progress) {}

/// Foundation, address, everything; returns the spec with its address.
pub async fn up(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
) -> Result<(RegistrySpec, Vec<kreg_k8s::Change>), Error> {
    let options = kreg_k8s::ApplyOptions::default();
    let foundation = Manifests::foundation(spec);
    apply::apply(cluster, &foundation, options, &quiet).await?;
    let spec = spec
        .clone()
        .with_cluster_ip(Some(apply::cluster_ip(cluster, &foundation).await?));
    let state = RegistryState::read(cluster, spec.place()).await?;
    let applied = apply::apply(
        cluster,
        &Manifests::full(&spec, &dummy_material()).decided_on(&state.versions),
        options,
        &quiet,
    )
    .await?;
    Ok((spec, applied.changes))
}

pub async fn down_with_data(cluster: &dyn Cluster, spec: &RegistrySpec) -> kreg_k8s::Removal {
    let options = DownOptions {
        delete_data: true,
        keep_record: false,
        timeout: Duration::from_secs(90),
    };
    down::down(cluster, spec.place(), options, &quiet)
        .await
        .unwrap()
}

/// Everything in a namespace (and the namespace) as text, without what comes or changes by itself.
pub async fn contents(cluster: &dyn Cluster, namespace: &str) -> Vec<String> {
    let mut found = Vec::new();
    for kind in Kind::ALL.iter().copied() {
        let of_a_registry = kind.holds_data() || kind == Kind::ClusterRole;
        if kind == Kind::Event || (kind.scope() == Scope::Cluster && !of_a_registry) {
            continue;
        }
        for object in cluster
            .list(&Query::all(kind).within(namespace))
            .await
            .unwrap()
        {
            let is_owned = object.value()["metadata"].get("ownerReferences").is_some();
            if is_owned || made_by_controllers(object.reference()) {
                continue;
            }
            let mut value = object.value().clone();
            for key in ["resourceVersion", "managedFields"] {
                value["metadata"].as_object_mut().unwrap().remove(key);
            }
            // What controllers report moves by itself.
            if kind == Kind::Deployment {
                value.as_object_mut().unwrap().remove("status");
                let annotations = value["metadata"]["annotations"].as_object_mut();
                annotations.map(|all| all.remove("deployment.kubernetes.io/revision"));
            }
            let text = value.to_string();
            // Of volumes, namespaces and records only those that have to do with this one.
            if kind.scope() == Scope::Namespaced || is_about(&text, namespace) {
                found.push(text);
            }
        }
    }
    found.sort();
    found
}

/// Whether the namespace is named as JSON names it, or as a record does in the JSON within its JSON, where `default` may
/// be a profile as well.
fn is_about(text: &str, namespace: &str) -> bool {
    [
        format!("\"{namespace}\""),
        format!("\\\"namespace\\\":\\\"{namespace}\\\""),
    ]
    .iter()
    .any(|named| text.contains(named))
}

/// What the controller manager puts into every namespace, some time after it was made.
fn made_by_controllers(reference: &ObjectRef) -> bool {
    match reference.kind() {
        Kind::ServiceAccount => reference.name() == "default",
        Kind::ConfigMap => reference.name() == "kube-root-ca.crt",
        // Before Kubernetes 1.24.
        Kind::Secret => reference.name().starts_with("default-token-"),
        _ => false,
    }
}

/// uid and resourceVersion of every object of the instance: any write at all shows.
pub async fn versions(cluster: &dyn Cluster, manifests: &Manifests) -> Vec<String> {
    let inventory = kreg_k8s::Names::of(manifests.spec().place()).inventory;
    let references = manifests
        .objects()
        .iter()
        .map(Object::reference)
        .chain([&inventory]);
    let mut versions = Vec::new();
    for reference in references {
        // Controllers write to these on their own.
        if matches!(
            reference.kind(),
            Kind::Deployment | Kind::Pod | Kind::PersistentVolume | Kind::PersistentVolumeClaim
        ) {
            continue;
        }
        let live = cluster.get(reference).await.unwrap().unwrap();
        versions.push(format!(
            "{reference} {:?} {:?}",
            live.uid(),
            live.text("/metadata/resourceVersion")
        ));
    }
    versions
}

/// Writes as another field manager would, by plain patch (`Update`) or server-side apply.
pub async fn write_as(
    cluster: &LiveCluster,
    manager: &str,
    kind: Kind,
    namespace: &str,
    name: &str,
    patch: Value,
    declare: bool,
) {
    use kube::api::{Api, DynamicObject, Patch, PatchParams};
    let resource = kube::core::ApiResource {
        group: kind.group().into(),
        version: kind.version().into(),
        api_version: kind.api_version(),
        kind: kind.name().into(),
        plural: kind.plural().into(),
    };
    let api: Api<DynamicObject> = match kind.scope() {
        Scope::Namespaced => Api::namespaced_with(cluster.client().clone(), namespace, &resource),
        Scope::Cluster => Api::all_with(cluster.client().clone(), &resource),
    };
    let mut body =
        json!({"apiVersion": kind.api_version(), "kind": kind.name(), "metadata": {"name": name}});
    for (key, value) in patch.as_object().unwrap() {
        if key == "metadata" {
            for (key, value) in value.as_object().unwrap() {
                body["metadata"][key] = value.clone();
            }
        } else {
            body[key] = value.clone();
        }
    }
    let parameters = PatchParams {
        field_manager: Some(manager.into()),
        force: declare,
        ..PatchParams::default()
    };
    let patch = if declare {
        Patch::Apply(body)
    } else {
        Patch::Merge(body)
    };
    api.patch(name, &parameters, &patch).await.unwrap();
}

/// A cluster that dies at the n-th write, as a killed process would.
pub struct Mortal<'a> {
    inner: &'a dyn Cluster,
    writes_left: AtomicI64,
    blind: bool,
}

impl<'a> Mortal<'a> {
    pub fn new(inner: &'a dyn Cluster, writes: i64) -> Self {
        Mortal {
            inner,
            writes_left: AtomicI64::new(writes),
            blind: false,
        }
    }

    /// It may not list what it does not know.
    pub fn blind(mut self) -> Self {
        self.blind = true;
        self
    }

    fn spend(&self) -> Result<(), Error> {
        if self.writes_left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(Error::Malformed {
            what: "the run".into(),
            problem: "was killed here".into(),
        })
    }
}

impl Cluster for Mortal<'_> {
    fn get<'a>(&'a self, object: &'a ObjectRef) -> BoxFuture<'a, Result<Option<Object>, Error>> {
        self.inner.get(object)
    }

    fn list<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Object>, Error>> {
        self.inner.list(query)
    }

    fn strangers<'a>(&'a self, namespace: &'a str) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        match self.blind {
            false => self.inner.strangers(namespace),
            true => Box::pin(async {
                Err(Error::Denied {
                    action: "list",
                    object: "widgets".into(),
                    message: "for this test".into(),
                })
            }),
        }
    }

    fn apply<'a>(
        &'a self,
        object: &'a Object,
        mode: ApplyMode,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            if !mode.dry_run {
                self.spend()?;
            }
            self.inner.apply(object, mode).await
        })
    }

    fn create<'a>(&'a self, object: &'a Object) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            self.spend()?;
            self.inner.create(object).await
        })
    }

    fn remove_fields<'a>(
        &'a self,
        object: &'a Object,
        pointers: &'a [String],
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            if !dry_run {
                self.spend()?;
            }
            self.inner.remove_fields(object, pointers, dry_run).await
        })
    }

    fn replace<'a>(
        &'a self,
        object: &'a Object,
        dry_run: bool,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            if !dry_run {
                self.spend()?;
            }
            self.inner.replace(object, dry_run).await
        })
    }

    fn patch<'a>(
        &'a self,
        object: &'a ObjectRef,
        patch: &'a Value,
        by: kreg_k8s::Patcher,
    ) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            self.spend()?;
            self.inner.patch(object, patch, by).await
        })
    }

    fn delete<'a>(
        &'a self,
        object: &'a ObjectRef,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, Error>> {
        Box::pin(async move {
            self.spend()?;
            self.inner.delete(object, uid).await
        })
    }
}

/// New namespaces with their service account `default`.
pub async fn teams(cluster: &LiveCluster, test: &str, names: &[&str]) -> Vec<String> {
    let mut made = Vec::new();
    for name in names {
        let name = format!("t-{test}-team-{name}-{}", std::process::id());
        write_as(cluster, "test", Kind::Namespace, "", &name, json!({}), true).await;
        let default = ObjectRef::new(Kind::ServiceAccount, &name, "default");
        while cluster.get(&default).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        made.push(name);
    }
    made
}

/// Deletes them; does not wait.
pub async fn remove_namespaces(cluster: &LiveCluster, namespaces: &[String]) {
    for name in namespaces {
        let reference = ObjectRef::new(Kind::Namespace, "", name);
        let live = cluster.get(&reference).await.unwrap().unwrap();
        cluster
            .delete(&reference, live.uid().unwrap())
            .await
            .unwrap();
    }
}

/// The service account `default`.
pub async fn account(cluster: &LiveCluster, namespace: &str) -> Object {
    let default = ObjectRef::new(Kind::ServiceAccount, namespace, "default");
    cluster.get(&default).await.unwrap().unwrap()
}

/// Names of its pull secrets.
pub fn entries(account: &Object) -> Vec<String> {
    let names = account.items("/imagePullSecrets").iter();
    names
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Kubelets make it, and nobody removes it: not the one that a registry on this cluster might use.
pub const TEST_DIRECTORY: &str = "/tmp/kreg-k8s-tests";

pub async fn cluster_node(cluster: &LiveCluster) -> Option<String> {
    let facts = ClusterFacts::read(cluster).await.unwrap();
    // A volume binds without a Pod wherever its node may be.
    Some(
        facts
            .nodes
            .first()
            .map_or("no-node-needed".to_owned(), |node| node.hostname.clone()),
    )
}

/// The namespace of a test, and the record of a registry in it.
pub async fn delete_namespace(cluster: &LiveCluster, name: &str) {
    let record = ObjectRef::new(Kind::ClusterRole, "", &format!("kreg:{name}"));
    for reference in [record, ObjectRef::new(Kind::Namespace, "", name)] {
        let Some(live) = cluster.get(&reference).await.unwrap() else {
            continue;
        };
        let uid = live.uid().unwrap().to_owned();
        cluster.delete(&reference, &uid).await.unwrap();
        let waiting = wait::Wait::new(Duration::from_secs(60), &quiet);
        wait::gone(cluster, &reference, &uid, &waiting)
            .await
            .unwrap();
    }
}
