//! Who may change the storage: the registry's Pods, or one collector in a turn of its own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::departures::{Departures, InTheWay, Look};
use crate::{
    cluster::{Cluster, Patcher, Query},
    error::Error,
    kind::Kind,
    manifests::serving::{Serving, Started},
    names::{ANNOTATION_TURN, LABEL_COMPONENT, LABEL_INSTANCE, Names},
    object::Object,
    place::Place,
    progress::Watcher,
    unfit::Unfit,
    wait::{Clock, Wait},
};

/// How often a write is tried that others are quicker than. The Deployment's controller writes its status all the time.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// How long [`make_way`] waits.
const LIMIT: Duration = Duration::from_secs(300);

/// A time in which the registry serves read-only, for one collector at most.
///
/// Each turn has Pods of its own, which carry its name, and its collector may run in no others. So the next turn needs
/// to know nothing about collectors, streams and the runs of kreg that started them: when the Pods of all earlier turns
/// are gone, so are the collectors in them, and none can start there any more. The same proof covers the Pods that take
/// pushes.
#[derive(Debug)]
pub struct Turn {
    /// The version of the Deployment that the turn began on. The server lets one writer only follow on a version.
    name: String,
    departures: Departures,
}

impl Turn {
    /// Has the Deployment start Pods that serve read-only, for this turn. They may do so later than this returns.
    ///
    /// # Errors
    /// If there is no Deployment, or what the server says. After [`Error::Unreachable`] it may have begun all the same.
    pub async fn begin(cluster: &dyn Cluster, place: &Place) -> Result<Turn, Error> {
        let workload = Names::of(place).workload;
        let mut turn = Turn {
            name: String::new(),
            departures: Departures::default(),
        };
        for _ in 0..TRIES {
            let live = cluster.get(&workload).await?;
            let live = live.ok_or_else(|| Unfit::NoWorkload(workload.clone()))?;
            // The answer to the last try was lost.
            if !turn.name.is_empty() && turn.is_of(&live) {
                return Ok(turn);
            }
            live.version()
                .unwrap_or_default()
                .clone_into(&mut turn.name);
            let stays = Started::ReadOnly(turn.name.clone());
            look(cluster, place, &mut turn.departures, |one| *one == stays).await?;
            let patch = patch(&live, &stays);
            match cluster.patch(&workload, &patch, Patcher::Collect).await {
                Err(Error::Raced { .. }) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome.map(|_| turn),
            }
        }
        Err(Error::Overtaken { object: workload })
    }

    /// Waits until every other Pod of the registry is proved to have ended: those that take pushes, and those of earlier
    /// turns with the collectors in them.
    ///
    /// # Errors
    /// [`Error::Unfit`] if a Pod went without that proof, [`Error::Overtaken`] if another turn has begun, or this one was
    /// ended; [`Error::Timeout`], or what the server says.
    pub async fn alone(
        &mut self,
        cluster: &dyn Cluster,
        place: &Place,
        wait: &Wait<'_>,
    ) -> Result<(), Error> {
        if !self.is_on(cluster, place).await? {
            let object = Names::of(place).workload;
            return Err(Error::Overtaken { object });
        }
        let stays = Started::ReadOnly(self.name.clone());
        alone(
            cluster,
            place,
            &mut self.departures,
            |one| *one == stays,
            wait,
        )
        .await?;
        match self.is_on(cluster, place).await? {
            true => Ok(()),
            false => Err(Error::Overtaken {
                object: Names::of(place).workload,
            }),
        }
    }

    /// Whether the Deployment still is of this turn.
    ///
    /// # Errors
    /// What the server says.
    pub async fn is_on(&self, cluster: &dyn Cluster, place: &Place) -> Result<bool, Error> {
        let live = cluster.get(&Names::of(place).workload).await?;
        Ok(live.is_some_and(|live| self.is_of(&live)))
    }

    /// Whether this Pod, or this Deployment, is of this turn.
    #[must_use]
    pub fn is_of(&self, workload: &Object) -> bool {
        Started::of(workload) == Started::ReadOnly(self.name.clone())
    }

    /// Has the registry take pushes again, unless another turn has begun meanwhile: `false` if so. Only where no collector
    /// of this turn runs any more; [`settle`] where nobody knows.
    ///
    /// # Errors
    /// What the server says.
    pub async fn end(&self, cluster: &dyn Cluster, place: &Place) -> Result<bool, Error> {
        let workload = Names::of(place).workload;
        let mut tried = false;
        for _ in 0..TRIES {
            let Some(live) = cluster.get(&workload).await? else {
                return Ok(false);
            };
            if !self.is_of(&live) {
                // The answer to the last try may have been lost.
                return Ok(tried && Started::of(&live) == Started::Usual);
            }
            let patch = patch(&live, &Started::Usual);
            match cluster.patch(&workload, &patch, Patcher::Collect).await {
                Err(Error::Raced { .. }) => tried = true,
                outcome => return outcome.map(|_| true),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Overtaken { object: workload })
    }
}

/// Has the registry take pushes again when every collector that may still run has ended, whichever run of kreg started it. Until then
/// it serves read-only. `false` if another turn has begun meanwhile, which is then in charge.
///
/// # Errors
/// Those of [`Turn::begin`] and [`Turn::alone`]; the registry then stays read-only.
pub async fn settle(cluster: &dyn Cluster, place: &Place, wait: &Wait<'_>) -> Result<bool, Error> {
    let mut turn = Turn::begin(cluster, place).await?;
    turn.alone(cluster, place, wait).await?;
    turn.end(cluster, place).await
}

/// Waits until nothing in any Pod can collect, so that a Deployment may be written whose Pods take pushes. Returns the
/// version for which that holds: a turn that begins later makes another. `None` if there is no Deployment.
pub(crate) async fn make_way(
    cluster: &dyn Cluster,
    place: &Place,
    watcher: Watcher<'_>,
) -> Result<Option<String>, Error> {
    let workload = Names::of(place).workload;
    let wait = Wait::new(LIMIT, watcher);
    for _ in 0..TRIES {
        let live = cluster.get(&workload).await?;
        if live
            .as_ref()
            .is_some_and(|live| Started::of(live).is_read_only())
        {
            settle(cluster, place, &wait).await?;
            continue;
        }
        let mut departures = Departures::default();
        alone(
            cluster,
            place,
            &mut departures,
            |one| !one.is_read_only(),
            &wait,
        )
        .await?;
        return Ok(live.and_then(|live| live.version().map(str::to_owned)));
    }
    Err(Error::Overtaken { object: workload })
}

/// A patch that holds only for the version that was read.
fn patch(live: &Object, to: &Started) -> Value {
    let (serving, turn) = match to {
        Started::ReadOnly(turn) => (Serving::ReadOnly, Value::from(turn.as_str())),
        Started::Usual | Started::Otherwise => (Serving::Usual, Value::Null),
    };
    json!({
        "metadata": { "resourceVersion": live.version() },
        "spec": { "template": {
            "metadata": { "annotations": { ANNOTATION_TURN: turn } },
            "spec": { "containers": [{ "name": "registry", "args": serving.arguments() }] },
        } },
    })
}

async fn alone(
    cluster: &dyn Cluster,
    place: &Place,
    departures: &mut Departures,
    stays: impl Fn(&Started) -> bool + Send + Sync,
    wait: &Wait<'_>,
) -> Result<(), Error> {
    let goal = "free of Pods that were started before";
    let mut clock = Clock::new(wait, Names::of(place).workload, goal);
    let mut last = (Instant::now(), Vec::new());
    loop {
        let in_the_way = look(cluster, place, departures, &stays).await?;
        if in_the_way.is_empty() {
            return Ok(());
        }
        if last.1 != in_the_way {
            last = (Instant::now(), in_the_way);
        } else if last.0.elapsed() >= wait.patience {
            // A rollout that stands still: it keeps the old Pods for as long as the new ones cannot start. Those that
            // take pushes may stay, and the wait ends by its own limit.
            for one in last.1.iter().filter(|one| one.collects && !one.leaving) {
                match cluster.delete(&one.object, &one.uid).await {
                    // To collect takes no such right.
                    Err(Error::Denied { .. }) => {}
                    outcome => drop(outcome?),
                }
            }
        }
        let text: Vec<String> = last.1.iter().map(InTheWay::to_string).collect();
        clock.pause(&text.join("; ")).await?;
    }
}

async fn look(
    cluster: &dyn Cluster,
    place: &Place,
    departures: &mut Departures,
    stays: impl Fn(&Started) -> bool,
) -> Result<Vec<InTheWay>, Error> {
    let query = |kind| Query::all(kind).within(place.namespace());
    let mut look = Look::default();
    let labelled = format!("{LABEL_INSTANCE}={}", place.instance());
    look.sets = cluster
        .list(&query(Kind::ReplicaSet).labelled(labelled))
        .await?;
    look.pods = cluster.list(&query(Kind::Pod)).await?;
    look.pods.retain(|pod| is_of_registry(pod, place));
    for name in departures.nodes(&look.pods) {
        let named = Query::all(Kind::Node).with_fields(format!("metadata.name={name}"));
        look.nodes.extend(cluster.list(&named).await?);
    }
    departures.look(&look, stays)
}

/// Whether a Pod runs the registry: by its labels or, where somebody took these off, by the configuration that it mounts.
fn is_of_registry(pod: &Object, place: &Place) -> bool {
    let config = Names::of(place).config;
    let mounts = |volume: &Value| {
        let config = config.as_ref().map(|config| config.name());
        config.is_some() && volume["configMap"]["name"].as_str() == config
    };
    let is_labelled = pod.label(LABEL_INSTANCE) == Some(place.instance())
        && pod.label(LABEL_COMPONENT) == Some("registry");
    is_labelled || pod.items("/spec/volumes").iter().any(mounts)
}
