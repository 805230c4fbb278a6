//! The nodes of the cluster, by the way that was chosen, and what became of them.

mod advice;
mod by_hand;
mod ssh;

use kreg::agents::ByAgents;
use kreg::nodes::{Chosen, addressed, bullet_list};
use kreg_k8s::{NodeFact, Place, RegistrySpec};
use kreg_nodes::{Node, NodeAccess, Receipt, Worded};

use crate::choices::Backend;
use crate::error::{Ending, Error};
use crate::session::{Session, count};

/// The nodes that kreg is to work on, and the way to them. What it says has the words of this program.
pub(crate) struct Nodes {
    access: Worded,
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
        let chosen = Chosen::of(session.registry.facts(), only, &settings.nodes.skip)?;
        let addressed = || addressed(&chosen.nodes, &settings.nodes.ssh.addresses);
        let access: Box<dyn NodeAccess> = match settings.nodes.backend {
            Backend::Ssh => Box::new(ssh::libssh2(settings, addressed()?)?),
            Backend::OpenSsh => Box::new(ssh::system(settings, addressed()?)?),
            Backend::DaemonSet => Box::new(by_agents(session, image, &chosen.nodes)?),
        };
        Ok(Self {
            access: Worded::new(access, advice::worded),
            skipped: chosen.skipped,
            all: only.is_empty(),
        })
    }

    /// The way itself.
    pub(crate) fn access(&self) -> &dyn NodeAccess {
        &self.access
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
    let (some, all) = (bad.len(), count(receipts.len(), "node"));
    let text = format!("{some} of {all} {what}:\n{}", bullet_list(bad));
    Err(Error::new(ending, text).told())
}
