//! Which directories of a node its plan writes in: what an agent's Pod must have writable, and no more.

use std::collections::{BTreeMap, BTreeSet};

use super::NodePlan;
use crate::NodeFacts;

const ETC: &str = "/etc";

/// How many nodes are named where `/etc` must be writable for them.
const NAMED: usize = 3;

/// The directories below `/etc` in which files of kreg are made, changed or taken back.
///
/// A directory that lies in `/etc` itself is enough if the node has it without kreg. Where it is missing, or is one
/// that kreg made, or where a file in `/etc` itself is replaced (`/etc/hosts`), `/etc` as a whole must be writable.
/// Paths outside `/etc` are not part of it: an agent does not write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    dirs: BTreeSet<String>,
    /// What is made or replaced in `/etc` itself, and on which nodes.
    in_etc: BTreeMap<String, BTreeSet<String>>,
}

impl Writes {
    /// What `plan` writes on the node that `facts` were read on, and what the journal there may give back.
    #[must_use]
    pub fn of(node: &str, facts: &NodeFacts, plan: &NodePlan) -> Writes {
        let journal = facts.journal(&plan.instance);
        let known = journal.iter().filter(|(_, entry)| entry.kind != "config");
        let edits = plan.edits.iter().map(super::Edit::path);
        let paths = known.map(|(path, _)| path.as_str()).chain(edits);
        let is_there = |dir: &str| facts.is_dir(dir) && !journal.contains_key(dir);
        Writes::taken(node, paths, is_there)
    }

    /// `is_there`: whether the node has this directory without kreg.
    fn taken<'a>(
        node: &str,
        paths: impl Iterator<Item = &'a str>,
        is_there: impl Fn(&str) -> bool,
    ) -> Writes {
        let mut writes = Writes::default();
        for (dir, direct) in paths.filter_map(top) {
            if !direct && is_there(dir) {
                writes.dirs.insert(dir.to_owned());
            } else {
                let nodes = writes.in_etc.entry(dir.to_owned()).or_default();
                nodes.insert(node.to_owned());
            }
        }
        writes
    }

    /// What a node that has `dirs` in `/etc` takes for these files.
    #[cfg(all(test, feature = "daemonset"))]
    pub(crate) fn sample(node: &str, dirs: &[&str], files: &[&str]) -> Writes {
        Writes::taken(node, files.iter().copied(), |dir| dirs.contains(&dir))
    }

    /// Adds what another node needs.
    pub fn join(&mut self, other: Writes) {
        self.dirs.extend(other.dirs);
        for (what, nodes) in other.in_etc {
            self.in_etc.entry(what).or_default().extend(nodes);
        }
    }

    /// The directories to be writable; none of them lies in another one.
    #[must_use]
    pub fn dirs(&self) -> Vec<&str> {
        match self.in_etc.is_empty() {
            true => self.dirs.iter().map(String::as_str).collect(),
            false => vec![ETC],
        }
    }

    /// Why `/etc` as a whole must be writable, such as `/etc/hosts on n1`; `None` if it need not be.
    #[must_use]
    pub fn why_etc(&self) -> Option<String> {
        let what = |(path, nodes): (&String, &BTreeSet<String>)| {
            let named: Vec<&str> = nodes.iter().take(NAMED).map(String::as_str).collect();
            let more = match nodes.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{path} on {}{more}", named.join(", "))
        };
        let all: Vec<String> = self.in_etc.iter().map(what).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

/// The directory or file in `/etc` itself that `path` is, or is below; and whether it is that.
pub(crate) fn top(path: &str) -> Option<(&str, bool)> {
    let rest = path.strip_prefix(ETC)?.strip_prefix('/')?;
    match rest.find('/') {
        Some(end) => Some((&path[..ETC.len() + 1 + end], false)),
        None => Some((path, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_what_lies_in_etc_itself() {
        let cases = [
            (
                "/etc/containerd/certs.d/r:5000/ca.crt",
                "/etc/containerd",
                false,
            ),
            ("/etc/containerd", "/etc/containerd", true),
            ("/etc/hosts", "/etc/hosts", true),
        ];
        for (path, dir, direct) in cases {
            assert_eq!(top(path), Some((dir, direct)), "{path}");
        }
        for outside in ["/etc", "/etcetera/x", "/var/lib/rancher/k3s/x", "etc/x"] {
            assert_eq!(top(outside), None, "{outside}");
        }
    }

    #[test]
    fn one_node_that_needs_etc_makes_it_writable_and_is_named() {
        let mut all = Writes {
            dirs: BTreeSet::from(["/etc/containerd".to_owned()]),
            ..Writes::default()
        };
        assert_eq!((all.dirs(), all.why_etc()), (vec!["/etc/containerd"], None));
        for node in ["n1", "n2", "n3", "n4"] {
            all.join(Writes {
                in_etc: BTreeMap::from([(
                    "/etc/hosts".to_owned(),
                    BTreeSet::from([node.to_owned()]),
                )]),
                ..Writes::default()
            });
        }
        assert_eq!(all.dirs(), ["/etc"]);
        let why = all.why_etc().unwrap();
        assert_eq!(why, "/etc/hosts on n1, n2, n3 and 1 more");
    }
}
