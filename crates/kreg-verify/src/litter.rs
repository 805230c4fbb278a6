//! What checks leave in the registry beside the probe image, noted before it is made.

use std::sync::{Mutex, PoisonError};

use kreg_registry::{Digest, Manifest, Repository};

/// Notes of what a run brings into the registry, so that clearing up finds it whatever becomes of
/// the check that brought it.
#[derive(Debug, Default)]
pub struct Litter {
    pieces: Mutex<Vec<Piece>>,
}

/// One thing to take away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Blob(Repository, Digest),
    Manifest(Repository, Manifest),
}

impl Litter {
    /// A blob is about to come into this repository.
    pub fn blob(&self, repository: &Repository, digest: &Digest) {
        self.note(Piece::Blob(repository.clone(), digest.clone()));
    }

    /// A manifest is about to come into this repository.
    pub fn manifest(&self, repository: &Repository, manifest: &Manifest) {
        self.note(Piece::Manifest(repository.clone(), manifest.clone()));
    }

    /// Everything noted, the newest first: what refers to others goes before them.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.iter().rev().cloned().collect()
    }

    fn note(&self, piece: Piece) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if !pieces.contains(&piece) {
            pieces.push(piece);
        }
    }
}
