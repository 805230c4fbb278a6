//! A layer: a gzip-compressed tar archive whose bytes depend on its files alone.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

use crate::descriptor::Digest;

/// One layer of an image, held in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The compressed archive, as it is pushed.
    pub compressed: Vec<u8>,
    /// The digest of `compressed`, by which the registry knows the layer.
    pub digest: Digest,
    /// The digest of the archive before compression, by which the image's configuration knows it.
    pub diff_id: Digest,
}

/// A layer that could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} the layer's archive")]
pub struct LayerError {
    action: &'static str,
    source: io::Error,
}

impl Layer {
    /// A layer of these files: path without a leading `/`, permission bits, content.
    ///
    /// Owner, times and order are fixed, so equal files give equal digests.
    ///
    /// # Errors
    /// If a path does not fit a tar header (100 bytes, or 255 split at a `/`).
    pub fn of_files(files: &[(&str, u32, &[u8])]) -> Result<Layer, LayerError> {
        let writing = |source| LayerError {
            action: "write",
            source,
        };
        let mut archive = tar::Builder::new(Vec::new());
        for (path, mode, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_path(path).map_err(writing)?;
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(content.len() as u64);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_cksum();
            archive.append(&header, *content).map_err(writing)?;
        }
        let plain = archive.into_inner().map_err(writing)?;
        let mut compressed = Vec::new();
        // No name, no time, "unknown" system: nothing of this machine in the header.
        GzBuilder::new()
            .mtime(0)
            .operating_system(255)
            .read(plain.as_slice(), Compression::default())
            .read_to_end(&mut compressed)
            .map_err(writing)?;
        Ok(Layer {
            digest: Digest::of(&compressed),
            diff_id: Digest::of(&plain),
            compressed,
        })
    }

    /// The content of the file of this path in a compressed layer, if there is one.
    ///
    /// # Errors
    /// If the bytes are no gzip-compressed tar archive.
    pub fn find(compressed: &[u8], path: &str) -> Result<Option<Vec<u8>>, LayerError> {
        let reading = |source| LayerError {
            action: "read",
            source,
        };
        let mut archive = tar::Archive::new(GzDecoder::new(compressed));
        for entry in archive.entries().map_err(reading)? {
            let mut entry = entry.map_err(reading)?;
            if entry.path_bytes().as_ref() == path.as_bytes() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(reading)?;
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// The digest of a compressed layer's archive before compression, its diff id.
    ///
    /// # Errors
    /// If the bytes are not gzip-compressed.
    pub fn diff_id_of(compressed: &[u8]) -> Result<Digest, LayerError> {
        let mut plain = Vec::new();
        GzDecoder::new(compressed)
            .read_to_end(&mut plain)
            .map_err(|source| LayerError {
                action: "decompress",
                source,
            })?;
        Ok(Digest::of(&plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_give_equal_bytes_and_others_do_not() {
        let one = Layer::of_files(&[("a", 0o555, b"x"), ("b", 0o444, b"y")]).unwrap();
        let same = Layer::of_files(&[("a", 0o555, b"x"), ("b", 0o444, b"y")]).unwrap();
        let other = Layer::of_files(&[("a", 0o555, b"x"), ("b", 0o444, b"z")]).unwrap();
        assert_eq!(one, same);
        assert_ne!(one.digest, other.digest);
        assert_ne!(one.diff_id, other.diff_id);
    }

    #[test]
    fn the_files_come_back_with_mode_and_owner() {
        let layer = Layer::of_files(&[("dir/a", 0o555, b"x"), ("b", 0o444, b"yy")]).unwrap();
        assert_eq!(
            Layer::find(&layer.compressed, "b").unwrap().as_deref(),
            Some(&b"yy"[..])
        );
        assert_eq!(Layer::find(&layer.compressed, "c").unwrap(), None);
        assert_eq!(Layer::diff_id_of(&layer.compressed).unwrap(), layer.diff_id);
        let mut archive = tar::Archive::new(GzDecoder::new(layer.compressed.as_slice()));
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let header = entry.unwrap().header().clone();
                let path = header.path().unwrap().display().to_string();
                (
                    path,
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.mtime().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("dir/a".to_owned(), 0o555, 0, 0),
                ("b".to_owned(), 0o444, 0, 0)
            ]
        );
    }

    #[test]
    fn what_is_no_layer_is_refused() {
        assert!(Layer::find(b"not gzip", "a").is_err());
        assert!(Layer::diff_id_of(b"not gzip").is_err());
        assert!(Layer::of_files(&[(&"x".repeat(300), 0o444, b"")]).is_err());
    }
}
