//! Erasing the images of a registry that kept them in directories of nodes.

use kreg_k8s::{Kind, NodeDirectory, NodeFact, Removal};
use kreg_nodes::{Node, NodeAccess, Receipt, State, StorageDir};
use tokio::task::block_in_place;

use crate::error::{Error, Tried as _};
use crate::event::Observer;
use crate::nodes;
use crate::registry::Registry;

impl Registry {
    /// Erases what the volumes' directories hold of the registry. Says where files stay, and notes in
    /// `receipts` which node was not done. No `nodes` means that all are left out.
    pub(super) fn erase(
        &self,
        nodes: Option<&dyn NodeAccess>,
        directories: &[NodeDirectory],
        receipts: &mut Vec<Receipt>,
        on: &dyn Observer,
    ) -> Result<Vec<NodeDirectory>, Error> {
        let stage = on.stage("images on the nodes");
        let instance = nodes::instance(self.place())?;
        let mut left = Vec::new();
        let mut erased = Vec::new();
        for directory in directories {
            let storage = StorageDir::new(&directory.path).tried("cannot erase the images")?;
            let holders = holders(&self.facts().nodes, directory.node.as_deref());
            let asked = nodes.map_or_else(Vec::new, |nodes| {
                block_in_place(|| nodes.erase(&instance, &storage, &holders))
            });
            for receipt in &asked {
                if receipt.state == State::Changed {
                    erased.push(format!("{}:{storage}", receipt.node));
                }
            }
            for receipt in unconfirmed(directory, &holders, asked) {
                left.push(NodeDirectory {
                    path: directory.path.clone(),
                    node: Some(receipt.node.clone()),
                });
                note(receipts, receipt);
            }
        }
        let result = match (erased.as_slice(), left.is_empty()) {
            ([], true) => "none were there".to_owned(),
            ([], false) => "not erased".to_owned(),
            (erased, _) => format!("erased in {}", erased.join(", ")),
        };
        if left.is_empty() {
            stage.done(result);
        } else {
            stage.partly(result);
        }
        Ok(left)
    }
}

/// Says why the volumes and claims stay that `planned` would have removed.
pub(super) fn keep_volumes(removal: &mut Removal, planned: &Removal) {
    for kept in &mut removal.keep {
        let kind = kept.object.kind();
        let volume = matches!(kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim);
        if volume && planned.delete.contains(&kept.object) {
            let name = kept.object.name();
            kept.reason = "its images were not erased everywhere, and it says where they are: run the same command \
                           again"
                .to_owned();
            if kind == Kind::PersistentVolume {
                kept.reason +=
                    &format!("; if that node is gone for good, `kubectl delete pv {name}`");
            }
        }
    }
}

/// Names of the nodes that hold the files of a volume: those whose label `kubernetes.io/hostname` has the
/// value that the volume is bound to, or all, if it is bound to none. The label may differ from the name
/// (the kubelet's `--hostname-override`, and some clouds).
fn holders<'a>(nodes: &'a [NodeFact], hostname: Option<&str>) -> Vec<&'a str> {
    let holds = |node: &&NodeFact| hostname.is_none_or(|hostname| node.hostname == hostname);
    let names = nodes.iter().filter(holds).map(|node| node.name.as_str());
    names.collect()
}

/// A receipt for each node of which it is not known that it holds no image any more: those that failed, and
/// those that nobody asked.
fn unconfirmed(directory: &NodeDirectory, holders: &[&str], asked: Vec<Receipt>) -> Vec<Receipt> {
    let path = &directory.path;
    let mut bad = Vec::new();
    if holders.is_empty() {
        let (node, why) = match &directory.node {
            Some(hostname) => (
                hostname.as_str(),
                format!("no node of this cluster has the label kubernetes.io/hostname={hostname}"),
            ),
            None => ("-", "this cluster has no node".to_owned()),
        };
        bad.push(not_asked(
            node,
            path,
            &why,
            "once the node is back, run the same command again",
        ));
    }
    for holder in holders {
        if !asked.iter().any(|receipt| receipt.node == **holder) {
            let why = "this node was left out";
            bad.push(not_asked(
                holder,
                path,
                why,
                "run the same command again with this node",
            ));
        }
    }
    bad.extend(asked.into_iter().filter(|receipt| !receipt.is_ok()));
    bad
}

fn not_asked(node: &str, path: &str, why: &str, remedy: &str) -> Receipt {
    let mut receipt = Receipt::new(&Node::new(node, ""), State::Failed);
    receipt.step = Some("erase".to_owned());
    receipt.reason = Some(format!("the images in {path} were not erased: {why}"));
    receipt.remedy = Some(remedy.to_owned());
    receipt
}

/// Each node is reported once: by what failed first.
fn note(receipts: &mut Vec<Receipt>, bad: Receipt) {
    match receipts.iter_mut().find(|known| known.node == bad.node) {
        Some(known) if known.is_ok() => *known = bad,
        Some(_) => {}
        None => receipts.push(bad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kreg_k8s::{Kept, ObjectRef};

    fn node(name: &str, hostname: &str) -> NodeFact {
        NodeFact {
            name: name.to_owned(),
            hostname: hostname.to_owned(),
            ..NodeFact::default()
        }
    }

    fn directory(node: Option<&str>) -> NodeDirectory {
        NodeDirectory {
            path: "/srv/images".to_owned(),
            node: node.map(str::to_owned),
        }
    }

    fn receipt(name: &str, state: State) -> Receipt {
        Receipt::new(&Node::new(name, ""), state)
    }

    #[test]
    fn a_volume_is_on_the_node_with_its_hostname_whatever_the_nodes_name() {
        let nodes = [
            node("ip-10-0-0-1.internal", "one"),
            node("one", "two"),
            node("n3", "n3"),
        ];
        assert_eq!(holders(&nodes, Some("one")), ["ip-10-0-0-1.internal"]);
        assert_eq!(holders(&nodes, Some("two")), ["one"]);
        assert_eq!(holders(&nodes, Some("gone")), [""; 0]);
        assert_eq!(holders(&nodes, None).len(), 3);
    }

    #[test]
    fn every_node_that_was_not_asked_or_did_not_answer_is_named() {
        let good = || vec![receipt("a", State::Changed), receipt("b", State::Unchanged)];
        assert!(unconfirmed(&directory(None), &["a", "b"], good()).is_empty());
        let bad = unconfirmed(&directory(None), &["a", "b", "c"], good());
        assert_eq!(bad.len(), 1);
        assert!(
            bad[0].to_string().contains("/srv/images") && bad[0].node == "c",
            "{}",
            bad[0]
        );
        let lost = unconfirmed(
            &directory(Some("x")),
            &["a"],
            vec![receipt("a", State::Unreachable)],
        );
        assert_eq!(
            (lost[0].node.as_str(), lost[0].state),
            ("a", State::Unreachable)
        );
        // Nobody there to ask, and nobody asked.
        for (bound, named) in [(Some("gone"), "gone"), (None, "-")] {
            let bad = unconfirmed(&directory(bound), &[], Vec::new());
            assert_eq!(
                (bad.len(), bad[0].node.as_str(), bad[0].is_ok()),
                (1, named, false)
            );
        }
    }

    #[test]
    fn a_node_is_told_once_and_a_new_one_is_added() {
        let mut receipts = vec![
            receipt("a", State::Changed),
            receipt("b", State::Unreachable),
        ];
        note(&mut receipts, receipt("a", State::Failed));
        note(&mut receipts, receipt("b", State::Failed));
        note(&mut receipts, receipt("c", State::Failed));
        let states: Vec<State> = receipts.iter().map(|one| one.state).collect();
        assert_eq!(states, [State::Failed, State::Unreachable, State::Failed]);
    }

    #[test]
    fn only_volumes_that_would_have_gone_get_the_reason() {
        let kept = |kind, name: &str| Kept {
            object: ObjectRef::new(kind, "", name),
            reason: "before".to_owned(),
            holds_images: false,
        };
        let mut removal = Removal::default();
        removal.keep = vec![
            kept(Kind::PersistentVolume, "ours"),
            kept(Kind::PersistentVolume, "adopted"),
            kept(Kind::Namespace, "kreg-system"),
        ];
        let mut planned = Removal::default();
        planned.delete = vec![
            ObjectRef::new(Kind::PersistentVolume, "", "ours"),
            ObjectRef::new(Kind::Namespace, "", "kreg-system"),
        ];
        keep_volumes(&mut removal, &planned);
        assert!(removal.keep[0].reason.contains("kubectl delete pv ours"));
        assert_eq!(removal.keep[1].reason, "before");
        assert_eq!(removal.keep[2].reason, "before");
    }

    #[test]
    fn an_erase_knows_the_user_that_the_registry_runs_as() {
        assert_eq!(kreg_nodes::STORAGE_OWNER, kreg_k8s::REGISTRY_UID);
    }
}
