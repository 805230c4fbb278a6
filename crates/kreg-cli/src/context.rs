//! What every command is given.

use crate::args::Global;
use crate::config::Config;
use crate::progress::Progress;

/// What every command is given.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) global: Global,
    pub(crate) config: Config,
    pub(crate) progress: Progress,
}
