//! The DaemonSet backend: one Pod a node, which keeps the node's trust and runs programs on it.
//!
//! [`NodeAgent`] is what the cluster is to hold, as plain values: whoever applies them is free in
//! how. [`guard()`] is the admission policy that keeps others out of the agents' namespace. [`AgentPods`] is the [`crate::NodeTransport`] over the Pods, by the API's `exec`; [`AgentWatch`]
//! is where they are.
//!
//! The Pod is not privileged: root without any capability but those to write others' files, no
//! token, no network port, and of the node's file system `/etc` and `/var/lib/kreg` alone. It runs
//! shell scripts in the registry's own image, so that no second image has to be fetched.

mod agent;
mod guard;
mod pods;
mod runtime;
mod watch;

pub use agent::{NAMESPACE, NodeAgent};
pub use guard::{GUARD, guard};
pub use kreg_stream::PodStreams;
pub use pods::AgentPods;
pub use watch::{AgentPod, AgentWatch};
