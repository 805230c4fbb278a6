//! Looking at a node's files by other means than the transport that is checked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A node's files, seen and changed by other means than the transport that is checked: a
/// directory on this machine, `docker exec`, an agent. Paths are absolute, as the node has
/// them.
pub trait NodeFiles {
    /// Everything at and below `top`; nothing if it does not exist. Links are not followed.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn tree(&self, top: &str) -> io::Result<Tree>;

    /// The bytes of a regular file; none if it does not exist.
    ///
    /// # Errors
    /// Whatever keeps it from being read.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes a file in place (it may be a mount point), and the directories above it.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    fn write(&self, path: &str, content: &[u8]) -> io::Result<()>;

    /// Removes a file, or a directory with all in it; no error if it does not exist.
    ///
    /// # Errors
    /// Whatever keeps it from being removed.
    fn remove(&self, path: &str) -> io::Result<()>;
}

/// What is at each path.
pub type Tree = BTreeMap<String, Seen>;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made by implementers of NodeFiles"
)]
pub struct Seen {
    /// What it is.
    pub kind: SeenKind,
    /// Permission bits, without those of the kind.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change, in whatever unit: only compared for being equal.
    pub modified: String,
    /// SHA-256 of a file's bytes in lower-case hex; empty for all else.
    pub sha256: String,
}

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "made by implementers of NodeFiles")]
pub enum SeenKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// A directory on this machine that holds a node's tree, as [`crate::LocalRoot`] does.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The tree below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Directory {
        Directory { root: root.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

impl NodeFiles for Directory {
    fn tree(&self, top: &str) -> io::Result<Tree> {
        let mut tree = Tree::new();
        walk(&self.at(top), top, &mut tree)?;
        Ok(tree)
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        absent_is_none(fs::read(self.at(path)))
    }

    fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = self.at(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, content)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.at(path);
        let Some(meta) = absent_is_none(fs::symlink_metadata(&path))? else {
            return Ok(());
        };
        match meta.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        }
    }
}

fn walk(at: &Path, path: &str, tree: &mut Tree) -> io::Result<()> {
    let Some(meta) = absent_is_none(fs::symlink_metadata(at))? else {
        return Ok(());
    };
    let (kind, sha256) = match meta.file_type() {
        t if t.is_file() => (SeenKind::File, hex::encode(Sha256::digest(fs::read(at)?))),
        t if t.is_dir() => (SeenKind::Directory, String::new()),
        _ => (SeenKind::Other, String::new()),
    };
    let seen = Seen {
        kind,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        modified: format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()),
        sha256,
    };
    tree.insert(path.to_owned(), seen);
    if kind == SeenKind::Directory {
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            let name = entry.file_name();
            let path = format!("{}/{}", path.trim_end_matches('/'), name.to_string_lossy());
            walk(&entry.path(), &path, tree)?;
        }
    }
    Ok(())
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}
