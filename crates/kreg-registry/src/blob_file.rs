//! A blob on its way to the disk, hashed and written on a thread of its own.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::descriptor::Digest;

/// Bytes that are hashed and written at a time.
const PIECE: usize = 256 << 10;
/// Pieces that wait for it.
const WAITING: usize = 2;

/// What has been written.
pub(crate) struct Written {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// A file that is being written. While one piece is hashed and written, the next arrives: a connection
/// waits neither for the disk nor for SHA-256.
pub(crate) struct BlobFile {
    filling: Vec<u8>,
    waiting: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<io::Result<Written>>,
}

impl BlobFile {
    /// Begins a file, in the place of one of that name. Whether that worked is reported by
    /// [`BlobFile::close`].
    pub(crate) fn create(path: &Path) -> BlobFile {
        let (waiting, mut pieces) = mpsc::channel::<Vec<u8>>(WAITING);
        let path = path.to_owned();
        let writer = tokio::task::spawn_blocking(move || {
            let mut file = File::create(path)?;
            let (mut hasher, mut size) = (Sha256::new(), 0);
            while let Some(piece) = pieces.blocking_recv() {
                hasher.update(&piece);
                file.write_all(&piece)?;
                size += piece.len() as u64;
            }
            let digest = Digest::finish(hasher);
            Ok(Written { digest, size })
        });
        BlobFile {
            filling: Vec::with_capacity(PIECE),
            waiting,
            writer,
        }
    }

    /// Takes bytes; `false` if the file has failed and wants no more.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let room = PIECE - self.filling.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.filling.extend_from_slice(now);
            bytes = later;
            if self.filling.len() == PIECE {
                let full = std::mem::replace(&mut self.filling, Vec::with_capacity(PIECE));
                if self.waiting.send(full).await.is_err() {
                    return false;
                }
            }
        }
        true
    }

    /// Writes what is left, and says what the file holds.
    pub(crate) async fn close(self) -> io::Result<Written> {
        // Why it could not be sent is what the writer says.
        let _ = self.waiting.send(self.filling).await;
        drop(self.waiting);
        self.writer.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_in_any_pieces_is_on_the_disk_with_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blob");
        let content: Vec<u8> = (0..3 * PIECE + 17).map(|n| (n / 7) as u8).collect();
        for size in [1_000, PIECE, content.len()] {
            let mut file = BlobFile::create(&path);
            for piece in content.chunks(size) {
                assert!(file.write(piece).await);
            }
            let written = file.close().await.unwrap();
            assert_eq!(written.size, content.len() as u64);
            assert_eq!(written.digest, Digest::of(&content));
            assert!(std::fs::read(&path).unwrap() == content);
        }
        let empty = BlobFile::create(&path).close().await.unwrap();
        assert_eq!((empty.size, empty.digest), (0, Digest::of(b"")));
    }

    #[tokio::test]
    async fn a_disk_that_takes_no_more_ends_it() {
        // full(4): writes fail because no room is left.
        let mut file = BlobFile::create(Path::new("/dev/full"));
        let piece = vec![0; PIECE];
        let mut taken = 0;
        while taken < 100 && file.write(&piece).await {
            taken += 1;
        }
        assert!(taken <= WAITING + 2, "{taken}");
        let error = file.close().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
