//! What happens meanwhile, for a display.

use crate::{change::Change, object_ref::ObjectRef};

/// Something that just happened, for a progress display.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// This change was carried out (or there was nothing to do).
    Done(Change),
    /// Still waiting for this object, which is in this state.
    Waiting(ObjectRef, String),
    /// This object was deleted and is gone.
    Deleted(ObjectRef),
}

/// Receives [`Progress`]. `&|_| {}` ignores it.
pub type Watcher<'a> = &'a (dyn Fn(Progress) + Send + Sync);
