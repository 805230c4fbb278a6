//! Streams to the Pods of a Kubernetes cluster, through its API server: `exec` and `port-forward`.
//!
//! kube's client has one read timeout for everything. A stream must not have one: an upload sends for minutes and hears
//! nothing, a program may be silent for an hour. [`PodStreams`] therefore has two clients, and its streams check the
//! connection by themselves, with WebSocket pings (RFC 6455, section 5.5.2). kube's own `portforward` sends no pings, its
//! `exec` does not look whether they are answered, and both lose the reason when a stream breaks.
//!
//! This is a crate of its own because the nodes' agents (`exec`) and the proof (`port-forward`) both need it and do not
//! know each other.

mod again;
mod client;
mod exec;
mod forward;
mod proxied;
mod socket;
mod streams;

pub use again::{again, is_passing};
pub use exec::{Ended, ExecError, Program};
pub use forward::{ForwardError, Forwarded};
pub use proxied::ProxyError;
pub use socket::{Broken, Limits};
pub use streams::PodStreams;
