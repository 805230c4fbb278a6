//! The agents on the nodes, as a DaemonSet in the cluster: put there, replaced, and taken away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kreg_k8s::occupants;
use kreg_k8s::{ApplyMode, Cluster as _, Declared, Kind, LiveCluster, Object, ObjectRef, Query};
use kreg_nodes::daemonset::{AgentPod, AgentWatch, NAMESPACE, NodeAgent};
use kreg_nodes::{InstanceId, StorageDir, Trust};
use tokio::runtime::Handle;

use crate::error::{Error, Tried as _};
use crate::guard;

/// What stands of a registry's agents, as every command finds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Whether the DaemonSet is there.
    live: bool,
    /// The registry's own image, as the record has it.
    image: Option<String>,
    noted: bool,
}

impl Standing {
    pub(crate) async fn read(
        cluster: &LiveCluster,
        name: &str,
        declared: Option<&Declared>,
    ) -> Result<Self, Error> {
        let live = match cluster.get(&daemon_set(name)).await {
            // Whoever may not look there has no agents.
            Err(kreg_k8s::Error::Denied { .. }) => None,
            other => other.tried("cannot see whether there are node agents")?,
        };
        Ok(Self {
            live: live.is_some(),
            image: declared.map(|declared| declared.image.clone()),
            noted: declared.is_some_and(|declared| declared.node_agent),
        })
    }

    /// Whether the record says that the registry's nodes were set up by agents. A DaemonSet that is there says nothing:
    /// anyone may have made it.
    pub(crate) fn chosen(&self) -> bool {
        self.noted
    }

    /// Whether they are in the cluster now, by the record too.
    pub(crate) fn are_there(&self) -> bool {
        self.noted && self.live
    }

    /// What the registry itself runs.
    pub(crate) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }
}

/// The agents of one registry.
pub(crate) struct Agents {
    cluster: LiveCluster,
    watch: AgentWatch,
    instance: InstanceId,
    base: NodeAgent,
    /// Nodes whose Pods are waited for.
    ready: Vec<String>,
    timeout: Duration,
}

/// A node, its runtime as the API has it, and whether it is ready.
pub(crate) struct Host<'a> {
    pub(crate) name: &'a str,
    pub(crate) runtime: &'a str,
    pub(crate) ready: bool,
}

/// States of a container that do not pass soon.
const STUCK: [&str; 8] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "SignatureValidationFailed",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "CrashLoopBackOff",
];
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The Pod Security level of a namespace.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// How long such a state may last: a pull may be tried again.
const PATIENCE: Duration = Duration::from_secs(15);

impl Agents {
    pub(crate) fn new(
        cluster: &LiveCluster,
        watch: &AgentWatch,
        instance: &InstanceId,
        image: &str,
        hosts: &[Host<'_>],
        skip: &[String],
        timeout: Duration,
    ) -> Self {
        let ready = |host: &&Host<'_>| host.ready && !skip.iter().any(|name| name == host.name);
        Self {
            cluster: cluster.clone(),
            watch: watch.clone(),
            instance: instance.clone(),
            base: NodeAgent::new(instance.clone(), image)
                .with_runtimes(hosts.iter().map(|host| (host.name, host.runtime)))
                .without(skip.iter().cloned()),
            ready: hosts
                .iter()
                .filter(ready)
                .map(|host| host.name.to_owned())
                .collect(),
            timeout,
        }
    }

    /// Agents that do nothing of their own accord.
    pub(crate) async fn wait(&self, storage: &[StorageDir]) -> Result<(), Error> {
        self.roll(&self.base.clone().reaching(storage)).await
    }

    /// Agents that bring their nodes to `trust` and keep them there; ends when each has looked once.
    pub(crate) async fn keep(&self, trust: &Trust) -> Result<(), Error> {
        self.roll(&self.base.clone().keeping(trust.clone())).await
    }

    async fn roll(&self, agent: &NodeAgent) -> Result<(), Error> {
        let mode = ApplyMode {
            dry_run: false,
            force: true,
        };
        for value in agent.objects() {
            let object = Object::from_value(value).tried("cannot make the node agents")?;
            if self.is_theirs(&object).await? {
                continue;
            }
            if object.reference().kind() == Kind::Namespace {
                guard::put(&self.cluster, object).await?;
                continue;
            }
            self.cluster
                .apply(&object, mode)
                .await
                .tried("cannot put the node agents into the cluster")?;
        }
        let revision = agent.revision();
        self.come_up(&revision, agent.is_keeping()).await?;
        let current = agent.config_map(&revision);
        for old in self.own(Kind::ConfigMap).await? {
            if old.reference().name() != current {
                self.delete(&old).await?;
            }
        }
        Ok(())
    }

    /// Whether it is there and somebody else's. Of such things only a namespace that lets agents in is of use.
    async fn is_theirs(&self, object: &Object) -> Result<bool, Error> {
        let name = object.reference();
        let live = self.cluster.get(name).await;
        let live = live.tried(format!("cannot see whether {name} is there already"))?;
        let Some(theirs) = live.filter(|live| live.label(MANAGED_BY) != Some("kreg")) else {
            return Ok(false);
        };
        let advice = match (name.kind(), theirs.label(ENFORCE)) {
            (Kind::Namespace, Some("privileged")) => return Ok(true),
            (Kind::Namespace, _) => format!(
                "agents mount directories of their node, which this namespace must allow: \
                 `kubectl label namespace {NAMESPACE} {ENFORCE}=privileged`; or remove it, and kreg makes its own"
            ),
            _ => "remove it, or give it another name".to_owned(),
        };
        Err(Error::failed(format!(
            "{name}, which the node agents need, is there and is not kreg's; it was left alone"
        ))
        .help(advice))
    }

    /// Waits until every node that is ready has its new Pod, and that has looked once. A node whose Pod does not come is
    /// reported by whoever speaks to it next.
    async fn come_up(&self, revision: &str, keeping: bool) -> Result<(), Error> {
        let begun = Instant::now();
        let done = |pods: &[&AgentPod]| {
            let mut waited: BTreeSet<&str> = self.ready.iter().map(String::as_str).collect();
            for pod in pods.iter().filter(|pod| pod.revision == revision) {
                if is_up(pod, keeping) || (begun.elapsed() > PATIENCE && is_stuck(pod)) {
                    waited.remove(pod.node.as_str());
                }
            }
            waited.is_empty()
        };
        let came = self.watch.until(self.timeout, done).await;
        came.map(drop)
            .tried("cannot see how the node agents come up")
    }

    /// Takes all of it away, and the namespace if nothing else is in it.
    pub(crate) async fn remove(&self) -> Result<(), Error> {
        remove(&self.cluster, &self.instance, self.timeout).await
    }

    async fn own(&self, kind: Kind) -> Result<Vec<Object>, Error> {
        own(&self.cluster, &self.instance, kind).await
    }

    async fn delete(&self, object: &Object) -> Result<(), Error> {
        delete(&self.cluster, object).await
    }
}

/// Takes the agents of `instance` away. What they wrote on the nodes stays.
pub(crate) async fn remove(
    cluster: &LiveCluster,
    instance: &InstanceId,
    timeout: Duration,
) -> Result<(), Error> {
    for kind in [Kind::DaemonSet, Kind::ConfigMap, Kind::ServiceAccount] {
        for object in own(cluster, instance, kind).await? {
            delete(cluster, &object).await?;
        }
    }
    let begun = Instant::now();
    let watch = AgentWatch::new(
        cluster.client().clone(),
        Handle::current(),
        instance.clone(),
    );
    let went = watch.until(timeout, |pods| pods.is_empty()).await;
    if !went.tried("cannot see how the node agents go")? {
        return Err(still_there("the Pods of the node agents", timeout));
    }
    let namespace = ObjectRef::new(Kind::Namespace, "", NAMESPACE);
    let live = cluster.get(&namespace).await;
    let Some(live) = live.tried("cannot read the namespace of the node agents")? else {
        return guard::remove(cluster).await;
    };
    if live.label(MANAGED_BY) != Some("kreg") || in_use(cluster).await? {
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
            other => drop(other.tried("cannot read the namespace of the node agents")?),
        }
        if begun.elapsed() > timeout {
            return Err(still_there("the namespace kreg-nodes", timeout));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether anything of somebody else's is in the namespace. Where that cannot be seen, it may be.
async fn in_use(cluster: &LiveCluster) -> Result<bool, Error> {
    let what = "cannot see what else is in the namespace kreg-nodes";
    let known = match occupants::known(cluster, NAMESPACE).await {
        Err(kreg_k8s::Error::Denied { .. }) => return Ok(true),
        other => other.tried(what)?,
    };
    if !known.is_empty() {
        return Ok(true);
    }
    let unknown = occupants::unknown(cluster, NAMESPACE).await;
    Ok(unknown.tried(what)?.is_some())
}

/// Whether agents of other registries are there. Where that cannot be seen, they may be.
async fn of_others(cluster: &LiveCluster) -> Result<bool, Error> {
    let all = Query::all(Kind::DaemonSet)
        .within(NAMESPACE)
        .labelled(NodeAgent::any());
    match cluster.list(&all).await {
        Err(kreg_k8s::Error::Denied { .. }) => Ok(true),
        other => other
            .tried("cannot list the node agents")
            .map(|found| !found.is_empty()),
    }
}

async fn own(
    cluster: &LiveCluster,
    instance: &InstanceId,
    kind: Kind,
) -> Result<Vec<Object>, Error> {
    let query = Query::all(kind)
        .within(NAMESPACE)
        .labelled(NodeAgent::selector(instance));
    cluster
        .list(&query)
        .await
        .tried("cannot list what belongs to the node agents")
}

async fn delete(cluster: &LiveCluster, object: &Object) -> Result<(), Error> {
    let uid = object.uid().unwrap_or_default();
    cluster
        .delete(object.reference(), uid)
        .await
        .map(drop)
        .tried("cannot remove what belongs to the node agents")
}

fn still_there(what: &str, timeout: Duration) -> Error {
    Error::failed(format!("{what} did not go within {} s", timeout.as_secs()))
        .help("see `kubectl -n kreg-nodes get all`, then run the same command again")
}

fn is_up(pod: &AgentPod, keeping: bool) -> bool {
    !pod.terminates && pod.runs && (!keeping || pod.started)
}

fn is_stuck(pod: &AgentPod) -> bool {
    let waits = pod.waits.as_deref();
    waits.is_some_and(|reason| STUCK.contains(&reason))
}

fn daemon_set(name: &str) -> ObjectRef {
    ObjectRef::new(Kind::DaemonSet, NAMESPACE, name)
}
