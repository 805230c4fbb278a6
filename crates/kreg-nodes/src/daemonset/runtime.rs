//! What the API says of the nodes' runtimes, as the programs in a Pod take it.

use std::collections::BTreeSet;

use crate::containerd::Version;

/// A runtime as [`crate::NodeProgram::agent`] takes it: `containerd 1.7`. Only of 2.2 the
/// patch counts (see [`Version`] in `containerd/merge.rs`).
///
/// `url` is a node's `status.nodeInfo.containerRuntimeVersion`, such as `containerd://1.7.27`.
fn runtime(url: &str) -> Option<(&'static str, Option<Version>)> {
    let (scheme, version) = url.split_once("://")?;
    let name = match scheme {
        // Both bring a containerd of their own, with directories of its own.
        "containerd" if version.contains("k3s") => "k3s-agent",
        "containerd" => "containerd",
        "docker" => "dockerd",
        "cri-o" => "crio",
        _ => return None,
    };
    Some((name, Version::parse(version)))
}

/// One line a node, `NAME RUNTIME`, and a line `*` for nodes that are not named: those that join
/// later. It is there if every node has the same runtime, with the release if they share that too; only
/// nodes that differ from it are named, so that one that joins and is like the others changes nothing.
pub(super) fn table<'a>(nodes: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let known: Vec<_> = nodes
        .into_iter()
        .map(|(name, url)| (name, runtime(url)))
        .collect();
    let word = |runtime: Option<(&str, Option<Version>)>| match runtime {
        Some((name, Some(Version(2, 2, 2..)))) => format!("{name} 2.2.2"),
        Some((name, Some(Version(major, minor, _)))) => format!("{name} {major}.{minor}"),
        Some((name, None)) => name.to_owned(),
        None => "unknown".to_owned(),
    };
    let words: BTreeSet<_> = known.iter().map(|(_, runtime)| word(*runtime)).collect();
    let names: BTreeSet<_> = known
        .iter()
        .map(|(_, runtime)| runtime.map(|(name, _)| name))
        .collect();
    let all = match (words.first(), names.first()) {
        (Some(word), _) if words.len() == 1 => Some(word.clone()),
        (_, Some(Some(name))) if names.len() == 1 => Some((*name).to_owned()),
        _ => None,
    };
    let mut lines: Vec<String> = all.iter().map(|all| format!("* {all}\n")).collect();
    lines.extend(
        known
            .into_iter()
            .map(|(name, runtime)| (name, word(runtime)))
            .filter(|(_, word)| Some(word) != all.as_ref())
            .map(|(name, word)| format!("{name} {word}\n")),
    );
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_alike_share_a_line() {
        let (a, b) = ("containerd://1.6.20~ds1", "containerd://1.6.21");
        assert_eq!(table([("n1", a), ("n2", b)]), "* containerd 1.6\n");
        assert_eq!(table([("n1", a)]), table([("n1", a), ("n2", b), ("n3", a)]));
    }

    #[test]
    fn those_that_differ_are_named_and_newcomers_get_no_release() {
        let nodes = [("n1", "containerd://v2.2.0"), ("n2", "containerd://2.2.9")];
        assert_eq!(
            table(nodes),
            "* containerd\nn1 containerd 2.2\nn2 containerd 2.2.2\n"
        );
    }

    #[test]
    fn of_a_mixed_cluster_strangers_are_told_nothing() {
        let nodes = [
            ("n1", "docker://24.0.7"),
            ("n2", "cri-o://1.30.1"),
            ("n3", "containerd://1.7.11-k3s2"),
            ("n4", "other://1"),
        ];
        let wanted = "n1 dockerd 24.0\nn2 crio 1.30\nn3 k3s-agent 1.7\nn4 unknown\n";
        assert_eq!(table(nodes), wanted);
        assert_eq!(table([]), "");
    }
}
