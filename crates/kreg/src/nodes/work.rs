//! Trust on the nodes by itself, without the rest of the registry.

use kreg_nodes::{NodeAccess, Receipt, Trust};
use tokio::task::block_in_place;

use super::instance;
use crate::error::Error;
use crate::event::Observer;
use crate::registry::{Registry, standing};

impl Registry {
    /// What every node must hold of this registry, which is up.
    ///
    /// # Errors
    /// As [`Registry::existing`], and [`crate::NotUp`] without an address or a certificate. The pull Secret may be broken.
    pub async fn trust(&self) -> Result<Trust, Error> {
        let (place, state) = (self.place(), self.existing().await?);
        let address = standing::address(place, &state)?;
        super::trust(place, address, standing::bundle(place, &state)?)
    }

    /// Has every node hold `trust`. Nodes that are not well keep no other from being done. Blocks until all are done.
    ///
    /// # Errors
    /// [`Error::Access`] if the way to the nodes cannot be prepared.
    pub fn put_trust_on(
        &self,
        nodes: &dyn NodeAccess,
        trust: &Trust,
        on: &dyn Observer,
    ) -> Result<Vec<Receipt>, Error> {
        let stage = on.stage("trust on the nodes");
        let receipts = block_in_place(|| {
            nodes.prepare()?;
            Ok::<_, Error>(nodes.trust(trust))
        })?;
        stage.done("");
        note_warnings(&receipts, on);
        Ok(receipts)
    }

    /// Puts every node back as it was. What was put there to work with goes too, unless a node is not done: then it is the
    /// way to that node. Blocks until all are done.
    ///
    /// # Errors
    /// [`Error::Failed`] if the registry's name cannot name a journal, [`Error::Access`] if what was put there does not go.
    pub fn take_trust_off(
        &self,
        nodes: &dyn NodeAccess,
        on: &dyn Observer,
    ) -> Result<Vec<Receipt>, Error> {
        let instance = instance(self.place())?;
        let stage = on.stage("trust on the nodes");
        let receipts = block_in_place(|| {
            let receipts = nodes.untrust(&instance);
            if receipts.iter().all(Receipt::is_ok) {
                nodes.retire()?;
            }
            Ok::<_, Error>(receipts)
        })?;
        stage.done("");
        note_warnings(&receipts, on);
        Ok(receipts)
    }

    /// Whether each node is as `trust` wants it. Writes nothing, and blocks until all have answered.
    #[must_use]
    pub fn look_at_trust(
        &self,
        nodes: &dyn NodeAccess,
        trust: &Trust,
        on: &dyn Observer,
    ) -> Vec<Receipt> {
        let stage = on.stage(format!("nodes by {}", nodes.name()));
        let receipts = block_in_place(|| nodes.status(trust));
        stage.done("");
        note_warnings(&receipts, on);
        receipts
    }
}

/// Says what went well on a node and yet needs a look.
pub(crate) fn note_warnings(receipts: &[Receipt], on: &dyn Observer) {
    for receipt in receipts {
        for warning in &receipt.warnings {
            on.note(format!("{}: {warning}", receipt.node));
        }
    }
}
