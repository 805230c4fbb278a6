//! Nodes by agents: a DaemonSet whose Pods keep the trust of their nodes.
//!
//! [`ByAgents`] is the way to all nodes. Everything that speaks to the cluster for it is in this folder,
//! and nothing elsewhere does.

mod guard;
mod image;
mod removal;
mod rollout;
mod standing;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kreg_nodes::daemonset::{AgentPods, AgentWatch, Trouble};
use kreg_nodes::{
    AccessError, Advice, ByHand, Edit, FileStatus, Fleet, InstanceId, Node, NodeAccess,
    NodeProgram, NodeTransport, PlanOutcome, Receipt, State, StorageDir, Trust,
};
use tokio::runtime::Handle;

pub use self::guard::Guard;
use self::rollout::Agents;
pub use self::standing::Standing;
use crate::error::Error;
use crate::registry::Registry;

impl Registry {
    /// Removes the registry's agents, where there are any that nobody works with. What they wrote on the nodes stays.
    pub(crate) async fn remove_agents_left(&self, timeout: Duration) -> Result<(), Error> {
        let instance = crate::nodes::instance(self.place())?;
        let client = self.streams()?.requests().clone();
        let watch = AgentWatch::new(client, Handle::current(), instance.clone());
        Ok(removal::remove(self.cluster().as_ref(), &watch, &instance, timeout).await?)
    }
}

/// All nodes by the agents of one registry. They are put there, replaced by others that may do more or
/// less, and removed, as the work needs it.
///
/// What it waits for is driven by the runtime that it was made on. Its methods block: they are called
/// within `tokio::task::block_in_place`, or from another thread.
pub struct ByAgents {
    nodes: Vec<Node>,
    agents: Agents,
    pods: AgentPods,
    handle: Handle,
    /// Whether agents that can look are on the nodes.
    there: AtomicBool,
    parallel: usize,
    timeout: Duration,
}

impl ByAgents {
    /// The agents of `registry` on `nodes`, which are all of the cluster except `skip`. `image` is the registry's own, as
    /// it is declared. With `adopt`, a namespace may be used that only its label shows to be kreg's.
    ///
    /// Changes nothing yet.
    ///
    /// # Errors
    /// [`Error::NoCluster`] where no Pod can run, and [`Error::Failed`] if the registry's name cannot name agents.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        registry: &Registry,
        nodes: Vec<Node>,
        skip: &[String],
        (image, adopt): (&str, bool),
        (parallel, timeout): (usize, Duration),
    ) -> Result<Self, Error> {
        let instance = crate::nodes::instance(registry.place())?;
        let handle = Handle::current();
        let standing = registry.agents();
        let pods = AgentPods::new(
            registry.streams()?.clone(),
            handle.clone(),
            instance.clone(),
        );
        let agents = Agents::new(
            registry.cluster(),
            pods.watch(),
            &instance,
            (registry.place(), image),
            registry.facts(),
            skip,
            timeout,
        )
        .expected(standing.are_anywhere() || adopt);
        Ok(ByAgents {
            nodes,
            agents,
            pods,
            handle,
            there: AtomicBool::new(standing.are_there()),
            parallel,
            timeout,
        })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.handle.block_on(work)
    }

    /// Each receipt with why the node's agent does not keep it, if it is well otherwise.
    fn with_troubles<'a>(
        &self,
        receipts: &'a mut [Receipt],
    ) -> impl Iterator<Item = (&'a mut Receipt, Option<Trouble>)> + use<'a> {
        let asked = self.fleet().each(receipts, |receipt: &Receipt| {
            let node = self.nodes.iter().find(|node| node.name == receipt.node)?;
            let pulse = receipt
                .is_ok()
                .then(|| self.pods.pulse(node, self.timeout))?;
            pulse.ok()??.trouble()
        });
        receipts.iter_mut().zip(asked)
    }
}

impl NodeAccess for ByAgents {
    fn name(&self) -> &'static str {
        AGENT
    }

    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn transport(&self) -> &dyn NodeTransport {
        &self.pods
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        Fleet::new(self.transport())
            .parallel(self.parallel)
            .timeout(self.timeout)
    }

    fn is_ready(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    fn is_selective(&self) -> bool {
        false
    }

    /// Agents see a registry's directory only if they are replaced by others.
    fn sees_storage(&self) -> bool {
        false
    }

    fn prepare(&self) -> Result<(), AccessError> {
        // A node that came since, or that lacks a directory which the others have, may have none that runs.
        if self.is_ready() && self.wait(self.agents.are_everywhere())? {
            return Ok(());
        }
        self.wait(self.agents.look())?;
        self.there.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn retire(&self) -> Result<(), AccessError> {
        self.wait(self.agents.remove())?;
        self.there.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Has agents bring the nodes to `trust`. What an agent does not do is done from here, or reported.
    fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        let before = self.fleet().plan(&self.nodes, trust);
        let behind = match self.wait(self.agents.keep(trust, &before)) {
            Ok(behind) => behind,
            Err(error) => return error.receipts(&self.nodes, AGENT),
        };
        let after = self.fleet().trust(&self.nodes, trust, &|_| {});
        let mut receipts = done_by_agents(before, after);
        for (receipt, trouble) in self.with_troubles(&mut receipts) {
            if let Some(why) = behind.get(&receipt.node).filter(|_| receipt.is_ok()) {
                agentless(
                    receipt,
                    State::Failed,
                    format!("it has no agent that keeps this: {why}"),
                    ("fix that, then run the same command again", None),
                );
            } else if let Some(trouble) = trouble {
                receipt.warnings.push(trouble.why);
            }
        }
        receipts
    }

    fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        match self.wait(self.agents.take_back()) {
            Ok(()) => self.fleet().untrust(&self.nodes, instance, &|_| {}),
            Err(error) => error.receipts(&self.nodes, AGENT),
        }
    }

    fn status(&self, trust: &Trust) -> Vec<Receipt> {
        let mut receipts = self.fleet().status(&self.nodes, trust);
        for (receipt, trouble) in self.with_troubles(&mut receipts) {
            if let Some(Trouble {
                why,
                remedy,
                advice,
                ..
            }) = trouble
            {
                agentless(receipt, State::Refused, why, (remedy, advice));
            }
        }
        receipts
    }

    /// The directory is looked for first: to mount one that is missing would make it.
    fn reach(
        &self,
        storage: &StorageDir,
        nodes: Vec<Node>,
    ) -> Result<(Vec<Node>, Vec<Receipt>), AccessError> {
        self.there.store(false, Ordering::Relaxed);
        self.wait(self.agents.search())?;
        let lacks = |node: &Node| self.pods.lacks(node, storage, self.timeout);
        let asked = self.fleet().each(&nodes, lacks);
        let (mut found, mut receipts) = (Vec::new(), Vec::new());
        for (node, lacks) in nodes.into_iter().zip(asked) {
            match lacks {
                Ok(false) => found.push(node),
                Ok(true) => receipts.push(Receipt::new(&node, State::Unchanged)),
                Err(error) => receipts.push(Receipt::from_transport(&node, &error)),
            }
        }
        if !found.is_empty() {
            let names: Vec<&str> = found.iter().map(|node| node.name.as_str()).collect();
            self.wait(self.agents.reach(storage, &names))?;
        }
        Ok((found, receipts))
    }

    fn resident(&self, trust: &Trust) -> Option<NodeProgram> {
        Some(NodeProgram::agent(trust))
    }

    /// Who else gets to a node whose agent does not answer is not known here.
    fn by_hand(&self, receipts: &[Receipt]) -> Vec<ByHand> {
        let lost = receipts
            .iter()
            .filter(|one| one.state == State::Unreachable || one.step.as_deref() == Some(AGENT));
        lost.map(|one| ByHand::unknown(&one.node)).collect()
    }
}

/// The name of the way, and the step of a receipt whose agent is at fault.
const AGENT: &str = "agent";

/// Makes `receipt` that of a node whose files are well and whose agent is not.
fn agentless(
    receipt: &mut Receipt,
    state: State,
    why: String,
    (remedy, advice): (&str, Option<Advice>),
) {
    receipt.state = state;
    receipt.step = Some(AGENT.to_owned());
    receipt.reason = Some(why);
    receipt.remedy = Some(remedy.to_owned());
    receipt.advice = advice;
}

/// What agents did, reported as if it had been done from here: what was planned before and is in place
/// now was changed.
fn done_by_agents(before: Vec<PlanOutcome>, after: Vec<Receipt>) -> Vec<Receipt> {
    let told = |(planned, mut receipt): (PlanOutcome, Receipt)| {
        if let (State::Unchanged, Ok(plan)) = (receipt.state, &planned.result)
            && !plan.is_unchanged()
        {
            receipt.state = State::Changed;
            for file in &mut receipt.files {
                let kept = |edit: &&Edit| edit.path() == file.path && edit.is_kept();
                if !plan.edits().iter().any(|edit| kept(&edit)) {
                    file.status = FileStatus::Changed;
                }
            }
        }
        receipt
    };
    before.into_iter().zip(after).map(told).collect()
}
