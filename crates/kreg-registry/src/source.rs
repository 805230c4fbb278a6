//! An OCI image layout, wherever its files lie: in a directory, or in a tar archive.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive_index::{ArchiveIndex, DOCUMENT_MAX_BYTES};
use crate::descriptor::Digest;
use crate::plan::{ArchiveError, Source};

/// Where a layout's documents and blobs are found.
pub(crate) enum Layout<'a> {
    Folder(&'a Path),
    Archive(&'a ArchiveIndex),
}

impl Layout<'_> {
    /// What a user calls it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Layout::Folder(path) => path,
            Layout::Archive(archive) => archive.path(),
        }
    }

    /// A document's bytes.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        match self {
            Layout::Archive(archive) => archive.read(name),
            Layout::Folder(folder) => {
                let (path, size) = file(folder, name)?;
                if size > DOCUMENT_MAX_BYTES {
                    let what = format!("its {name} is too long for a document");
                    return Err(ArchiveError::format(folder, what));
                }
                std::fs::read(&path).map_err(|source| ArchiveError::Read { path, source })
            }
        }
    }

    /// Where a blob's bytes lie.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Source, ArchiveError> {
        let name = blob_name(digest);
        let (file, offset, size) = match self {
            Layout::Archive(archive) => {
                let span = archive.span(&name)?;
                (archive.path().to_owned(), span.offset, span.size)
            }
            Layout::Folder(folder) => {
                let (path, size) = file(folder, &name)?;
                (path, 0, size)
            }
        };
        Ok(Source {
            digest: digest.clone(),
            size,
            file,
            offset,
        })
    }
}

/// The path of a layout's blob.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn file(folder: &Path, name: &str) -> Result<(PathBuf, u64), ArchiveError> {
    let path = folder.join(name);
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok((path, metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ArchiveError::format(
            folder,
            format!("it has no {name}; save the image again"),
        )),
        Err(source) => Err(ArchiveError::Read { path, source }),
    }
}
