//! Where each file of a tar archive lies, so that layers are streamed from it and never unpacked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::plan::ArchiveError;

/// The longest document that is read out of an archive, in bytes.
pub(crate) const DOCUMENT_MAX_BYTES: u64 = 8 << 20;

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

enum Entry {
    File(Span),
    Link(String),
}

/// The table of contents of an uncompressed tar archive.
pub(crate) struct ArchiveIndex {
    path: PathBuf,
    entries: HashMap<String, Entry>,
}

impl ArchiveIndex {
    /// Reads the headers of the whole archive.
    pub(crate) fn open(path: &Path) -> Result<ArchiveIndex, ArchiveError> {
        let reading = |source| ArchiveError::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(reading)?;
        let mut magic = [0; 2];
        let begun = file.read(&mut magic).map_err(reading)?;
        if begun == 2 && magic == [0x1f, 0x8b] {
            return Err(ArchiveError::format(
                path,
                "it is compressed as a whole; unpack it with `gunzip` first",
            ));
        }
        file.seek(SeekFrom::Start(0)).map_err(reading)?;
        let mut archive = tar::Archive::new(file);
        let mut entries = HashMap::new();
        for entry in archive.entries_with_seek().map_err(reading)? {
            let entry = entry.map_err(reading)?;
            let name = normal(&entry.path().map_err(reading)?.to_string_lossy());
            let kind = entry.header().entry_type();
            if kind.is_symlink() || kind.is_hard_link() {
                let target = entry.link_name().map_err(reading)?;
                let target = target
                    .map(|target| target.to_string_lossy().into_owned())
                    .unwrap_or_default();
                // A symbolic link's target is relative to its own folder, a hard link's to the archive.
                let target = if kind.is_symlink() {
                    beside(&name, &target)
                } else {
                    normal(&target)
                };
                entries.insert(name, Entry::Link(target));
            } else if kind.is_file() {
                let span = Span {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                };
                entries.insert(name, Entry::File(span));
            }
        }
        Ok(ArchiveIndex {
            path: path.to_owned(),
            entries,
        })
    }

    /// Where a file lies, links followed; `None` if there is none of that name.
    pub(crate) fn find(&self, name: &str) -> Option<Span> {
        let mut name = normal(name);
        for _ in 0..8 {
            match self.entries.get(&name)? {
                Entry::File(span) => return Some(*span),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    /// As [`ArchiveIndex::find`], but a missing file is an error.
    pub(crate) fn span(&self, name: &str) -> Result<Span, ArchiveError> {
        self.find(name).ok_or_else(|| {
            ArchiveError::format(
                &self.path,
                format!("it has no {name}; save the image again"),
            )
        })
    }

    /// A small file's content.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let span = self.span(name)?;
        if span.size > DOCUMENT_MAX_BYTES {
            return Err(ArchiveError::format(
                &self.path,
                format!("its {name} is too long for a document"),
            ));
        }
        let mut content = Vec::new();
        self.reader(span)
            .and_then(|mut reader| reader.read_to_end(&mut content))
            .map_err(|source| ArchiveError::Read {
                path: self.path.clone(),
                source,
            })?;
        Ok(content)
    }

    /// A stretch of the archive as a stream.
    pub(crate) fn reader(&self, span: Span) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(span.offset))?;
        Ok(file.take(span.size))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// `./a/../b` as `b`: how the documents in an archive name its files.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn beside(name: &str, target: &str) -> String {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    normal(&format!("{folder}/{target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_in_one_form() {
        for (path, expected) in [
            ("./a/b", "a/b"),
            ("a//b/", "a/b"),
            ("a/../b", "b"),
            ("../b", "b"),
            ("", ""),
        ] {
            assert_eq!(normal(path), expected);
        }
        assert_eq!(beside("one/layer.tar", "../two/layer.tar"), "two/layer.tar");
    }

    #[test]
    fn files_are_found_through_links_but_not_in_circles() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = tar::Builder::new(file.reopen().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        archive
            .append_data(&mut header, "one/layer.tar", &b"hello"[..])
            .unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        archive
            .append_link(&mut link, "two/layer.tar", "../one/layer.tar")
            .unwrap();
        archive.append_link(&mut link, "circle", "circle").unwrap();
        archive.finish().unwrap();
        let index = ArchiveIndex::open(file.path()).unwrap();
        assert_eq!(index.read("./two/layer.tar").unwrap(), b"hello");
        assert_eq!(index.find("circle"), None);
        let error = index.read("index.json").unwrap_err().to_string();
        assert!(error.contains("index.json"), "{error}");
    }

    #[test]
    fn a_compressed_archive_is_refused_with_the_way_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0x1f, 0x8b, 8, 0]).unwrap();
        let Err(error) = ArchiveIndex::open(file.path()) else {
            panic!("taken")
        };
        assert!(error.to_string().contains("gunzip"), "{error}");
    }
}
