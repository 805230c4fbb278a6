//! The nodes of the cluster as kreg-nodes knows them, and what they must hold.

mod advice;
mod by_hand;
mod ssh;

use std::net::IpAddr;

use kreg_k8s::{ClusterFacts, NodeFact, Place, Profile, RegistrySpec};
use kreg_nodes::{
    InstanceId, Marking, NameMode, Node, NodeAccess, NodeFacts, NodeProgram, PlanOutcome, Receipt,
    RegistryId, StorageDir, Trust, Vitals,
};

pub(crate) use self::advice::refusal_remedy;
use self::advice::{advised, advised_all};
use crate::agents::{ByAgents, Wanted};
use crate::config::Backend;
use crate::error::{Ending, Error, Tried as _};
use crate::session::{Session, count};
use crate::settings::Settings;
use crate::spec;

/// The nodes that kreg is to work on, and the way to them. What it says has the words of this program.
pub(crate) struct Nodes {
    access: Box<dyn NodeAccess>,
    /// Names of those that `nodes.skip` leaves out.
    skipped: Vec<String>,
    /// Whether these are all that there are.
    all: bool,
}

impl Nodes {
    /// `only` narrows to these names; `nodes.skip` of the configuration is left out always.
    pub(crate) fn new(
        session: &Session,
        facts: &ClusterFacts,
        only: &[String],
    ) -> Result<Self, Error> {
        // What runs there may have been chosen once; what no record has is the default.
        let image = session
            .agents
            .image()
            .unwrap_or(RegistrySpec::DEFAULT_IMAGE);
        Self::of(session, facts, (&session.place, image), only)
    }

    /// As a registry is to have them that runs this image.
    pub(crate) fn of(
        session: &Session,
        facts: &ClusterFacts,
        registry: (&Place, &str),
        only: &[String],
    ) -> Result<Self, Error> {
        let settings = &session.settings;
        let (chosen, skipped) = chosen(facts, only, &settings.nodes.skip)?;
        let access: Box<dyn NodeAccess> = match settings.nodes.backend {
            Backend::Ssh => Box::new(ssh::libssh2(settings, &chosen)?),
            Backend::OpenSsh => Box::new(ssh::system(settings, &chosen)?),
            Backend::DaemonSet => Box::new(by_agents(session, facts, registry, &chosen)?),
        };
        Ok(Self {
            access,
            skipped,
            all: only.is_empty(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.access.nodes().len()
    }

    /// Names of those that were asked for and are left out: `nodes.skip` says so.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// What the way to the nodes is called.
    pub(crate) fn way(&self) -> &'static str {
        self.access.name()
    }

    /// See [`NodeAccess::is_ready`].
    pub(crate) fn is_ready(&self) -> bool {
        self.access.is_ready()
    }

    /// See [`NodeAccess::sees_storage`].
    pub(crate) fn sees_storage(&self) -> bool {
        self.access.sees_storage()
    }

    /// See [`NodeAccess::prepare`].
    pub(crate) fn prepare(&self) -> Result<(), Error> {
        Ok(self.wait(NodeAccess::prepare)?)
    }

    /// See [`NodeAccess::retire`].
    pub(crate) fn retire(&self) -> Result<(), Error> {
        Ok(self.wait(NodeAccess::retire)?)
    }

    pub(crate) fn facts(&self, trust: &Trust) -> Vec<(Node, Result<NodeFacts, Box<Receipt>>)> {
        advised_each(self.wait(|access| access.facts(trust)))
    }

    pub(crate) fn vitals(&self, trust: &Trust) -> Vec<(Node, Result<Vitals, Box<Receipt>>)> {
        advised_each(self.wait(|access| access.vitals(trust)))
    }

    pub(crate) fn plan(&self, trust: &Trust) -> Vec<PlanOutcome> {
        let mut plans = self.wait(|access| access.plan(trust));
        for lost in plans
            .iter_mut()
            .filter_map(|plan| plan.result.as_mut().err())
        {
            **lost = advised((**lost).clone());
        }
        plans
    }

    pub(crate) fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        advised_all(self.wait(|access| access.trust(trust)))
    }

    pub(crate) fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        advised_all(self.wait(|access| access.untrust(instance)))
    }

    pub(crate) fn status(&self, trust: &Trust) -> Vec<Receipt> {
        advised_all(self.wait(|access| access.status(trust)))
    }

    /// Erases the images in `storage` on the nodes of these names. Nodes that are left out give no
    /// receipt.
    pub(crate) fn erase(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
    ) -> Vec<Receipt> {
        advised_all(self.wait(|access| access.erase(instance, storage, names)))
    }

    /// Looks whether `storage` is another registry's on the nodes of these names, or marks it as this one's.
    pub(crate) fn mark(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
        how: Marking,
    ) -> Vec<Receipt> {
        advised_all(self.wait(|access| access.mark(instance, storage, names, how)))
    }

    /// See [`NodeAccess::resident`].
    pub(crate) fn resident(&self, trust: &Trust) -> Option<NodeProgram> {
        self.access.resident(trust)
    }

    /// Fails if only some nodes were asked for and the way works on all of them or on none.
    pub(crate) fn must_be_all(&self) -> Result<(), Error> {
        if self.all || self.access.is_selective() {
            return Ok(());
        }
        Err(
            Error::usage("with agents on the nodes a single one cannot be told from the others")
                .help("leave --node away; nodes.skip in kreg.toml keeps agents off a node"),
        )
    }

    /// For each node that could not be entered: what a person can run to put it back by hand.
    pub(crate) fn by_hand(&self, receipts: &[Receipt], instance: &InstanceId) -> Option<String> {
        by_hand::words(&self.access.by_hand(receipts), instance)
    }

    /// `work` blocks, here where it may.
    fn wait<T>(&self, work: impl FnOnce(&(dyn NodeAccess + 'static)) -> T) -> T {
        tokio::task::block_in_place(|| work(self.access.as_ref()))
    }
}

/// Those of `only`, or all, and the names of those of them that `skip` leaves out.
fn chosen<'a>(
    facts: &'a ClusterFacts,
    only: &[String],
    skip: &[String],
) -> Result<(Vec<&'a NodeFact>, Vec<String>), Error> {
    let is_there = |name: &&String| facts.nodes.iter().any(|node| node.name == **name);
    if let Some(unknown) = only.iter().find(|name| !is_there(name)) {
        let known: Vec<_> = facts.nodes.iter().map(|node| node.name.as_str()).collect();
        return Err(
            Error::usage(format!("there is no node {unknown} in this cluster"))
                .help(format!("its nodes are {}", known.join(", "))),
        );
    }
    let asked = facts.nodes.iter();
    let asked = asked.filter(|node| only.is_empty() || only.contains(&node.name));
    let (skipped, chosen): (Vec<_>, Vec<_>) = asked.partition(|node| skip.contains(&node.name));
    let skipped = skipped.into_iter().map(|node| node.name.clone());
    Ok((chosen, skipped.collect()))
}

fn by_agents(
    session: &Session,
    facts: &ClusterFacts,
    (place, image): (&Place, &str),
    chosen: &[&NodeFact],
) -> Result<ByAgents, Error> {
    let settings = &session.settings;
    let wanted = Wanted {
        instance: instance(place)?,
        place,
        image,
        skip: &settings.nodes.skip,
        standing: &session.agents,
        adopt: session.adopt,
        parallel: settings.nodes.parallel,
        timeout: settings.timeout,
    };
    let nodes = chosen.iter().map(|fact| Node::new(&fact.name, &fact.name));
    Ok(ByAgents::new(
        &session.cluster,
        facts,
        nodes.collect(),
        &wanted,
    ))
}

fn advised_each<T>(
    answers: Vec<(Node, Result<T, Box<Receipt>>)>,
) -> Vec<(Node, Result<T, Box<Receipt>>)> {
    let answers = answers.into_iter();
    answers
        .map(|(node, answer)| (node, answer.map_err(|lost| Box::new(advised(*lost)))))
        .collect()
}

/// What every node must come to hold.
pub(crate) fn trust(
    settings: &Settings,
    place: &Place,
    address: IpAddr,
    bundle_pem: &str,
) -> Result<Trust, Error> {
    let trust = Trust::new(instance(place)?, spec::host(place)?, bundle_pem)
        .tried("the CA bundle cannot be handed to the nodes")?
        .with_endpoint(address)
        .with_restart(settings.nodes.allow_runtime_restart);
    if place.profile() == Profile::Tutorial {
        return Ok(trust
            .with_names(NameMode::HostsFile)
            .with_docker_certs_d(true));
    }
    Ok(trust)
}

/// Whose journals on the nodes are meant. Without a record no id is known: then all of that name.
pub(crate) fn instance(place: &Place) -> Result<InstanceId, Error> {
    let instance = InstanceId::new(place.instance())
        .tried("the registry's name cannot name a journal on the nodes")?;
    Ok(match place.id() {
        Some(id) => instance.with_id(
            RegistryId::new(id)
                .tried("the record of the registry holds an id that kreg did not make")?,
        ),
        None => instance,
    })
}

/// After the result was printed: done if every node is; else partial, with each node that is
/// not, why, and what to do.
pub(crate) fn judge(receipts: &[Receipt], what: &str) -> Result<(), Error> {
    let bad: Vec<_> = receipts.iter().filter(|receipt| !receipt.is_ok()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let ending = if bad.len() == receipts.len() {
        Ending::Failed
    } else {
        Ending::Partial
    };
    Err(Error::new(
        ending,
        format!(
            "{} of {} {what}:\n{}",
            bad.len(),
            count(receipts.len(), "node"),
            listed(bad)
        ),
    )
    .told())
}

/// One line a receipt: node, step, why and what to do.
pub(crate) fn listed<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> String {
    let lines: Vec<_> = receipts
        .into_iter()
        .map(|receipt| format!("- {receipt}"))
        .collect();
    lines.join("\n")
}
