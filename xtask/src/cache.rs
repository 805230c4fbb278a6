//! What is slow to build is kept outside `target/`, one directory an entry.
//!
//! An entry is built beside its final place and renamed when it is whole, so a killed build never
//! leaves half an entry. A lock file keeps two runs from building the same one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::failure::{Failure, Result, Tried as _};

/// `$KREG_CACHE`, or `$XDG_CACHE_HOME/kreg`, or `~/.cache/kreg`.
pub(crate) fn root() -> Result<PathBuf> {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let root = from("KREG_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("kreg")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/kreg")))
        .ok_or_else(|| {
            Failure::new(
                "find the cache directory",
                "neither KREG_CACHE, XDG_CACHE_HOME nor HOME is set",
            )
            .next("set KREG_CACHE to a directory with some gigabytes of room")
        })?;
    fs::create_dir_all(&root).tried(|| format!("make the cache {}", root.display()))?;
    Ok(root)
}

/// A sub-directory of the cache that is written in place (state, logs), made if absent.
pub(crate) fn directory(name: &str) -> Result<PathBuf> {
    let directory = root()?.join(name);
    fs::create_dir_all(&directory).tried(|| format!("make {}", directory.display()))?;
    Ok(directory)
}

/// The log file of one chore; its directory exists afterwards.
pub(crate) fn log(name: &str) -> Result<PathBuf> {
    Ok(directory("logs")?.join(format!("{name}.log")))
}

/// The directory `<cache>/<kind>/<key>`; `build` fills a fresh one if it is not there yet.
pub(crate) fn entry(
    kind: &str,
    key: &str,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let shelf = directory(kind)?;
    let place = shelf.join(key);
    let _lock = lock(&shelf.join(format!(".{key}.lock")))?;
    if place.is_dir() {
        return Ok(place);
    }
    let scratch = shelf.join(format!(".{key}.part"));
    if scratch.exists() {
        fs::remove_dir_all(&scratch).tried(|| format!("clear {}", scratch.display()))?;
    }
    fs::create_dir_all(&scratch).tried(|| format!("make {}", scratch.display()))?;
    build(&scratch)?;
    fs::rename(&scratch, &place)
        .tried(|| format!("move {} to {}", scratch.display(), place.display()))?;
    Ok(place)
}

/// Waits for and holds the lock file until the value is dropped or the process ends.
pub(crate) fn lock(file: &Path) -> Result<File> {
    let lock = File::create(file).tried(|| format!("make the lock {}", file.display()))?;
    lock.lock()
        .tried(|| format!("take the lock {}", file.display()))?;
    Ok(lock)
}

/// Sixteen hex digits that change with any byte of any part, and with where a part ends.
pub(crate) fn digest<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn digest_sees_where_a_part_ends() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_eq!(digest(["ab", "c"]), digest(["ab", "c"]));
        assert_eq!(digest(["x"]).len(), 16);
    }
}
