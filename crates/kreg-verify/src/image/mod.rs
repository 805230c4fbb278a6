//! A fresh image, built in memory: one tiny program per architecture, a layer nobody has seen.

mod arch;
mod elf;
mod probe;

pub use arch::{Architecture, UnknownArchitecture};
pub use elf::{LINE_MAX_BYTES, line_printer};
pub use probe::{Blob, Nonce, ProbeError, ProbeImage};
