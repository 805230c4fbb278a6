//! From facts and [`Trust`] to file edits, or to a refusal: no I/O.

mod check;
mod clients;
mod containerd;
pub(crate) mod containers;
mod docker;
mod edit;
pub(crate) mod keeper;
mod rancher;
mod refusal;
mod restart;
mod rewritten;
mod runtime;
mod serving;
pub(crate) mod system;
mod trusted;
mod wanted;
pub(crate) mod writes;

use std::fmt;

use kreg_auth::RegistryHost;
use serde::Serialize;

pub use clients::client_files;
pub use edit::{Change, Edit, EditKind};
pub use refusal::{Refusal, RefusalKind, Refused};
pub use restart::Restart;
pub use writes::Writes;

use self::wanted::Wanted;

use crate::{InstanceId, NodeFacts, Trust};

/// What is to be written on one node. Prints as a diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodePlan {
    pub(crate) instance: InstanceId,
    /// Whether what others wrote may be taken over.
    #[serde(skip)]
    pub(crate) adopt: bool,
    pub(crate) host: RegistryHost,
    pub(crate) edits: Vec<Edit>,
    pub(crate) removals: Vec<String>,
    pub(crate) unfinished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restart: Option<Restart>,
    pub(crate) warnings: Vec<String>,
}

impl NodePlan {
    /// Decides what `trust` needs on the node that `facts` were read on.
    ///
    /// # Errors
    /// [`Refused`], with every reason that was found, if writing would not lead to trust or
    /// would harm something of somebody else's.
    pub fn decide(facts: &NodeFacts, trust: &Trust) -> Result<NodePlan, Refused> {
        NodePlan::of(runtime::wanted(facts, trust))
    }

    /// Decides what programs on a person's own machine need to push to and pull from the registry at
    /// the trust's endpoint, whatever is installed there: see [`client_files`].
    ///
    /// # Errors
    /// As [`NodePlan::decide`].
    pub fn for_clients(facts: &NodeFacts, trust: &Trust) -> Result<NodePlan, Refused> {
        let mut wanted = Wanted::new(facts, trust);
        wanted.files = client_files(trust);
        NodePlan::of(wanted)
    }

    fn of(wanted: Wanted<'_>) -> Result<NodePlan, Refused> {
        let Wanted {
            facts,
            trust,
            files,
            restart,
            mut warnings,
            mut refusals,
            ..
        } = wanted;
        let of_another = facts.other_owner(trust.instance());
        if let Some(id) = &of_another {
            match trust.adopt() {
                true => warnings.push(check::taken_over(trust.instance(), id)),
                false => refusals.push(check::other_registry(trust.instance(), id)),
            }
        }
        let damaged = facts.damaged_journal(trust.instance());
        refusals.extend(damaged.iter().map(|folder| check::journal(folder)));
        let journal = facts.journal(trust.instance());
        let mut edits = Vec::with_capacity(files.len());
        for kind in files {
            match check::edit(facts, trust, &journal, kind, &mut warnings) {
                Ok(edit) => edits.push(edit),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if restart.is_some() || edits.iter().any(|edit| !edit.is_kept()) {
            refusals.extend(check::node(facts, &edits));
        }
        if !refusals.is_empty() {
            return Err(Refused(refusals));
        }
        let needed = |path: &String| edits.iter().any(|edit| edit.path() == path);
        let removals = journal
            .iter()
            .filter(|(path, entry)| entry.is_trust() && !needed(path))
            .map(|(path, _)| path.clone())
            .collect();
        let unfinished = of_another.is_some()
            || journal
                .values()
                .any(|entry| entry.is_trust() && entry.after.is_none());
        Ok(NodePlan {
            instance: trust.instance().clone(),
            adopt: trust.adopt(),
            host: trust.host().clone(),
            edits,
            removals,
            unfinished,
            restart,
            warnings,
        })
    }

    /// The edits, in the order in which they are made.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Files of an earlier run that are no longer wanted and go back to what they were.
    #[must_use]
    pub fn removals(&self) -> &[String] {
        &self.removals
    }

    /// The restart that the runtime needs first; only if [`Trust::with_restart`] allows one.
    #[must_use]
    pub fn restart(&self) -> Option<&Restart> {
        self.restart.as_ref()
    }

    /// What speaks against success and yet is no reason to refuse.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether everything is in place already and nothing would be written.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.restart.is_none()
            && self.removals.is_empty()
            && !self.unfinished
            && self.edits.iter().all(Edit::is_kept)
    }
}

impl fmt::Display for NodePlan {
    /// A unified diff of every file that would change; nothing where none would.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(restart) = &self.restart {
            write!(f, "{restart}")?;
        }
        for edit in &self.edits {
            write!(f, "{edit}")?;
        }
        for path in &self.removals {
            writeln!(f, "--- {path}\n+++ (as it was before kreg)")?;
        }
        Ok(())
    }
}
