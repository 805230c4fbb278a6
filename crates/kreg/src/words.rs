//! Words for numbers and nodes.

use kreg_nodes::{Receipt, State};

/// `1 node`, `3 nodes`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// One line a receipt: node, step, why and what to do.
#[must_use]
pub fn bullet_list<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> String {
    let lines = receipts.into_iter().map(|receipt| format!("- {receipt}"));
    lines.collect::<Vec<_>>().join("\n")
}

pub(crate) fn in_state(receipts: &[Receipt], state: State) -> usize {
    let found = receipts.iter().filter(|receipt| receipt.state == state);
    found.count()
}
