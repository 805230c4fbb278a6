//! A way to all nodes of a cluster, whatever it is: [`NodeAccess`].

mod by_hand;
mod error;
mod programs;
#[cfg(feature = "ssh")]
mod ssh;
mod worded;

pub use by_hand::ByHand;
pub use error::AccessError;
pub use programs::Programs;
#[cfg(feature = "ssh")]
pub use ssh::BySsh;
pub use worded::{Worded, Words};

use crate::{
    Fleet, InstanceId, Marking, Node, NodeFacts, NodeProgram, NodeTransport, PlanOutcome, Receipt,
    State, StorageDir, Trust, Vitals,
};

/// What works on the nodes of a cluster: over SSH, by agents on them, or in another way.
///
/// Three methods must be written; what the others do by themselves is right for a way that needs
/// nothing on the nodes. Every implementation passes [`crate::conformance::check_access`].
///
/// Blocking, as [`NodeTransport`] is: each method that works on nodes, [`NodeAccess::prepare`] and
/// [`NodeAccess::retire`] wait until all is done. An asynchronous program calls them where it may
/// wait, as within `tokio::task::block_in_place`. An implementation that waits for an asynchronous
/// client does so inside, on the runtime that drives that client.
///
/// Receipts come in the order of [`NodeAccess::nodes`], one a node. A node that goes wrong keeps no
/// other from being done.
///
/// ```
/// use kreg_nodes::{LocalRoot, Node, NodeAccess, NodeTransport};
///
/// /// A directory on this machine that holds a node's tree, such as that of an image.
/// struct ByTree {
///     nodes: Vec<Node>,
///     tree: LocalRoot,
/// }
///
/// impl NodeAccess for ByTree {
///     fn name(&self) -> &'static str {
///         "tree"
///     }
///     fn nodes(&self) -> &[Node] {
///         &self.nodes
///     }
///     fn transport(&self) -> &dyn NodeTransport {
///         &self.tree
///     }
/// }
/// ```
pub trait NodeAccess: Send + Sync {
    /// One word for messages, such as `ssh`; also the step of a receipt where the way itself failed.
    fn name(&self) -> &'static str;

    /// The nodes that are worked on.
    fn nodes(&self) -> &[Node];

    /// What runs programs on them.
    fn transport(&self) -> &dyn NodeTransport;

    /// The nodes as a fleet, with the pace that this way keeps.
    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        Fleet::new(self.transport())
    }

    /// Whether nodes can be looked at now, without [`NodeAccess::prepare`].
    fn is_ready(&self) -> bool {
        true
    }

    /// Whether some nodes can be worked on without the others.
    fn is_selective(&self) -> bool {
        true
    }

    /// Whether a registry's directory can be looked at as cheaply as any other file.
    fn sees_storage(&self) -> bool {
        true
    }

    /// Puts on the nodes what must be there before they can be worked on, and waits for it. Writes
    /// nothing to their files. Harmless where all is there.
    ///
    /// # Errors
    /// [`AccessError`] if it cannot be put there.
    fn prepare(&self) -> Result<(), AccessError> {
        Ok(())
    }

    /// Removes what [`NodeAccess::prepare`] and [`NodeAccess::trust`] put there to work with. The
    /// nodes' files stay as they are. Harmless where nothing is.
    ///
    /// # Errors
    /// [`AccessError`] if it does not go.
    fn retire(&self) -> Result<(), AccessError> {
        Ok(())
    }

    /// Brings every node to `trust`, as [`Fleet::trust`] does.
    fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        self.fleet().trust(self.nodes(), trust, &|_| {})
    }

    /// Takes back what was written for `instance`, as [`Fleet::untrust`] does.
    fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        self.fleet().untrust(self.nodes(), instance, &|_| {})
    }

    /// Whether each node is as `trust` wants it, and is kept so where this way keeps nodes. As
    /// [`Fleet::status`]; writes nothing.
    fn status(&self, trust: &Trust) -> Vec<Receipt> {
        self.fleet().status(self.nodes(), trust)
    }

    /// Makes `storage`, a registry's directory, reachable on `nodes`. Gives those on which programs
    /// can work in it now, and a receipt for each of the others.
    ///
    /// # Errors
    /// [`AccessError`] if it can be reached on none.
    fn reach(
        &self,
        storage: &StorageDir,
        nodes: Vec<Node>,
    ) -> Result<(Vec<Node>, Vec<Receipt>), AccessError> {
        let _ = storage;
        Ok((nodes, Vec::new()))
    }

    /// The one program that every node runs by itself to keep `trust`; `None` if each node gets a
    /// program of its own from here.
    fn resident(&self, trust: &Trust) -> Option<NodeProgram> {
        let _ = trust;
        None
    }

    /// The receipt of a node that was not done, in the words of the program that shows it: by default as it is; [`Worded`]
    /// has such words. All that does not come from a method of the way itself goes through it.
    fn worded(&self, receipt: Receipt) -> Receipt {
        receipt
    }

    /// How a person runs a program as root on each node that, by these receipts, could not be entered.
    fn by_hand(&self, receipts: &[Receipt]) -> Vec<ByHand> {
        let lost = receipts.iter();
        lost.filter(|receipt| receipt.state == State::Unreachable)
            .map(|receipt| ByHand::unknown(&receipt.node))
            .collect()
    }
}

/// What every way does alike. All of it blocks.
impl<'w> dyn NodeAccess + 'w {
    /// The facts of each node. Writes nothing.
    pub fn facts(&self, trust: &Trust) -> Vec<(Node, Result<NodeFacts, Box<Receipt>>)> {
        self.each_worded(self.fleet().facts(self.nodes(), trust))
    }

    /// Clock, proxy and the way to the registry as each node sees them now. Writes nothing.
    pub fn vitals(&self, trust: &Trust) -> Vec<(Node, Result<Vitals, Box<Receipt>>)> {
        self.each_worded(self.fleet().vitals(self.nodes(), trust))
    }

    /// What [`Fleet::trust`] would do on each node. Writes nothing.
    pub fn plan(&self, trust: &Trust) -> Vec<PlanOutcome> {
        let mut plans = self.fleet().plan(self.nodes(), trust);
        for refusal in plans
            .iter_mut()
            .filter_map(|plan| plan.result.as_mut().err())
        {
            **refusal = self.worded((**refusal).clone());
        }
        plans
    }

    /// What each node must run to come to `trust`, for a person who runs it. Writes nothing.
    pub fn programs(&self, trust: &Trust) -> Programs {
        let Some(program) = self.resident(trust) else {
            return Programs::of(self.plan(trust));
        };
        let names = self.nodes().iter().map(|node| node.name.clone());
        Programs {
            programs: vec![(program.script().to_owned(), names.collect())],
            refused: Vec::new(),
        }
    }

    fn each_worded<T>(
        &self,
        answers: Vec<(Node, Result<T, Box<Receipt>>)>,
    ) -> Vec<(Node, Result<T, Box<Receipt>>)> {
        let worded = |lost: Box<Receipt>| Box::new(self.worded(*lost));
        let answers = answers.into_iter();
        answers
            .map(|(node, answer)| (node, answer.map_err(worded)))
            .collect()
    }

    /// Erases the images in `storage` on the nodes of these names. A node that is not among
    /// [`NodeAccess::nodes`] gives no receipt. See [`Fleet::erase`].
    pub fn erase(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
    ) -> Vec<Receipt> {
        self.in_storage(storage, names, |nodes| {
            self.fleet().erase(nodes, instance, storage, &|_| {})
        })
    }

    /// Looks whose `storage` is on the nodes of these names, or marks it. See [`Fleet::mark`].
    pub fn mark(
        &self,
        instance: &InstanceId,
        storage: &StorageDir,
        names: &[&str],
        how: Marking,
    ) -> Vec<Receipt> {
        self.in_storage(storage, names, |nodes| {
            self.fleet().mark(nodes, instance, storage, how, &|_| {})
        })
    }

    fn in_storage(
        &self,
        storage: &StorageDir,
        names: &[&str],
        work: impl FnOnce(&[Node]) -> Vec<Receipt>,
    ) -> Vec<Receipt> {
        let chosen = self.nodes().iter();
        let chosen = chosen.filter(|node| names.contains(&node.name.as_str()));
        let chosen: Vec<Node> = chosen.cloned().collect();
        match self.reach(storage, chosen.clone()) {
            Ok((reached, mut receipts)) => {
                receipts.extend(work(&reached));
                receipts
            }
            Err(error) => error.receipts(&chosen, self.name()),
        }
        .into_iter()
        .map(|receipt| self.worded(receipt))
        .collect()
    }
}
