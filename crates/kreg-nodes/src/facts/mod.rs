//! What was read on a node, as plain values.

mod copies;
mod decode;
mod kubelet;
mod mounts;
mod system;
mod vitals;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use decode::FactsError;
pub(crate) use kubelet::{DEFAULT_SOCKET, KUBEADM_FLAGS, socket_in};
pub use mounts::Mount;
pub use system::Os;
pub use vitals::{Reach, RunningRuntime, Vitals};

use crate::InstanceId;

/// What was read on a node by [`crate::NodeProgram::probe`]: plain values, complete enough
/// to decide what to write without asking the node again. Paths are as the node has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NodeFacts {
    /// The `KREG_ROOT` that every path lies below; empty on a real node.
    pub root: String,
    /// The user id that the program ran as.
    pub uid: u32,
    /// `uname -m`, such as `x86_64`.
    pub machine: String,
    /// The operating system, from `/etc/os-release`.
    pub os: Os,
    /// Programs found, by name: `containerd`, `dockerd`, `crio`, `kubelet` and others. A containerd
    /// that k3s, RKE2 or Docker started is `k3s-containerd`, `rke2-containerd` or
    /// `docker-containerd`. Where several others run, `containerd` is the one that the kubelet uses,
    /// if its endpoint says so, and the rest are `containerd.2`, `containerd.3` and so on.
    pub programs: BTreeMap<String, Program>,
    /// The `--container-runtime-endpoint` of the kubelet, k3s or RKE2, if it runs and says so; see
    /// [`NodeFacts::kubelet_socket`].
    pub runtime_endpoint: Option<String>,
    /// Every path that was asked for and every file pattern, whether found or not.
    pub asked: BTreeSet<String>,
    /// What was found, by absolute path; what was asked for and is not here does not exist.
    pub found: BTreeMap<String, Found>,
    /// Paths that are symbolic links, whatever they lead to.
    pub links: BTreeSet<String>,
    /// Root's home directory (passwd(5)).
    pub home: Option<String>,
    /// Files that hold credentials for the registry, of those in which programs of a node look for
    /// such. Nothing else of them is read.
    pub logins: BTreeSet<String>,
    /// What cloud-init's files say as `manage_etc_hosts`, by file: the text after the key, as the file
    /// has it. Nothing else of them is read.
    pub cloud_hosts: BTreeMap<String, String>,
    /// Of WSL's `/etc/wsl.conf` the sections, and what they say as `generateHosts`, line by line.
    pub wsl_conf: String,
    /// Directories that cannot be written to.
    pub not_writable: BTreeSet<String>,
    /// Free space in KiB, by mount point.
    pub free_kib: BTreeMap<String, u64>,
    /// Mounts at or above the paths that matter.
    pub mounts: Vec<Mount>,
}

/// A program on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Program {
    /// Whether it runs now.
    pub running: bool,
    /// Where its file is, if in one of the usual places.
    pub path: Option<String>,
    /// The first line of its `--version`.
    pub version: Option<String>,
    /// The value of `--config` that it was started with.
    pub config: Option<String>,
    /// The paths that it was given, by the name of the flag (without dashes) or of the variable of
    /// its environment; read of CRI-O only.
    pub options: BTreeMap<String, String>,
    /// When it was started, in seconds since 1970 UTC.
    pub started: Option<u64>,
    /// The name of the process that started it, such as `systemd`, `k3s-server` or `k0s`.
    pub parent: Option<String>,
    /// The systemd unit that it belongs to, without `.service`, such as `containerd` or `k0sworker`.
    pub unit: Option<String>,
    /// The value of `--address` that it was started with: the socket that it listens on.
    pub address: Option<String>,
    /// The kubelet's `--config-dir`: files there override its configuration file.
    pub drop_ins: Option<String>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Found {
    /// A regular file.
    File(FoundFile),
    /// A directory.
    Directory,
    /// A symbolic link that leads nowhere. One that leads somewhere is what it leads to,
    /// and stands in [`NodeFacts::links`].
    Link,
    /// A file larger than 1 MiB, which was not read.
    Big,
    /// A file that may not be read.
    Unreadable,
    /// A socket, device or pipe.
    Special,
}

/// A regular file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Its bytes.
    #[serde(with = "content")]
    pub content: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change, in seconds since 1970 UTC.
    pub modified: u64,
}

impl NodeFacts {
    /// What is at `path`, if anything. Only paths that were asked for are known.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Found> {
        self.found.get(path)
    }

    /// The bytes of the regular file at `path`.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        match self.found.get(path) {
            Some(Found::File(file)) => Some(&file.content),
            _ => None,
        }
    }

    /// Whether `path` is a directory (or a link to one).
    #[must_use]
    pub fn is_dir(&self, path: &str) -> bool {
        matches!(self.found.get(path), Some(Found::Directory))
    }

    /// The program of that name, if it was found.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.programs.get(name)
    }

    /// As if `path` held `text`: to see what would be read then.
    pub(crate) fn put(&mut self, path: &str, text: impl AsRef<[u8]>) {
        let file = FoundFile {
            content: text.as_ref().to_vec(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            modified: 0,
        };
        self.found.insert(path.to_owned(), Found::File(file));
    }

    /// Whether a program of that name runs.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.program(name).is_some_and(|program| program.running)
    }

    /// The journal of that name, by path: what kreg wrote and what it expects to find. Whether it is this
    /// installation's is another question ([`NodeFacts::other_owner`]). A copy
    /// that snapd made of such a file stands there as well: the programs enter it in the journal.
    #[must_use]
    pub fn journal(&self, instance: &InstanceId) -> BTreeMap<String, JournalEntry> {
        let mut entries = BTreeMap::new();
        for (folder, name, file) in self.journal_files(instance) {
            let Some((kind, was, at)) = (name == "entry").then(|| parts(&file.content)).flatten()
            else {
                continue;
            };
            let after = self.content(&format!("{folder}/after"));
            entries.insert(
                at,
                JournalEntry {
                    kind,
                    existed: was == "file",
                    after: after.map(<[u8]>::to_vec),
                },
            );
        }
        copies::enter(self, &mut entries);
        entries
    }

    /// The directories of journal entries of that instance that were complete once and cannot be read
    /// any more, as the programs on the node find them.
    #[must_use]
    pub fn damaged_journal(&self, instance: &InstanceId) -> Vec<String> {
        let written = self
            .journal_files(instance)
            .filter(|(_, name, _)| *name == "after");
        let readable = |folder: &str| {
            self.content(&format!("{folder}/entry"))
                .and_then(parts)
                .is_some()
        };
        written
            .map(|(folder, ..)| folder)
            .filter(|folder| !readable(folder))
            .collect()
    }

    /// The id in the journal of that name, if it is another than `instance` has. One of an earlier kreg
    /// holds none, and goes by its name.
    #[must_use]
    pub fn other_owner(&self, instance: &InstanceId) -> Option<String> {
        self.journal_files(instance).next()?;
        let owner = match self.content(&format!("{}/id", instance.journal())) {
            Some(id) => String::from_utf8_lossy(id).trim_end().to_owned(),
            None => instance.as_str().to_owned(),
        };
        (owner != instance.owner()).then_some(owner)
    }

    /// Directory of the entry, name and file of what was found in a journal.
    fn journal_files(
        &self,
        instance: &InstanceId,
    ) -> impl Iterator<Item = (String, &str, &FoundFile)> {
        let below = format!("{}/", instance.journal());
        let found = self.found.range(below.clone()..);
        found
            .map_while(move |(path, found)| Some((path.strip_prefix(&below)?, path, found)))
            .filter_map(|(rest, path, found)| match (rest.split_once('/'), found) {
                (Some((_, name)), Found::File(file)) => {
                    let folder = path.strip_suffix(name)?.trim_end_matches('/');
                    Some((folder.to_owned(), name, file))
                }
                _ => None,
            })
    }

    /// The mount point that is exactly at `path`: a rename over it gives `EBUSY`.
    #[must_use]
    pub fn is_mount_point(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| mount.point == path)
    }
}

/// Kind, what was there and path of an `entry`, if it is complete: as `read_entry` in take_back.sh.
fn parts(entry: &[u8]) -> Option<(String, String, String)> {
    let text = String::from_utf8_lossy(entry);
    // Each line is ended, the last one too.
    let [kind, was, path, _] = text.splitn(4, '\n').collect::<Vec<_>>()[..] else {
        return None;
    };
    let known = matches!(
        (kind, was),
        ("file" | "hosts" | "config", "absent" | "file") | ("dir", "absent")
    );
    (known && path.starts_with('/')).then(|| (kind.to_owned(), was.to_owned(), path.to_owned()))
}

/// One line of a node's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// `file`, `hosts`, `dir`, or `config` for a runtime's own configuration.
    pub kind: String,
    /// Whether something was there before kreg.
    pub existed: bool,
    /// The bytes that kreg left there; none for directories and unfinished work.
    pub after: Option<Vec<u8>>,
}

impl JournalEntry {
    /// Whether it is a file of trust: directories go with them, and a runtime's own configuration
    /// is changed by the restart step alone.
    pub(crate) fn is_trust(&self) -> bool {
        !matches!(self.kind.as_str(), "dir" | "config")
    }
}

/// Bytes as text where they are UTF-8, else as `{"hex": "..."}`.
mod content {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Bytes {
        Text(String),
        Hex(String),
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Bytes::Text(text.to_owned()),
            Err(_) => Bytes::Hex(hex::encode(bytes)),
        }
        .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        match Bytes::deserialize(from)? {
            Bytes::Text(text) => Ok(text.into_bytes()),
            Bytes::Hex(text) => hex::decode(text).map_err(serde::de::Error::custom),
        }
    }
}
