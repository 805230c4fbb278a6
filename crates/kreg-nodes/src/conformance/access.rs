//! What a way to the nodes promises besides what its transport does.

use super::bed::{Bed, CA, Instead, Kept, Promise, difference, ensure, instance, trust_in};
use super::files::Tree;
use crate::instance::JOURNALS;
use crate::{Receipt, State, StorageDir};

pub(super) const PROMISES: &[Promise] = &[
    (
        "to prepare makes ready, twice too, and changes no file of the node",
        prepared,
    ),
    ("each receipt names its node, and is its own", receipts),
    ("images are looked for on the named nodes only", storage),
    (
        "only a node that could not be entered is named for a person",
        by_hand,
    ),
    (
        "to retire changes no file of the node, and what is prepared again works",
        retired,
    ),
];

fn prepared(bed: &Bed<'_>) -> Kept {
    let before = bed.look()?;
    bed.access.prepare()?;
    bed.access.prepare()?;
    ensure(bed.access.is_ready(), || "it is not ready".to_owned())?;
    bed.status(&trust_in(CA)?)?;
    untouched(&before, bed)
}

fn receipts(bed: &Bed<'_>) -> Kept {
    let trust = trust_in(CA)?;
    for receipt in [bed.apply(&trust)?, bed.status(&trust)?, bed.undo()?] {
        named(bed, &receipt)?;
        ensure(receipt.is_ok(), || receipt.to_string())?;
    }
    Ok(())
}

/// The node has no such directory.
fn storage(bed: &Bed<'_>) -> Kept {
    let (instance, storage) = (instance()?, StorageDir::new("/srv/kreg-conformance")?);
    let none = bed.access.erase(&instance, &storage, &["another-node"]);
    ensure(none.is_empty(), || format!("{none:?}"))?;
    let here = bed
        .access
        .erase(&instance, &storage, &[bed.node.name.as_str()]);
    let [receipt] = here.as_slice() else {
        return Err(Instead(format!("not one receipt: {here:?}")));
    };
    named(bed, receipt)?;
    ensure(receipt.state == State::Unchanged, || receipt.to_string())?;
    bed.access.prepare()?;
    Ok(())
}

fn by_hand(bed: &Bed<'_>) -> Kept {
    let done = bed
        .access
        .by_hand(&[Receipt::new(bed.node, State::Changed)]);
    ensure(done.is_empty(), || format!("{done:?}"))?;
    let lost = Receipt::new(bed.node, State::Unreachable);
    let told = bed.access.by_hand(&[lost]);
    let names: Vec<&str> = told.iter().map(|one| one.node()).collect();
    ensure(names == [bed.node.name.as_str()], || format!("{told:?}"))
}

fn retired(bed: &Bed<'_>) -> Kept {
    bed.apply(&trust_in(CA)?)?;
    let before = bed.look()?;
    bed.access.retire()?;
    bed.access.retire()?;
    untouched(&before, bed)?;
    bed.access.prepare()?;
    let receipt = bed.status(&trust_in(CA)?)?;
    named(bed, &receipt)?;
    bed.undo()?;
    bed.access.prepare().map_err(Instead::from)
}

fn named(bed: &Bed<'_>, receipt: &Receipt) -> Kept {
    ensure(receipt.node == bed.node.name, || {
        format!("for {} came: {receipt}", bed.node.name)
    })
}

/// The directory of journals may be made, empty, to be mounted.
fn untouched(before: &Tree, bed: &Bed<'_>) -> Kept {
    let mut after = bed.look()?;
    if !before.contains_key(JOURNALS) {
        after.remove(JOURNALS);
    }
    let found = difference(before, &after, false);
    ensure(found.is_empty(), || found.join("; "))
}
