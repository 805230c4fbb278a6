//! Waits that end when the goal is reached, when time is up, or as soon as waiting is pointless.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cause::{Cause, Remedy},
    claim::{self, ClaimState},
    cluster::{Cluster, Query},
    diagnose::{PodState, explain, is_rolled_out, pod_state, wanted, warnings},
    error::Error,
    kind::Kind,
    names::{Names, pod_selector},
    object::Object,
    object_ref::ObjectRef,
    place::Place,
    progress::{Progress, Watcher},
    spec::RegistrySpec,
};

/// How to wait.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// The time allowed.
    pub timeout: Duration,
    /// Pause between two looks.
    pub interval: Duration,
    /// How long something that often passes (unschedulable, a volume not yet made) may last before it counts as stuck.
    pub patience: Duration,
    /// Hears of every new state.
    pub watcher: Watcher<'a>,
}

impl<'a> Wait<'a> {
    /// Looks twice a second; patience of 20 seconds.
    #[must_use]
    pub fn new(timeout: Duration, watcher: Watcher<'a>) -> Self {
        Wait {
            timeout,
            interval: Duration::from_millis(500),
            patience: Duration::from_secs(20),
            watcher,
        }
    }
}

/// How the wait for storage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageReady {
    /// The claim has its volume.
    Bound,
    /// The StorageClass binds only once a Pod uses the claim (`WaitForFirstConsumer`); go on and make the Pod.
    AfterPod,
    /// This storage has no claim.
    NoClaim,
}

/// Waits until the registry's claim has a volume, so that the Pod is not refused by the scheduler first.
///
/// # Errors
/// [`Error::Stuck`] if the claim cannot get a volume, [`Error::Timeout`], or what the server says.
pub async fn storage_ready(
    cluster: &dyn Cluster,
    spec: &RegistrySpec,
    wait: &Wait<'_>,
) -> Result<StorageReady, Error> {
    let Some(reference) = claim::used_by(spec) else {
        return Ok(StorageReady::NoClaim);
    };
    let mut clock = Clock::new(wait, reference.clone(), "bound");
    loop {
        let Some(live) = cluster.get(&reference).await? else {
            return Err(Error::Stuck(Box::new(Cause {
                object: reference,
                reason: "Missing".to_owned(),
                message: "the claim does not exist".to_owned(),
                evidence: Vec::new(),
                remedy: Remedy::MakeClaim,
            })));
        };
        match claim::state(cluster, &live).await? {
            ClaimState::Bound => return Ok(StorageReady::Bound),
            ClaimState::AfterPod => return Ok(StorageReady::AfterPod),
            ClaimState::Stuck(cause) => return Err(Error::Stuck(Box::new(cause))),
            ClaimState::Pending => {
                let said = warnings(cluster, &live).await?;
                clock.delayed(!said.is_empty());
                if clock.out_of_patience() || clock.is_over() {
                    return Err(Error::Stuck(Box::new(claim::unprovisioned(&live, said))));
                }
                clock.pause("pending").await?;
            }
        }
    }
}

/// Waits until the registry's Pod is ready under the newest state of its Deployment.
///
/// A Pod that is stuck when it is first seen got stuck before: what held it may be fixed by now, and it only waits out
/// its back-off. One of a Deployment is deleted, so that another begins at once; the tutorial's bare Pod gets the time.
///
/// # Errors
/// [`Error::Stuck`] with the Pod's real cause, [`Error::Timeout`], or what the server says.
pub async fn registry_ready(
    cluster: &dyn Cluster,
    place: &Place,
    wait: &Wait<'_>,
) -> Result<(), Error> {
    let workload = Names::of(place).workload;
    let mut clock = Clock::new(wait, workload.clone(), "ready");
    let mut known = BTreeSet::new();
    let mut recreated = 0;
    loop {
        let (pod, text) = match look(cluster, place, &workload).await? {
            Look::Ready => return Ok(()),
            Look::Stuck(cause) => return Err(Error::Stuck(Box::new(cause))),
            Look::Waiting(text) => (None, text),
            Look::Pod { pod, replicas } => {
                let (uid, state) = (pod.uid().unwrap_or("").to_owned(), pod_state(&pod));
                let is_stuck = matches!(state, PodState::Stuck { .. });
                let from_before = is_stuck && recreated < replicas && !known.contains(&uid);
                if !is_stuck {
                    known.insert(uid.clone());
                }
                let text = match state {
                    // Ready by itself; the Deployment is about to notice.
                    PodState::Ready => "Pod ready".to_owned(),
                    PodState::Stuck { reason, .. } if from_before => {
                        if workload.kind() == Kind::Deployment {
                            recreated += 1;
                            cluster.delete(pod.reference(), &uid).await?;
                        }
                        clock.delayed(false);
                        format!("{reason} from before")
                    }
                    state @ PodState::Stuck { .. } => {
                        return Err(Error::Stuck(Box::new(
                            explain(cluster, &pod, &state).await?,
                        )));
                    }
                    PodState::Delayed { reason, message } => {
                        clock.delayed(true);
                        format!("{reason}: {message}")
                    }
                    PodState::Coming(text) => {
                        // With WaitForFirstConsumer the scheduler says nothing while the provisioner fails.
                        let unbound = claim_trouble(cluster, &pod)
                            .await?
                            .filter(|cause| !cause.evidence.is_empty());
                        clock.delayed(unbound.is_some());
                        unbound.map_or(text, |cause| cause.message)
                    }
                };
                (Some(pod), text)
            }
        };
        if let Some(pod) = pod
            && (clock.out_of_patience() || clock.is_over())
        {
            return Err(Error::Stuck(Box::new(hopeless(cluster, &pod).await?)));
        }
        clock.pause(&text).await?;
    }
}

/// Waits until this very object (its uid) is gone.
///
/// # Errors
/// [`Error::Timeout`], which names the finalizers that hold it, or what the server says.
pub async fn gone(
    cluster: &dyn Cluster,
    object: &ObjectRef,
    uid: &str,
    wait: &Wait<'_>,
) -> Result<(), Error> {
    let mut clock = Clock::new(wait, object.clone(), "gone");
    loop {
        match cluster.get(object).await? {
            Some(live) if live.uid() == Some(uid) => clock.pause(&holders(&live)).await?,
            _ => return Ok(()),
        }
    }
}

/// Waits, a few seconds at most, until the volume controller has taken note of this new volume.
///
/// A claim by name that the controller sees before its volume stays Pending until it looks at all claims again, every
/// 15 seconds (Kubernetes, pkg/controller/volume/persistentvolume, `syncUnboundClaim`). Not all is lost if it is late,
/// so this never fails for that.
pub(crate) async fn volume_noted(cluster: &dyn Cluster, volume: &ObjectRef) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        // The API server itself makes a new volume Pending; a folder has no phases.
        match cluster.get(volume).await? {
            Some(live) if live.text("/status/phase") == Some("Pending") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => break,
        }
    }
    Ok(())
}

enum Look {
    Ready,
    Waiting(String),
    /// The Pod that is waited for, of so many.
    Pod {
        pod: Object,
        replicas: i64,
    },
    Stuck(Cause),
}

async fn look(cluster: &dyn Cluster, place: &Place, workload: &ObjectRef) -> Result<Look, Error> {
    let Some(live) = cluster.get(workload).await? else {
        return Ok(Look::Waiting("not there yet".to_owned()));
    };
    if workload.kind() == Kind::Pod {
        return Ok(match pod_state(&live) {
            PodState::Ready => Look::Ready,
            _ => Look::Pod {
                pod: live,
                replicas: 1,
            },
        });
    }
    // Until the controller has seen the newest spec, its status speaks of an older one.
    let seen = live.number("/status/observedGeneration").unwrap_or(0);
    if seen < live.number("/metadata/generation").unwrap_or(0) {
        return Ok(Look::Waiting(
            "the Deployment controller has not seen it yet".to_owned(),
        ));
    }
    if is_rolled_out(&live) {
        return Ok(Look::Ready);
    }
    if let Some(cause) = replica_failure(&live) {
        return Ok(Look::Stuck(cause));
    }
    Ok(match newest_pod(cluster, place, &live).await? {
        Some(pod) => Look::Pod {
            pod,
            replicas: wanted(&live),
        },
        None => Look::Waiting("no Pod yet".to_owned()),
    })
}

/// The API server would not take the Pod: quota, Pod Security, a webhook.
fn replica_failure(deployment: &Object) -> Option<Cause> {
    let failure = deployment
        .items("/status/conditions")
        .iter()
        .find(|condition| {
            let text = |key: &str| condition.get(key).and_then(Value::as_str);
            text("type") == Some("ReplicaFailure") && text("status") == Some("True")
        })?;
    let text = |key: &str| {
        failure
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    Some(Cause {
        object: deployment.reference().clone(),
        reason: text("reason"),
        message: text("message"),
        evidence: Vec::new(),
        remedy: Remedy::Admission,
    })
}

/// The Pod of the Deployment's newest ReplicaSet; Pods of older ones are on their way out and prove nothing.
async fn newest_pod(
    cluster: &dyn Cluster,
    place: &Place,
    deployment: &Object,
) -> Result<Option<Object>, Error> {
    const REVISION: &str = "deployment.kubernetes.io/revision";
    const HASH: &str = "pod-template-hash";
    let selector = pod_selector(place.instance());
    let query = |kind| {
        Query::all(kind)
            .within(place.namespace())
            .labelled(selector.clone())
    };
    let sets = cluster.list(&query(Kind::ReplicaSet)).await?;
    let newest = sets.iter().find(|set| {
        set.annotation(REVISION).is_some()
            && set.annotation(REVISION) == deployment.annotation(REVISION)
    });
    let Some(hash) = newest.and_then(|set| set.label(HASH)) else {
        return Ok(None);
    };
    let mut pods = cluster.list(&query(Kind::Pod)).await?;
    pods.retain(|pod| pod.label(HASH) == Some(hash) && !pod.is_terminating());
    // Of several, the one that is waited for.
    pods.sort_by_key(|pod| pod_state(pod) == PodState::Ready);
    Ok(pods.into_iter().next())
}

/// A Pod that waits for its volume is the claim's fault: say so.
async fn hopeless(cluster: &dyn Cluster, pod: &Object) -> Result<Cause, Error> {
    let state = pod_state(pod);
    // No room on any node, say, is not the claim's fault, though it stays unbound too.
    let of_its_own = matches!(&state, PodState::Delayed { message, .. } if !message.contains("ersistentVolumeClaim"));
    match claim_trouble(cluster, pod).await? {
        Some(cause) if !cause.evidence.is_empty() || !of_its_own => Ok(cause),
        _ => explain(cluster, pod, &state).await,
    }
}

/// What keeps the claim of a Pod that has no node yet from its volume.
async fn claim_trouble(cluster: &dyn Cluster, pod: &Object) -> Result<Option<Cause>, Error> {
    if pod.text("/spec/nodeName").is_some() {
        return Ok(None);
    }
    let Some(reference) = claim::mounted_by(pod) else {
        return Ok(None);
    };
    match cluster.get(&reference).await? {
        Some(live) if live.text("/status/phase") != Some("Bound") => {
            let said = warnings(cluster, &live).await?;
            Ok(Some(claim::unprovisioned(&live, said)))
        }
        _ => Ok(None),
    }
}

fn holders(live: &Object) -> String {
    let finalizers: Vec<&str> = live
        .items("/metadata/finalizers")
        .iter()
        .chain(live.items("/spec/finalizers"))
        .filter_map(Value::as_str)
        .collect();
    match (live.is_terminating(), finalizers.is_empty()) {
        (false, _) => "still there".to_owned(),
        (true, true) => "terminating".to_owned(),
        (true, false) => format!("terminating, held by {}", finalizers.join(", ")),
    }
}

pub(crate) struct Clock<'a> {
    wait: Wait<'a>,
    object: ObjectRef,
    goal: &'static str,
    begun: Instant,
    delayed_since: Option<Instant>,
    last: String,
}

impl<'a> Clock<'a> {
    pub(crate) fn new(wait: &Wait<'a>, object: ObjectRef, goal: &'static str) -> Self {
        Clock {
            wait: *wait,
            object,
            goal,
            begun: Instant::now(),
            delayed_since: None,
            last: String::new(),
        }
    }

    fn delayed(&mut self, is_delayed: bool) {
        self.delayed_since = is_delayed.then(|| self.delayed_since.unwrap_or_else(Instant::now));
    }

    fn out_of_patience(&self) -> bool {
        self.delayed_since
            .is_some_and(|since| since.elapsed() >= self.wait.patience)
    }

    fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.wait.timeout
    }

    pub(crate) async fn pause(&mut self, state: &str) -> Result<(), Error> {
        if self.last != state {
            state.clone_into(&mut self.last);
            (self.wait.watcher)(Progress::Waiting(self.object.clone(), state.to_owned()));
        }
        if self.is_over() {
            return Err(Error::Timeout {
                object: self.object.clone(),
                goal: self.goal,
                limit: self.wait.timeout,
                last: self.last.clone(),
            });
        }
        tokio::time::sleep(self.wait.interval).await;
        Ok(())
    }
}
