//! What a node holds where its runtime looks for the CA.

use super::{EditKind, NodePlan, Refused};
use crate::{NodeFacts, Trust};

impl NodeFacts {
    /// Of the files that this node's runtimes read for the registry, those that are to hold the CA of
    /// `trust`: path and bytes, as they are. One that is missing beside
    /// others is empty; if all are missing, there is none.
    ///
    /// Files of others at these paths count, since nothing is to be written.
    ///
    /// # Errors
    /// [`Refused`] if it cannot be said which files these are.
    pub fn trusted(&self, trust: &Trust) -> Result<Vec<(String, Vec<u8>)>, Refused> {
        let trust = trust.clone().with_adopt(true);
        let plan = NodePlan::decide(self, &trust)?;
        let found = plan.edits().iter().filter_map(|edit| {
            let EditKind::File { path, content, .. } = edit.kind() else {
                return None;
            };
            (content == trust.ca_pem()).then(|| (path.clone(), self.content(path)))
        });
        let found: Vec<_> = found.collect();
        if found.iter().all(|(_, text)| text.is_none()) {
            return Ok(Vec::new());
        }
        let held = found.into_iter();
        Ok(held
            .map(|(path, text)| (path, text.unwrap_or_default().to_vec()))
            .collect())
    }
}
