//! Everything that a diagnosis depends on, gathered. What cannot be looked at does not end it: it is named.

mod agents;
mod answers;
mod certificates;
mod changed;
mod claim;
mod look;
mod node;
mod nodes;
mod proof;
mod pulls;
mod surroundings;
mod survey;
mod unmanaged;
mod unseen;
mod users;
mod workload;

use kreg_k8s::rights::{self, Extras, Right};
use kreg_k8s::{Names, Profile, RegistryState};
use kreg_nodes::NodeAccess;
use kreg_verify::doctor::{self, Observations};

use self::look::Look;
pub use self::survey::{Seen, Survey};
pub use self::unseen::Unseen;
use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::registry::Registry;

impl Registry {
    /// Looks at the registry's objects, certificates, users and answers, at the nodes, and at Pods anywhere that fail to
    /// pull from it; where there is no registry, at one that kreg did not make. With [`Survey::prove`] it ends with a
    /// proof, which `stop` cuts short. Changes nothing.
    ///
    /// # Errors
    /// [`FindError::NotThere`](crate::FindError::NotThere) if there is no registry of any kind, [`Error::Proof`] if the
    /// proof cannot be begun, and [`Error::Cluster`] or [`Error::Failed`] where the cluster cannot be read at all.
    pub async fn observe(
        &self,
        nodes: Option<&dyn NodeAccess>,
        survey: &Survey,
        stop: impl Future<Output = ()> + Send,
        on: &dyn Observer,
    ) -> Result<Seen, Error> {
        let mut look = Look::new(self);
        let stage = on.stage("looking at objects, registry, nodes and pulls");
        let (state, mut seen) = match gathered(&mut look, nodes, survey).await {
            Ok(gathered) => gathered,
            Err(error) => return Err(self.without_rights(nodes).await.unwrap_or(error)),
        };
        stage.done("");
        if !survey.prove {
            look.unseen.push(Unseen::NotProved);
        }
        if !look.unseen.is_empty() {
            let missing = rights::lacking(look.cluster(), self.needed(nodes)).await?;
            if !missing.is_empty() {
                look.unseen.push(Unseen::Rights(missing));
            }
        }
        // Last, so that nothing is left to do once `stop` has ended it.
        if survey.prove {
            proof::proof(&mut look, survey, state, &mut seen, stop, on).await?;
        }
        tracing::debug!(seen = %without_files(&seen), "observed");
        Ok(Seen {
            observations: seen,
            unseen: look.unseen,
        })
    }

    /// Every missing right, if that may be why nothing could be looked at.
    async fn without_rights(&self, nodes: Option<&dyn NodeAccess>) -> Option<Error> {
        let checked = rights::require(self.cluster().as_ref(), self.needed(nodes)).await;
        match checked {
            Err(kreg_k8s::Error::Rights { .. }) => checked
                .tried("this user may not look at the registry")
                .err(),
            _ => None,
        }
    }

    fn needed(&self, nodes: Option<&dyn NodeAccess>) -> Vec<Right> {
        let extras = Extras {
            node_agent: nodes.is_some_and(|nodes| !nodes.is_selective()),
            ..Extras::default()
        };
        rights::needed_to_diagnose(self.place(), extras)
    }
}

async fn gathered(
    look: &mut Look<'_>,
    nodes: Option<&dyn NodeAccess>,
    survey: &Survey,
) -> Result<(RegistryState, Observations), Error> {
    let registry = look.registry;
    let mut state = registry.state().await?;
    let mut seen = Observations {
        registry: named(registry, &state),
        ..Observations::default()
    };
    if !state.exists() {
        seen.unmanaged = unmanaged::seen(look).await?;
        if !seen.unmanaged.is_empty() {
            return Ok((state, seen));
        }
        // It may have come up meanwhile.
        state = registry.existing().await?;
        seen.registry = named(registry, &state);
    }
    workload::workload(look, &mut seen).await?;
    surroundings::surroundings(look, &mut seen).await?;
    certificates::held(registry, &state, &mut seen)?;
    users::users(look, &state, &mut seen).await?;
    answers::answers(look, &state, &mut seen).await;
    nodes::nodes(look, nodes, survey, &state, &mut seen).await?;
    pulls::pulls(look, &state, &mut seen).await?;
    changed::changed(look, &state, &mut seen).await;
    Ok((state, seen))
}

fn named(registry: &Registry, state: &RegistryState) -> doctor::Registry {
    let place = registry.place();
    let names = Names::of(place);
    doctor::Registry {
        host: place.registry_name(),
        instance: place.instance().to_owned(),
        namespace: place.namespace().to_owned(),
        port: place.port(),
        known_address: state.inventory.as_ref().and_then(|known| known.cluster_ip),
        by_name: place.profile() == Profile::Tutorial,
        pull_secret: names.pull_secret.name().to_owned(),
        htpasswd_secret: names.htpasswd.name().to_owned(),
        tls_secret: names.tls.name().to_owned(),
        ..doctor::Registry::default()
    }
}

/// For the log, where files' contents have no place: others' may hold passwords.
fn without_files(seen: &Observations) -> String {
    let mut seen = seen.clone();
    let files = seen.nodes.iter_mut().flat_map(|node| &mut node.files);
    for file in files {
        let words = match &file.now {
            Some(now) if *now == file.wanted => "as wanted".to_owned(),
            Some(now) => format!("{} other bytes", now.len()),
            None => "not there".to_owned(),
        };
        (file.wanted, file.now) = (String::new(), Some(words));
    }
    serde_json::to_string(&seen).unwrap_or_default()
}

#[cfg(test)]
mod tests;
