//! Which nodes are to be worked on.

use std::collections::BTreeMap;

use kreg_k8s::{ClusterFacts, NodeFact};
use kreg_nodes::Node;

use crate::error::{Error, NoAddress, NoSuchNode};

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
    /// [`Error::NoSuchNode`] if one of `only` is not in the cluster.
    pub fn of(facts: &'a ClusterFacts, only: &[String], skip: &[String]) -> Result<Self, Error> {
        let (_, gone) = split(facts, only);
        if let Some(unknown) = gone.first() {
            let known = facts.nodes.iter().map(|node| node.name.clone());
            return Err(NoSuchNode {
                node: unknown.clone(),
                known: known.collect(),
            }
            .into());
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

/// These nodes at the addresses of `given`, each of the others at its first InternalIP.
///
/// # Errors
/// [`Error::NoAddress`] for a node that has neither.
pub fn addressed(
    nodes: &[&NodeFact],
    given: &BTreeMap<String, String>,
) -> Result<Vec<Node>, Error> {
    let addressed = |node: &&NodeFact| {
        let own = || node.addresses.first().map(ToString::to_string);
        match given.get(&node.name).cloned().or_else(own) {
            Some(address) => Ok(Node::new(&node.name, address)),
            None => Err(NoAddress(node.name.clone()).into()),
        }
    };
    nodes.iter().map(addressed).collect()
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
    fn a_node_is_at_the_address_that_is_given_or_at_its_own() {
        let mut facts = facts();
        facts.nodes[0].addresses = vec!["192.0.2.1".parse().unwrap()];
        facts.nodes[1].addresses = vec!["192.0.2.2".parse().unwrap()];
        let given = BTreeMap::from([("b".to_owned(), "b.example".to_owned())]);
        let nodes: Vec<_> = facts.nodes.iter().collect();
        assert_eq!(
            addressed(&nodes[..2], &given).unwrap(),
            [Node::new("a", "192.0.2.1"), Node::new("b", "b.example")]
        );
        let error = addressed(&nodes, &given).unwrap_err();
        assert_eq!(error.to_string(), "node c has no InternalIP");
    }

    #[test]
    fn an_unknown_name_fails_with_those_that_there_are() {
        let error = Chosen::of(&facts(), &names(&["a", "z"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "there is no node z in this cluster");
        assert!(error.is_input());
        assert!(matches!(error, Error::NoSuchNode(one) if one.known == names(&["a", "b", "c"])));
        let (there, gone) = split(&facts(), &names(&["z", "a"]));
        assert_eq!((there, gone), (names(&["a"]), names(&["z"])));
    }
}
