//! What each node must hold to trust a registry: decided from facts, applied, journaled, undone.
pub mod conformance;
pub mod containerd;
pub mod facts;
mod fleet;
pub mod hosts_file;
mod instance;
mod node;
mod plan;
mod program;
mod receipt;
#[cfg(feature = "ssh")]
pub mod ssh;
pub mod transport;
mod trust;

pub use facts::{FactsError, NodeFacts};
pub use fleet::{Fleet, PlanOutcome};
pub use instance::{InstanceError, InstanceId};
pub use node::Node;
pub use plan::{Change, Edit, EditKind, NodePlan, Refusal, RefusalKind, Refused};
pub use program::{
    Answer, AnswerError, NodeProgram, ProbeRequest, StorageDir, StorageDirError, quote,
};
pub use receipt::{FileReport, FileStatus, Receipt, State};
pub use transport::{LocalRoot, NodeTransport, Output, TransportError, TransportErrorKind};
pub use trust::{NameMode, Trust, TrustError};
