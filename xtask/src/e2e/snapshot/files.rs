//! The files of a node, by one script that reads and writes nothing.

use std::collections::BTreeMap;

use crate::cluster::Node;
use crate::e2e::world::World;
use crate::failure::{Failure, Result};

/// Where kreg writes: trust and names under /etc, its journal under /var/lib, images of the tutorial
/// in /tmp/repository.
const ROOTS: &str = "/etc /var/lib/kreg /tmp/repository";

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Kind, mode, owner, link target and SHA-256 of the contents.
    Contents,
    /// Besides these the time of the last change.
    Times,
}

pub(super) fn of(world: &World, node: &Node, detail: Detail) -> Result<BTreeMap<String, String>> {
    let time = match detail {
        Detail::Contents => "",
        Detail::Times => " %T@",
    };
    let told = world
        .on(
            node,
            &format!(
                "roots=(); for root in {ROOTS}; do [ -e \"$root\" ] && roots+=(\"$root\"); done\n\
                 find \"${{roots[@]}}\" -printf '%y %m %U:%G{time} %l\\t%p\\0'\n\
                 printf '\\0'\n\
                 find \"${{roots[@]}}\" -type f -print0 | xargs -0 -r sha256sum -z --"
            ),
        )
        .good()?;
    parse(&node.name, &told.stdout).ok_or_else(|| {
        Failure::new(
            format!("list the files of node {}", node.name),
            "find or sha256sum wrote an unexpected form",
        )
    })
}

pub(super) fn remove(world: &World, node: &str, path: &str) -> Result<()> {
    match world.cluster.nodes.iter().find(|known| known.name == node) {
        Some(node) => {
            let quoted = path.replace('\'', r"'\''");
            world
                .on(node, &format!("rm -rf -- '{quoted}'"))
                .good()
                .map(drop)
        }
        None => Ok(()),
    }
}

fn parse(node: &str, told: &str) -> Option<BTreeMap<String, String>> {
    let (listed, summed) = told.split_once("\0\0")?;
    let mut files = BTreeMap::new();
    for entry in listed.split('\0') {
        let (about, path) = entry.split_once('\t')?;
        files.insert(path, about.to_owned());
    }
    for entry in summed.split('\0').filter(|entry| !entry.trim().is_empty()) {
        let (sum, path) = entry.split_once("  ")?;
        let about = files.get_mut(path)?;
        about.push_str(" sha256:");
        about.push_str(sum);
    }
    Some(
        files
            .into_iter()
            .map(|(path, about)| (format!("{node}:{path}"), about))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_and_sums_are_joined_by_path() {
        let told =
            "d 755 0:0 \t/etc\0f 644 0:0 \t/etc/a b\0l 777 0:0 a b\t/etc/c\0\0abc  /etc/a b\0";
        let files = parse("n1", told).unwrap();
        assert_eq!(files["n1:/etc"], "d 755 0:0 ");
        assert_eq!(files["n1:/etc/a b"], "f 644 0:0  sha256:abc");
        assert_eq!(files["n1:/etc/c"], "l 777 0:0 a b");
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn a_sum_of_a_file_that_was_not_listed_is_no_listing() {
        assert!(parse("n1", "d 755 0:0 \t/etc\0\0abc  /etc/new\0").is_none());
    }
}
