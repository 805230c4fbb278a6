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
    /// What helps.
    pub remedy: Remedy,
}

/// What helps where waiting does not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Remedy {
    /// The claim has to be made, or other storage chosen.
    MakeClaim,
    /// A StorageClass that exists has to be named, or other storage chosen.
    ExistingClass,
    /// A StorageClass has to be named, or other storage chosen.
    NameClass,
    /// What provides volumes has to work, or other storage be chosen.
    Provisioner,
    /// This volume has to be freed of the claim that it remembers; the files on it stay.
    FreeVolume(ObjectRef),
    /// The images are gone: the registry has to be removed with its data and put up again.
    StartOver,
    /// Other storage has to be chosen: the claim has no volume that the Pod's node can use.
    Storage,
    /// A node needs room, or has to lose a taint, or the registry has to ask for less.
    Room,
    /// The nodes have to be able to get this image, or another one has to be chosen.
    Image(String),
    /// A Secret, ConfigMap or directory that the Pod needs is missing: put the registry up again.
    Parts,
    /// The quota, policy or webhook that takes no such Pod has to.
    Admission,
    /// What this Pod wrote last says more.
    Log(ObjectRef),
    /// What the API server says of this Pod says more.
    Describe(ObjectRef),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is stuck: {}", self.object, self.reason)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        for line in &self.evidence {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
