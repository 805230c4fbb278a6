//! A fresh image, built in memory: one tiny program per architecture, a layer nobody has seen.

mod arch;
mod descriptor;
mod elf;
mod layer;
mod probe;

pub use arch::{Architecture, UnknownArchitecture};
pub use descriptor::{Descriptor, Digest, DigestError, MediaTypes, Platform};
pub use elf::{LINE_MAX_BYTES, line_printer};
pub use layer::{Layer, LayerError};
pub use probe::{Blob, Manifest, Nonce, ProbeError, ProbeImage};
