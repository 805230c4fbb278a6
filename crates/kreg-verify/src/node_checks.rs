//! What a proof of nodes brings to a verification.

use futures::future::BoxFuture;

use crate::check::Check;
use crate::image::Architecture;
use crate::verify_error::VerifyError;

/// Proves nodes, and clears up after it.
pub(crate) trait NodeProof: Send + Sync {
    /// Looks for the nodes, and gives the checks of each.
    fn checks(&self) -> BoxFuture<'_, Result<NodeChecks, VerifyError>>;

    /// Removes what this run started on nodes, and says what is left. `stopped`: the checks were cut off.
    fn clear<'a>(&'a self, run: &'a str, stopped: bool) -> BoxFuture<'a, Cleared>;
}

/// What was removed, or what was not and why.
pub(crate) type Cleared = Result<Option<String>, String>;

/// The checks of nodes, in two groups: others stand between them in a report.
#[derive(Default)]
pub(crate) struct NodeChecks {
    pub(crate) routes: Vec<Box<dyn Check>>,
    pub(crate) pulls: Vec<Box<dyn Check>>,
    /// What the probe image is built for.
    pub(crate) architectures: Vec<Architecture>,
}
