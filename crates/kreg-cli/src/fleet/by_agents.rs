//! Nodes whose trust is kept by agents: what they did, what they could not do, and how they stand.

use kreg_k8s::{ClusterFacts, Place};
use kreg_nodes::daemonset::AgentPods;
use kreg_nodes::{Edit, FileStatus, Node, PlanOutcome, Receipt, State, StorageDir, Trust};
use tokio::runtime::Handle;

use super::{Nodes, Way};
use crate::agents::Agents;
use crate::error::Error;
use crate::session::Session;

impl Nodes {
    /// Has agents bring the nodes to `trust`. What an agent does not do is done from here, or reported.
    pub(super) fn kept_by(&self, agents: &Agents, trust: &Trust) -> Vec<Receipt> {
        let before = self.fleet().plan(&self.nodes, trust);
        let behind = match Handle::current().block_on(agents.keep(trust, &before)) {
            Ok(behind) => behind,
            Err(error) => return without_agent(&self.nodes, &error),
        };
        // What an agent does not do is done from here, or reported.
        let after = self.fleet().trust(&self.nodes, trust, &|_| {});
        let mut receipts = done_by_agents(before, after);
        for (receipt, trouble) in self.with_troubles(&mut receipts) {
            if let Some(why) = behind.get(&receipt.node).filter(|_| receipt.is_ok()) {
                let why = format!("it has no agent that keeps this: {why}");
                agentless(
                    receipt,
                    State::Failed,
                    why,
                    "fix that, then run the same command again",
                );
            } else if let Some((why, _)) = trouble {
                receipt.warnings.push(why);
            }
        }
        receipts
    }

    /// Sorts `nodes` into those whose agents can now erase images in `storage`, and receipts of those that hold none or do
    /// not answer. The directory is looked for first: to mount one that is missing would make it.
    pub(super) fn within_reach(
        &self,
        agents: &Agents,
        pods: &AgentPods,
        nodes: &[Node],
        storage: &StorageDir,
    ) -> Result<(Vec<Node>, Vec<Receipt>), Error> {
        let handle = Handle::current();
        handle.block_on(agents.search())?;
        let asked = each(nodes, self.parallel, |node| {
            pods.lacks(node, storage, self.timeout)
        });
        let (mut found, mut receipts) = (Vec::new(), Vec::new());
        for (node, lacks) in nodes.iter().zip(asked) {
            match lacks {
                Ok(false) => found.push(node.clone()),
                Ok(true) => receipts.push(Receipt::new(node, State::Unchanged)),
                Err(error) => receipts.push(Receipt::from_transport(node, &error)),
            }
        }
        if !found.is_empty() {
            let names: Vec<&str> = found.iter().map(|node| node.name.as_str()).collect();
            handle.block_on(agents.reach(storage, &names))?;
        }
        Ok((found, receipts))
    }

    /// Each receipt with why the node's agent does not keep it, and what to do, if it is well otherwise.
    pub(super) fn with_troubles<'a>(
        &self,
        receipts: &'a mut [Receipt],
    ) -> impl Iterator<Item = (&'a mut Receipt, Option<(String, &'static str)>)> + use<'a> {
        let asked = each(receipts, self.parallel, |receipt: &Receipt| {
            let Way::Agents { pods, .. } = &self.way else {
                return None;
            };
            let node = self.nodes.iter().find(|node| node.name == receipt.node)?;
            let pulse = receipt.is_ok().then(|| pods.pulse(node, self.timeout))?;
            pulse.ok()??.trouble()
        });
        receipts.iter_mut().zip(asked)
    }
}

/// `ask` of each item, at most `parallel` at a time, on threads that drive no asynchronous tasks.
fn each<I: Sync, R: Send>(items: &[I], parallel: usize, ask: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let share = items.len().div_ceil(parallel.max(1)).max(1);
    std::thread::scope(|scope| {
        let ask = &ask;
        let parts = items.chunks(share);
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(ask).collect::<Vec<R>>()))
            .collect();
        let joined = parts.into_iter().map(|part| part.join());
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Makes `receipt` that of a node whose files are well and whose agent is not.
pub(super) fn agentless(receipt: &mut Receipt, state: State, why: String, remedy: &str) {
    receipt.state = state;
    receipt.step = Some("agent".to_owned());
    receipt.reason = Some(why);
    receipt.remedy = Some(remedy.to_owned());
}

pub(super) fn without_agent(nodes: &[Node], error: &Error) -> Vec<Receipt> {
    let why: Vec<&str> = std::iter::once(error.message())
        .chain(error.causes().iter().map(String::as_str))
        .collect();
    let failed = |node: &Node| {
        let mut receipt = Receipt::new(node, State::Failed);
        receipt.step = Some("agent".to_owned());
        receipt.reason = Some(why.join(": "));
        receipt.remedy = error.help_text().map(str::to_owned);
        receipt
    };
    nodes.iter().map(failed).collect()
}

/// What agents did, told as if it had been done from here: what was planned before and is in place
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

pub(super) fn way(
    session: &Session,
    facts: &ClusterFacts,
    (place, image): (&Place, &str),
) -> Result<Way, Error> {
    let instance = super::instance(place)?;
    let settings = &session.settings;
    let streams = session.cluster.streams().clone();
    let pods = AgentPods::new(streams, Handle::current(), instance.clone());
    Ok(Way::Agents {
        agents: Box::new(
            Agents::new(
                &session.cluster,
                pods.watch(),
                &instance,
                (place, image),
                facts,
                &settings.nodes.skip,
                settings.timeout,
            )
            .expected(session.agents.are_anywhere() || session.adopt),
        ),
        pods: Box::new(pods),
        there: session.agents.are_there(),
    })
}
