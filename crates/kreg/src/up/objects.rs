//! The registry's objects, with certificates and passwords that fit what is there.

use std::net::IpAddr;
use std::time::Duration;

use kreg_k8s::{
    ApplyOptions, Change, Manifests, Progress, RegistrySpec, RegistryState, apply, pull, wait,
};
use kreg_pki::External;
use tokio::task::block_in_place;

use super::{Directory, Up};
use crate::error::{Error, Tried as _};
use crate::event::{Observer, Stage};
use crate::intent::Intent;
use crate::made::Made;
use crate::material::Decision;
use crate::registry::{Registry, Standing};
use crate::words::count;

/// How often certificates and passwords are decided again because somebody else was quicker. Of two who both do it for
/// the first time, one loses at most once for each Secret.
const OVERTAKEN: u32 = 10;

impl Registry {
    pub(super) async fn put_objects(
        &self,
        intent: &Intent,
        spec: RegistrySpec,
        state: &RegistryState,
        (external, directory): (Option<&External>, Option<&Directory<'_>>),
        on: &dyn Observer,
    ) -> Result<Up, Error> {
        let cluster = self.cluster().as_ref();
        let stage = on.stage("service and storage");
        let foundation = Manifests::foundation(&spec);
        let first = apply::apply(cluster, &foundation, options(intent), &|event| {
            show(&stage, &event);
        })
        .await
        .tried("cannot put the registry's service and storage into the cluster")?;
        let address = apply::cluster_ip(cluster, &foundation)
            .await
            .tried("cannot read the address of the registry's service")?;
        // Of several who make the registry at once, the first one's id counts.
        let id = Some(first.inventory.id.clone());
        let spec = spec.with_cluster_ip(Some(address)).with_id(id);
        let watcher = |event: Progress| show(&stage, &event);
        wait::storage_ready(cluster, &spec, &wait::Wait::new(intent.timeout, &watcher))
            .await
            .tried("the registry's storage does not come up")?;
        if let Some(directory) = directory {
            directory.is_free(spec.place(), on)?;
        }
        stage.done(format!("{}, address {address}", changed(&first.changes)));

        let wanted = (intent, external);
        let (decision, stage, second) = self.decided(wanted, &spec, address, state, on).await?;
        self.ready(&spec, intent.timeout, &stage).await?;
        if let Some(directory) = directory {
            directory.claim(spec.place(), on).await?;
        }
        // Before anybody pulls with the new password.
        let (_, not_renewed) = pull::refresh(cluster, spec.place())
            .await
            .tried("cannot renew the pull secret in other namespaces")?;
        stage.done(format!("{}, ready", changed(&second)));
        Ok(Up {
            registry: spec.place().registry_name(),
            namespace: spec.place().namespace().to_owned(),
            cluster_ip: address,
            changed: false,
            spec,
            standing: Standing {
                address,
                bundle_pem: decision.material.ca_bundle_pem,
                credentials: decision.credentials,
                state: self.state().await?,
            },
            objects: merged(first.changes, second),
            made: decision.made,
            nodes: Vec::new(),
            not_renewed,
        })
    }

    /// Applies the whole registry with what is decided on. Somebody else who was quicker is no reason to stop: it is decided
    /// again by what is there then.
    async fn decided<'a>(
        &self,
        (intent, external): (&Intent, Option<&External>),
        spec: &RegistrySpec,
        address: IpAddr,
        state: &RegistryState,
        on: &'a dyn Observer,
    ) -> Result<(Decision, Stage<'a>, Vec<Change>), Error> {
        let mut now: Option<RegistryState> = None;
        let mut lost = 0;
        loop {
            let state = now.as_ref().unwrap_or(state);
            let stage = on.stage("certificate and password");
            let decision = block_in_place(|| intent.decide(self, address, state, external))?;
            stage.done(if decision.made.is_empty() {
                "kept".to_owned()
            } else {
                let made = decision.made.iter().map(Made::to_string);
                made.collect::<Vec<_>>().join(", ")
            });

            let stage = on.stage("registry");
            let manifests = Manifests::full(spec, &decision.material).decided_on(&state.versions);
            let watcher = |event: Progress| show(&stage, &event);
            let cluster = self.cluster().as_ref();
            match apply::apply(cluster, &manifests, options(intent), &watcher).await {
                Err(kreg_k8s::Error::Overtaken { object }) if lost < OVERTAKEN => {
                    lost += 1;
                    stage.partly(format!(
                        "somebody else wrote {object} at the same time; deciding again by what is there"
                    ));
                    now = Some(self.state().await?);
                }
                other => {
                    let applied = other.tried("cannot put the registry into the cluster")?;
                    return Ok((decision, stage, applied.changes));
                }
            }
        }
    }

    /// Waits until every Pod of the registry serves.
    pub(super) async fn ready(
        &self,
        spec: &RegistrySpec,
        timeout: Duration,
        stage: &Stage<'_>,
    ) -> Result<(), Error> {
        let watcher = |event: Progress| show(stage, &event);
        let wait = wait::Wait::new(timeout, &watcher);
        wait::registry_ready(self.cluster().as_ref(), spec.place(), &wait)
            .await
            .tried("the registry does not come up")
    }
}

fn options(intent: &Intent) -> ApplyOptions {
    ApplyOptions {
        adopt: intent.adopt,
        force: false,
    }
}

/// The foundation is applied twice; its first pass says what happened.
fn merged(first: Vec<Change>, second: Vec<Change>) -> Vec<Change> {
    let mut all = first;
    for change in second {
        match all.iter_mut().find(|known| known.object == change.object) {
            Some(known) if !known.is_change() => *known = change,
            Some(_) => {}
            None => all.push(change),
        }
    }
    all
}

pub(crate) fn show(stage: &Stage<'_>, event: &Progress) {
    match event {
        Progress::Done(change) => stage.at(&change.object),
        Progress::Waiting(object, state) => stage.at(format!("{object} is {state}")),
        Progress::Deleted(object) => stage.at(format!("{object} is gone")),
        _ => {}
    }
}

fn changed(changes: &[Change]) -> String {
    match changes.iter().filter(|change| change.is_change()).count() {
        0 => "unchanged".to_owned(),
        some => format!("{some} of {} changed", count(changes.len(), "object")),
    }
}
