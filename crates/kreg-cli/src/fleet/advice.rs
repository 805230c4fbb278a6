//! What a remedy's setting is called here.

use kreg_nodes::{Advice, Node, Receipt};

pub(super) fn advised_all(receipts: Vec<Receipt>) -> Vec<Receipt> {
    receipts.into_iter().map(advised).collect()
}

/// What was found on each node; receipts of the others with their flags.
pub(super) fn advised_losses<T>(
    found: Vec<(Node, Result<T, Box<Receipt>>)>,
) -> Vec<(Node, Result<T, Box<Receipt>>)> {
    let found = found.into_iter();
    found
        .map(|(node, answer)| (node, answer.map_err(|lost| Box::new(advised(*lost)))))
        .collect()
}

/// With the flag that does what the remedy says.
pub(super) fn advised(mut receipt: Receipt) -> Receipt {
    if let (Some(advice), Some(remedy)) = (&receipt.advice, &mut receipt.remedy)
        && let Some(flag) = flag(advice)
    {
        *remedy += &format!(": {flag}");
    }
    receipt
}

fn flag(advice: &Advice) -> Option<String> {
    Some(match advice {
        Advice::Configuration => "--ssh-config none, or --ssh-config FILE".to_owned(),
        Advice::Identity => "--ssh-identity FILE".to_owned(),
        Advice::KnownHosts => "--ssh-known-hosts FILE".to_owned(),
        Advice::Openssh => "--nodes-by openssh".to_owned(),
        Advice::User(name) => format!("--ssh-user {name}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use kreg_nodes::{TransportError, TransportErrorKind};

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
