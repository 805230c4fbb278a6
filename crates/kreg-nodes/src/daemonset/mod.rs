//! The DaemonSet backend: one Pod a node, which keeps the node's trust and runs programs on it.
//!
//! [`NodeAgent`] is what the cluster is to hold, as plain values: the program that applies them is free in
//! how. [`guard()`] is the admission policy that keeps others out of the agents' namespace. [`AgentPods`] is the [`crate::NodeTransport`] over the Pods, by the API's `exec`; [`AgentWatch`]
//! is where they are.
//!
//! The Pod is not privileged: root without any capability but those to write others' files, no
//! token, no network port. It runs shell scripts in the registry's own image ([`AgentImage`]), so that no second image has to
//! be fetched. What of the node it has depends on what it is there for:
//!
//! | the agents | are there | see | may write |
//! |---|---|---|---|
//! | look | while nodes are looked at for the first time | `/etc`, `/var/lib` | nothing |
//! | keep | as long as the registry is | `/etc`, `/var/lib/kreg` | `/var/lib/kreg`, and of `/etc` only what the plans of all nodes take ([`crate::Writes`]) |
//! | search | for a moment, before images are erased | `/` | nothing |
//! | take back | while nodes are put back as they were | `/etc`, `/var/lib`, the directory above the images | all of that |
//!
//! A mount that makes its directory would leave it behind, so only what is there is mounted, except `/var/lib/kreg`, which
//! taking back removes. A program that may write `/etc` as a whole, `/var/lib`, or a runtime's configuration in `/etc/containerd` or
//! `/etc/docker` can become root of the node: fewer files to do it by, and no way to change passwords or units at once, is what
//! the narrower mounts are worth. `/etc` as a whole is writable where a node needs `/etc/hosts`, which is replaced by rename, or
//! has to get a directory in `/etc` itself.

mod agent;
mod guard;
mod image;
mod pod;
mod pods;
mod progress;
mod pulse;
mod rollout;
mod runtime;
mod standing;
mod watch;

pub use agent::{NAMESPACE, NodeAgent};
pub use guard::{GUARD, guard};
pub use image::AgentImage;
pub use kreg_stream::PodStreams;
pub use pods::AgentPods;
pub use progress::{Progress, Seen};
pub use pulse::{Pulse, Trouble};
pub use rollout::Rollout;
pub use standing::StandingAgents;
pub use watch::{AgentPod, AgentWatch};
