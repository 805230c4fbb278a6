//! The nodes of the cluster as kreg-nodes knows them, and what they must hold.

mod advice;
mod by_hand;
mod ssh;

use kreg::agents::ByAgents;
use kreg_k8s::{ClusterFacts, NodeFact, Place, RegistrySpec};
use kreg_nodes::{
    AccessError, ByHand, Fleet, InstanceId, Node, NodeAccess, NodeProgram, NodeTransport, Receipt,
    StorageDir, Trust,
};

use self::advice::{advised, advised_all};
use crate::choices::Backend;
use crate::error::{Ending, Error};
use crate::session::{Session, count};

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
    pub(crate) fn new(session: &Session, only: &[String]) -> Result<Self, Error> {
        // What runs there may have been chosen once; what no record has is the default.
        let image = session.registry.agents().image();
        Self::of(session, image.unwrap_or(RegistrySpec::DEFAULT_IMAGE), only)
    }

    /// As a registry is to have them that runs this image.
    pub(crate) fn of(session: &Session, image: &str, only: &[String]) -> Result<Self, Error> {
        let settings = &session.settings;
        let (chosen, skipped) = chosen(session.registry.facts(), only, &settings.nodes.skip)?;
        let access: Box<dyn NodeAccess> = match settings.nodes.backend {
            Backend::Ssh => Box::new(ssh::libssh2(settings, &chosen)?),
            Backend::OpenSsh => Box::new(ssh::system(settings, &chosen)?),
            Backend::DaemonSet => Box::new(by_agents(session, image, &chosen)?),
        };
        Ok(Self {
            access,
            skipped,
            all: only.is_empty(),
        })
    }

    /// Names of those that were asked for and are left out: `nodes.skip` says so.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
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
    pub(crate) fn hand_work(&self, receipts: &[Receipt], place: &Place) -> Option<String> {
        by_hand::words(&self.access.by_hand(receipts), place.instance())
    }
}

/// The way itself, with the flags of this program behind its remedies.
impl NodeAccess for Nodes {
    fn name(&self) -> &'static str {
        self.access.name()
    }

    fn nodes(&self) -> &[Node] {
        self.access.nodes()
    }

    fn transport(&self) -> &dyn NodeTransport {
        self.access.transport()
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        self.access.fleet()
    }

    fn is_ready(&self) -> bool {
        self.access.is_ready()
    }

    fn is_selective(&self) -> bool {
        self.access.is_selective()
    }

    fn sees_storage(&self) -> bool {
        self.access.sees_storage()
    }

    fn prepare(&self) -> Result<(), AccessError> {
        self.access.prepare()
    }

    fn retire(&self) -> Result<(), AccessError> {
        self.access.retire()
    }

    fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        advised_all(self.access.trust(trust))
    }

    fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        advised_all(self.access.untrust(instance))
    }

    fn status(&self, trust: &Trust) -> Vec<Receipt> {
        advised_all(self.access.status(trust))
    }

    fn reach(
        &self,
        storage: &StorageDir,
        nodes: Vec<Node>,
    ) -> Result<(Vec<Node>, Vec<Receipt>), AccessError> {
        self.access.reach(storage, nodes)
    }

    fn resident(&self, trust: &Trust) -> Option<NodeProgram> {
        self.access.resident(trust)
    }

    fn by_hand(&self, receipts: &[Receipt]) -> Vec<ByHand> {
        self.access.by_hand(receipts)
    }

    fn worded(&self, receipt: Receipt) -> Receipt {
        advised(receipt)
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

fn by_agents(session: &Session, image: &str, chosen: &[&NodeFact]) -> Result<ByAgents, Error> {
    let settings = &session.settings;
    let nodes = chosen.iter().map(|fact| Node::new(&fact.name, &fact.name));
    Ok(ByAgents::new(
        &session.registry,
        nodes.collect(),
        &settings.nodes.skip,
        (image, session.adopt),
        (settings.nodes.parallel, settings.timeout),
    )?)
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
