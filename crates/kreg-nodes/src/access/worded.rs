//! A way to the nodes whose remedies are in a program's own words.

use super::{AccessError, ByHand, NodeAccess};
use crate::{
    Advice, Fleet, InstanceId, Node, NodeProgram, NodeTransport, Receipt, Refused, StorageDir,
    Trust,
};

/// A program's words for a remedy: what helps, and the setting that it is about.
pub type Words = fn(&str, &Advice) -> String;

/// Any way to the nodes, with the words of the program that shows its receipts.
pub struct Worded {
    access: Box<dyn NodeAccess>,
    words: Words,
}

impl Worded {
    /// `access`, each of whose remedies goes through `words`.
    #[must_use]
    pub fn new(access: Box<dyn NodeAccess>, words: Words) -> Worded {
        Worded { access, words }
    }

    fn all(&self, receipts: Vec<Receipt>) -> Vec<Receipt> {
        let receipts = receipts.into_iter();
        receipts.map(|receipt| self.worded(receipt)).collect()
    }
}

impl NodeAccess for Worded {
    fn name(&self) -> &'static str {
        self.access.name()
    }

    fn nodes(&self) -> &[Node] {
        self.access.nodes()
    }

    fn transport(&self) -> &dyn NodeTransport {
        self.access.transport()
    }

    fn fleet(&self) -> Fleet<'_, dyn NodeTransport + '_> {
        self.access.fleet()
    }

    fn is_ready(&self) -> bool {
        self.access.is_ready()
    }

    fn is_selective(&self) -> bool {
        self.access.is_selective()
    }

    fn sees_storage(&self) -> bool {
        self.access.sees_storage()
    }

    fn prepare(&self) -> Result<(), AccessError> {
        self.access.prepare()
    }

    fn retire(&self) -> Result<(), AccessError> {
        self.access.retire()
    }

    fn trust(&self, trust: &Trust) -> Vec<Receipt> {
        self.all(self.access.trust(trust))
    }

    fn untrust(&self, instance: &InstanceId) -> Vec<Receipt> {
        self.all(self.access.untrust(instance))
    }

    fn status(&self, trust: &Trust) -> Vec<Receipt> {
        self.all(self.access.status(trust))
    }

    fn reach(
        &self,
        storage: &StorageDir,
        nodes: Vec<Node>,
    ) -> Result<(Vec<Node>, Vec<Receipt>), AccessError> {
        self.access.reach(storage, nodes)
    }

    fn resident(&self, trust: &Trust) -> Option<NodeProgram> {
        self.access.resident(trust)
    }

    fn worded(&self, mut receipt: Receipt) -> Receipt {
        let worded = |remedy: String, advice: &Option<Advice>| match advice {
            Some(advice) => (self.words)(&remedy, advice),
            None => remedy,
        };
        if receipt.refusals.is_empty() {
            receipt.remedy = receipt.remedy.map(|remedy| worded(remedy, &receipt.advice));
        } else {
            let mut refused = Refused(receipt.refusals.clone());
            for refusal in &mut refused.0 {
                let remedy = std::mem::take(&mut refusal.remedy);
                refusal.remedy = worded(remedy, &refusal.advice);
            }
            receipt.remedy = Some(refused.remedy());
        }
        receipt
    }

    fn by_hand(&self, receipts: &[Receipt]) -> Vec<ByHand> {
        self.access.by_hand(receipts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Refusal;
    use crate::{LocalRoot, RefusalKind, State, TransportError, TransportErrorKind};

    /// A tree, reached in no way of its own.
    struct Tree(LocalRoot);

    impl NodeAccess for Tree {
        fn name(&self) -> &'static str {
            "tree"
        }
        fn nodes(&self) -> &[Node] {
            &[]
        }
        fn transport(&self) -> &dyn NodeTransport {
            &self.0
        }
    }

    fn worded() -> Worded {
        let words: Words = |remedy, advice| format!("{remedy}: --{advice:?}");
        Worded::new(Box::new(Tree(LocalRoot::new("/nowhere"))), words)
    }

    #[test]
    fn a_remedy_about_a_setting_has_the_programs_words_and_another_stays() {
        let node = Node::new("node1", "192.0.2.1");
        let of = |kind| Receipt::from_transport(&node, &TransportError::new(&node, kind));
        let other_user = of(TransportErrorKind::Answered {
            user: "root".to_owned(),
            said: "Please login as the user \"ubuntu\" rather than the user \"root\".".to_owned(),
            wants: Some("ubuntu".to_owned()),
        });
        let told = worded().worded(other_user).to_string();
        assert!(told.ends_with(": --User(\"ubuntu\")"), "{told}");
        let closed = of(TransportErrorKind::Refused { port: 22 });
        assert_eq!(worded().worded(closed.clone()), closed);
    }

    #[test]
    fn each_refusal_has_its_own_words_and_equal_ones_stand_once() {
        let refusal = |remedy: &str, advice| {
            Refusal::new(RefusalKind::Foreign, "why", remedy).with_advice(advice)
        };
        let mut receipt = Receipt::new(&Node::new("n", ""), State::Refused);
        receipt.remedy = Some("all of them".to_owned());
        receipt.refusals = vec![
            refusal("move it", Some(Advice::Adopt)),
            refusal("move it", Some(Advice::Adopt)),
            refusal("wait", None),
        ];
        let told = worded().worded(receipt.clone());
        assert_eq!(told.remedy.as_deref(), Some("move it: --Adopt; also: wait"));
        assert_eq!(told.refusals, receipt.refusals);
    }
}
