//! What keeps an object from getting where it should, as far as waiting does not help.

use std::fmt;

use crate::object_ref::ObjectRef;

/// A cause that will not go away by waiting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Cause {
    /// The object that is stuck.
    pub object: ObjectRef,
    /// Kubernetes' own word for it: `ImagePullBackOff`, `Unschedulable`.
    pub reason: String,
    /// What the runtime, scheduler or volume controller said.
    pub message: String,
    /// Log lines or events that show it.
    pub evidence: Vec<String>,
    /// What to do next.
    pub advice: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is stuck: {}", self.object, self.reason)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        write!(f, "; {}", self.advice)?;
        for line in &self.evidence {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
