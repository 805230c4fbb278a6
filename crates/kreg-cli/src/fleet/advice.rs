//! What a remedy's setting is called here.

use std::error::Error as _;

use kreg_nodes::{AccessError, Advice, Receipt, Refusal, Refused};

use crate::error::Error;

pub(super) fn advised_all(receipts: Vec<Receipt>) -> Vec<Receipt> {
    receipts.into_iter().map(advised).collect()
}

/// With the flag that does what the remedy says.
pub(super) fn advised(mut receipt: Receipt) -> Receipt {
    if receipt.refusals.is_empty() {
        let advice = receipt.advice.as_ref();
        receipt.remedy = receipt.remedy.map(|remedy| worded(&remedy, advice));
        return receipt;
    }
    let refusals = receipt.refusals.iter().map(|refusal| {
        let mut refusal = refusal.clone();
        refusal.remedy = refusal_remedy(&refusal);
        refusal
    });
    receipt.remedy = Some(Refused(refusals.collect()).remedy());
    receipt
}

/// What to do about one refusal, with the flag for it.
fn refusal_remedy(refusal: &Refusal) -> String {
    worded(&refusal.remedy, refusal.advice.as_ref())
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        let advice = error.advice.as_ref();
        let help = error.remedy.as_ref().map(|remedy| worded(remedy, advice));
        let failed = Self::failed(&error.what).help_if(help);
        match error.source() {
            Some(cause) => failed.because(cause),
            None => failed,
        }
    }
}

fn worded(remedy: &str, advice: Option<&Advice>) -> String {
    let flag = match advice {
        Some(Advice::Adopt) => {
            return format!("{remedy} (--adopt of `kreg up` or `kreg nodes trust`)");
        }
        Some(Advice::AdoptNamespace) => {
            return format!(
                "{remedy}; `kreg export rbac` prints such a namespace, and --adopt takes it over"
            );
        }
        // What it begins with is what the flag does; what it ends with may be lines to set.
        Some(Advice::Restart) => return format!("with --allow-runtime-restart, {remedy}"),
        Some(Advice::Agents) => "run `kreg up` again, or `kreg nodes trust`",
        Some(Advice::Configuration) => "--ssh-config none, or --ssh-config FILE",
        Some(Advice::Identity) => "--ssh-identity FILE",
        Some(Advice::KnownHosts) => "--ssh-known-hosts FILE",
        Some(Advice::NoRestart) => "leave out --allow-runtime-restart",
        Some(Advice::Openssh) => "--nodes-by openssh",
        Some(Advice::Rights) => "`kreg export rbac` lists it",
        Some(Advice::User(name)) => return format!("{remedy}: --ssh-user {name}"),
        _ => return remedy.to_owned(),
    };
    format!("{remedy}: {flag}")
}

#[cfg(test)]
mod tests {
    use kreg_nodes::{Node, TransportError, TransportErrorKind};

    use super::*;

    #[test]
    fn a_remedy_ends_with_its_flag() {
        let node = Node::new("node1", "192.0.2.1");
        let kind = TransportErrorKind::Answered {
            user: "root".to_owned(),
            said: "Please login as the user \"ubuntu\" rather than the user \"root\".".to_owned(),
            wants: Some("ubuntu".to_owned()),
        };
        let receipt = Receipt::from_transport(&node, &TransportError::new(&node, kind));
        let told = advised(receipt).to_string();
        assert!(
            told.ends_with("without a password: --ssh-user ubuntu"),
            "{told}"
        );
        let refused = TransportErrorKind::Refused { port: 22 };
        let receipt = Receipt::from_transport(&node, &TransportError::new(&node, refused));
        assert_eq!(advised(receipt.clone()), receipt);
    }
}
