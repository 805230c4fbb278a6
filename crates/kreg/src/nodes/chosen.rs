//! Which nodes are to be worked on.

use kreg_k8s::{ClusterFacts, NodeFact};

use crate::error::NoSuchNode;

/// The nodes that are to be worked on.
#[derive(Debug)]
pub struct Chosen<'a> {
    /// These.
    pub nodes: Vec<&'a NodeFact>,
    /// The names of those that were asked for and are left out all the same.
    pub skipped: Vec<String>,
}

impl<'a> Chosen<'a> {
    /// Those of `only`, or all where it is empty, without those of `skip`.
    ///
    /// # Errors
    /// [`NoSuchNode`] if one of `only` is not in the cluster.
    pub fn of(
        facts: &'a ClusterFacts,
        only: &[String],
        skip: &[String],
    ) -> Result<Self, NoSuchNode> {
        let (_, gone) = split(facts, only);
        if let Some(unknown) = gone.first() {
            let known = facts.nodes.iter().map(|node| node.name.clone());
            return Err(NoSuchNode {
                node: unknown.clone(),
                known: known.collect(),
            });
        }
        let asked = facts.nodes.iter();
        let asked = asked.filter(|node| only.is_empty() || only.contains(&node.name));
        let (skipped, nodes): (Vec<_>, Vec<_>) = asked.partition(|node| skip.contains(&node.name));
        let skipped = skipped.into_iter().map(|node| node.name.clone());
        Ok(Chosen {
            nodes,
            skipped: skipped.collect(),
        })
    }
}

/// Which of these names are nodes of the cluster, and which are not.
#[must_use]
pub fn split(facts: &ClusterFacts, names: &[String]) -> (Vec<String>, Vec<String>) {
    let is_there = |name: &String| facts.nodes.iter().any(|node| node.name == *name);
    names.iter().cloned().partition(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn facts() -> ClusterFacts {
        let node = |name: &str| NodeFact {
            name: name.to_owned(),
            ..NodeFact::default()
        };
        ClusterFacts {
            version: None,
            storage_classes: Vec::new(),
            nodes: ["a", "b", "c"].map(node).into(),
            service_cidrs: Vec::new(),
            cluster_domain: None,
        }
    }

    #[test]
    fn some_or_all_are_chosen_and_those_left_out_are_named() {
        let facts = facts();
        let chosen = |only: &[&str], skip: &[&str]| {
            let chosen = Chosen::of(&facts, &names(only), &names(skip)).unwrap();
            let nodes = chosen.nodes.iter().map(|node| node.name.clone());
            (nodes.collect::<Vec<_>>(), chosen.skipped)
        };
        assert_eq!(chosen(&[], &[]), (names(&["a", "b", "c"]), vec![]));
        assert_eq!(chosen(&[], &["b"]), (names(&["a", "c"]), names(&["b"])));
        assert_eq!(
            chosen(&["a", "b"], &["b", "c"]),
            (names(&["a"]), names(&["b"]))
        );
    }

    #[test]
    fn an_unknown_name_fails_with_those_that_there_are() {
        let error = Chosen::of(&facts(), &names(&["a", "z"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "there is no node z in this cluster");
        assert_eq!(error.known, names(&["a", "b", "c"]));
        let (there, gone) = split(&facts(), &names(&["z", "a"]));
        assert_eq!((there, gone), (names(&["a"]), names(&["z"])));
    }
}
