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

/// An error with its causes in one line. Some libraries repeat their source in their own message.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}

pub(crate) fn in_state(receipts: &[Receipt], state: State) -> usize {
    let found = receipts.iter().filter(|receipt| receipt.state == state);
    found.count()
}
