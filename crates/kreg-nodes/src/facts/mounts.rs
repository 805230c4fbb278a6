//! What is mounted where.

use serde::{Deserialize, Serialize};

use super::NodeFacts;

/// A mount, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mount {
    /// Where it is mounted, as the node has it.
    pub point: String,
    /// Whether the mount or its file system is read-only.
    pub read_only: bool,
    /// The file system's type, such as `ext4`.
    pub kind: String,
}

impl NodeFacts {
    /// The mount that `path` lies on; none if it was not among those that matter.
    #[must_use]
    pub fn mount_of(&self, path: &str) -> Option<&Mount> {
        let above = self
            .mounts
            .iter()
            .filter(|mount| within(&mount.point, path));
        above.max_by_key(|mount| mount.point.len())
    }
}

/// The trees that kreg reads and writes; mounts elsewhere are left out.
const TREES: [&str; 2] = ["/etc", "/var/lib"];

/// The mounts that matter: in the trees, above them, or above one of these `files`; with `root`
/// taken off the front.
pub(super) fn parse(mountinfo: &str, root: &str, files: &[&str]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = mountinfo
        .lines()
        .filter_map(|line| one(line, root))
        .filter(|mount| {
            matters(&mount.point) || files.iter().any(|file| within(&mount.point, file))
        })
        .collect();
    // The last of several at one point is the one in sight.
    mounts.reverse();
    mounts.sort_by(|a, b| a.point.cmp(&b.point));
    mounts.dedup_by(|later, first| later.point == first.point);
    mounts
}

fn one(line: &str, root: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let point = unescape(fields.nth(4)?);
    let options = fields.next()?;
    let mut source = after.split(' ');
    let kind = source.next()?.to_owned();
    let super_options = source.nth(1).unwrap_or_default();
    let read_only = |options: &str| options.split(',').any(|option| option == "ro");
    let point = match point.strip_prefix(root)? {
        "" => "/".to_owned(),
        rest if rest.starts_with('/') => rest.to_owned(),
        _ => return None,
    };
    Some(Mount {
        point,
        read_only: read_only(options) || read_only(super_options),
        kind,
    })
}

fn within(outer: &str, inner: &str) -> bool {
    outer == "/"
        || inner == outer
        || inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a path is in one of the trees, or above them. Pods' volumes do not matter.
fn matters(point: &str) -> bool {
    let pods = [
        "/var/lib/kubelet",
        "/var/lib/containerd",
        "/var/lib/docker",
        "/var/lib/containers",
    ];
    TREES
        .iter()
        .any(|tree| within(tree, point) || within(point, tree))
        && !pods.iter().any(|pod| within(pod, point))
}

/// Blank, tab, newline and backslash come as `\040` and so on.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|_| byte == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(octal.unwrap_or(byte));
        at += if octal.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 8:2 / /usr ro - ext4 /dev/sda2 ro
31 22 0:40 /x /etc/hosts rw,relatime - ext4 /dev/sda1 rw
32 22 0:41 / /etc rw - overlay o ro,lowerdir=/a
33 22 0:42 / /var/lib/kubelet/pods/1/volumes rw - tmpfs t rw
34 22 0:43 / /mnt/a\\040b/etc rw - tmpfs t rw
";

    #[test]
    fn keeps_the_trees_that_matter() {
        let mounts = parse(INFO, "", &[]);
        let points: Vec<_> = mounts
            .iter()
            .map(|m| (m.point.as_str(), m.read_only))
            .collect();
        assert_eq!(
            points,
            [("/", false), ("/etc", true), ("/etc/hosts", false)]
        );
    }

    #[test]
    fn keeps_what_a_configuration_file_lies_on() {
        let file = "/usr/share/containerd/config.toml";
        let facts = NodeFacts {
            mounts: parse(INFO, "", &[file]),
            ..NodeFacts::default()
        };
        let read_only = |path| facts.mount_of(path).map(|mount| mount.read_only);
        assert_eq!(read_only(file), Some(true));
        assert_eq!(read_only("/usrx"), Some(false));
        assert_eq!(read_only("/etc/hosts"), Some(false));
    }

    #[test]
    fn takes_the_root_off() {
        let mounts = parse(INFO, "/mnt/a b", &[]);
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].point, "/etc");
    }
}
