//! Proof that a registry works.
pub mod dial;
pub mod image;
pub mod registry;
