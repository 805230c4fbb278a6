//! Proof that a registry works.
pub mod image;
