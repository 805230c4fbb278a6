//! Removing a registry: nodes first, while the registry still says what they hold, then the objects. Images in
//! directories of nodes are erased between the registry's end and the volume's, so that a run that was
//! cut short, or could not erase them, leaves the note of where they are.

mod erase;

use std::time::Duration;

use kreg_k8s::Removal;
use kreg_k8s::down::{self, DownOptions};
use kreg_nodes::{NodeAccess, Receipt, State};
use serde::Serialize;
use tokio::task::block_in_place;

use crate::error::{Error, Tried as _};
use crate::event::{Observer, Stage};
use crate::nodes;
use crate::registry::Registry;
use crate::up::show;
use crate::words::{count, in_state};

/// What goes with a registry.
#[derive(Debug, Clone, Copy)]
pub struct Down {
    /// Whether the images go too.
    pub delete_data: bool,
    /// The longest that any single wait may take; by default three minutes.
    pub timeout: Duration,
}

impl Default for Down {
    fn default() -> Self {
        Down {
            delete_data: false,
            timeout: Duration::from_secs(180),
        }
    }
}

impl Down {
    fn options(self) -> DownOptions {
        DownOptions {
            delete_data: self.delete_data,
            keep_record: false,
            timeout: self.timeout,
        }
    }
}

/// What became of a registry that was removed.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Removed {
    /// What became of each node.
    pub nodes: Vec<Receipt>,
    /// What became of its objects.
    #[serde(flatten)]
    pub objects: Removal,
}

impl Registry {
    /// What [`Registry::down`] would remove.
    ///
    /// # Errors
    /// [`Error::Failed`] where the cluster cannot be read.
    pub async fn removal(&self, down: Down) -> Result<Removal, Error> {
        down::plan_down(self.cluster().as_ref(), self.place(), down.options())
            .await
            .tried("cannot find out what there is to remove")
    }

    /// Takes back the trust of every node, and removes the registry. `planned` is what [`Registry::removal`] said; what came
    /// to be there since is removed as well.
    ///
    /// # Errors
    /// [`Error::Failed`] for the step that failed; the same again goes on from there. Nodes that could not be put back are
    /// none: they are in the result.
    pub async fn down(
        &self,
        down: Down,
        planned: &Removal,
        nodes: Option<&dyn NodeAccess>,
        on: &dyn Observer,
    ) -> Result<Removed, Error> {
        let mut receipts = match nodes {
            Some(nodes) => self.take_trust(nodes, on)?,
            None => Vec::new(),
        };
        let mut objects = Objects::new(self, on);
        let by_agents = nodes.is_some_and(|nodes| !nodes.is_selective());
        let has_agents = by_agents || self.agents().are_there();
        // The record says that the agents are the registry's: it goes after them.
        let options = DownOptions {
            keep_record: has_agents,
            ..down.options()
        };
        if planned.files_left.is_empty() {
            objects.remove(options).await?;
        } else {
            // The volume is the only note of where the images are: it goes when they are gone.
            let first = DownOptions {
                delete_data: false,
                ..options
            };
            objects.remove(first).await?;
            let directories = &planned.files_left;
            let left = self.erase(nodes, directories, &mut receipts, on)?;
            if left.is_empty() {
                objects.remove(options).await?;
            } else {
                erase::keep_volumes(&mut objects.removal, planned);
            }
            objects.removal.files_left = left;
        }
        if has_agents
            && self
                .remove_agents(nodes, by_agents, &receipts, down, on)
                .await?
        {
            let left = std::mem::take(&mut objects.removal.files_left);
            let delete_data = down.delete_data && left.is_empty();
            objects
                .remove(DownOptions {
                    delete_data,
                    ..down.options()
                })
                .await?;
            objects.removal.files_left = left;
        }
        Ok(Removed {
            nodes: receipts,
            objects: objects.done(),
        })
    }

    fn take_trust(&self, nodes: &dyn NodeAccess, on: &dyn Observer) -> Result<Vec<Receipt>, Error> {
        let instance = nodes::instance(self.place())?;
        let stage = on.stage("trust on the nodes");
        let receipts = block_in_place(|| nodes.untrust(&instance));
        let all_good = receipts.iter().all(Receipt::is_ok);
        let restored = in_state(&receipts, State::Changed);
        let result = if restored == 0 && all_good {
            "none was left".to_owned()
        } else {
            let all = count(receipts.len(), "node");
            format!("{restored} put back as they were, of {all}")
        };
        if all_good {
            stage.done(result);
        } else {
            stage.partly(result);
        }
        Ok(receipts)
    }

    /// Agents stay where a node is not done: they are the way to it. Returns whether they are gone.
    async fn remove_agents(
        &self,
        nodes: Option<&dyn NodeAccess>,
        by_agents: bool,
        receipts: &[Receipt],
        down: Down,
        on: &dyn Observer,
    ) -> Result<bool, Error> {
        let stage = on.stage("agents on the nodes");
        if !receipts.iter().all(Receipt::is_ok) {
            stage.partly("stay for another try");
            return Ok(false);
        }
        match nodes {
            Some(nodes) if by_agents => block_in_place(|| nodes.retire())?,
            _ => self.remove_agents_left(down.timeout).await?,
        }
        stage.done("gone");
        Ok(true)
    }
}

/// The objects, removed in one go or more.
struct Objects<'a> {
    registry: &'a Registry,
    stage: Stage<'a>,
    removal: Removal,
}

impl<'a> Objects<'a> {
    fn new(registry: &'a Registry, on: &'a dyn Observer) -> Self {
        Objects {
            registry,
            stage: on.stage("objects"),
            removal: Removal::default(),
        }
    }

    async fn remove(&mut self, options: DownOptions) -> Result<(), Error> {
        let (cluster, place) = (self.registry.cluster().as_ref(), self.registry.place());
        let removal = down::down(cluster, place, options, &|event| show(&self.stage, &event))
            .await
            .tried("cannot remove the registry from the cluster")?;
        self.removal.delete.extend(removal.delete);
        self.removal.keep = removal.keep;
        self.removal.files_left = removal.files_left;
        // The second time nothing says so any more.
        self.removal.bucket_left = self.removal.bucket_left.take().or(removal.bucket_left);
        Ok(())
    }

    fn done(self) -> Removal {
        self.stage.done(match self.removal.delete.len() {
            0 => "none were left".to_owned(),
            number => format!("{number} removed"),
        });
        self.removal
    }
}
