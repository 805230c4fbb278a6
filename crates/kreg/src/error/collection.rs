//! Nothing was collected, or not all.

use kreg_k8s::WorkloadState;
use kreg_stream::ExecError;

use super::Error;

/// Why nothing was collected, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// A bare Pod cannot be restarted with another configuration.
    #[error(
        "the tutorial's registry is a bare Pod that keeps a cache of what it has: it cannot be made read-only and back \
         without being replaced"
    )]
    BarePod,
    /// It does not serve.
    #[error("the registry is {0}")]
    NotReady(
        /// How it is.
        WorkloadState,
    ),
    /// It has no configuration to serve read-only with.
    #[error(
        "this registry was put up by an older kreg, or its Deployment was changed by hand: it has no configuration to \
         serve read-only with"
    )]
    NotPrepared,
    /// None of its Pods is ready.
    #[error("no Pod of the registry is ready")]
    NoPod,
    /// It could not be made read-only. Nothing was removed.
    #[error("cannot make the registry read-only")]
    Begin(#[source] kreg_k8s::Error),
    /// It was made read-only, but that is not proved. Nothing was removed.
    #[error("{tried}")]
    NotReadOnly {
        /// What was tried.
        tried: String,
        /// What went wrong, if an error says so.
        source: Option<Box<Error>>,
    },
    /// A program in its Pod could not be run.
    #[error("cannot run `{command}` in Pod {pod}")]
    Program {
        /// The program and its arguments.
        command: String,
        /// The Pod.
        pod: String,
        /// What went wrong.
        source: ExecError,
    },
    /// The collector failed. What it removed was not needed.
    #[error("{what}: {last}")]
    Collector {
        /// At what.
        what: &'static str,
        /// Its last words.
        last: String,
    },
    /// Pushes may have been taken meanwhile.
    #[error(
        "somebody changed the registry's Deployment during the collection; if it was not kreg, images pushed meanwhile \
         may lack layers"
    )]
    Changed,
    /// The collector ended without an error, and did not do all of its work.
    #[error(
        "the collector ended, but {} still there that no image needs",
        if *.0 == 1 { "one blob is".to_owned() } else { format!("{} blobs are", .0) }
    )]
    Left(
        /// How many blobs are left.
        usize,
    ),
    /// It was ended from outside. What was removed was not needed.
    #[error("interrupted")]
    Interrupted,
    /// It takes no pushes, and stays so, which is safe.
    #[error("{tried}")]
    StaysReadOnly {
        /// What was tried.
        tried: String,
        /// What went wrong, if an error says so.
        source: Option<Box<Error>>,
    },
    /// It may still refuse pushes.
    #[error("{tried}")]
    MayRefuse {
        /// What was tried.
        tried: String,
        /// What went wrong, if an error says so.
        source: Option<Box<Error>>,
    },
}
