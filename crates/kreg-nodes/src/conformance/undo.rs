//! What a node holds after trust was taken back.

use super::bed::{
    Bed, CA, CONTAINERD_CA, HOSTS_TEXT, HOSTS_TOML, Kept, OTHER_CA, Promise, difference, ensure,
    trust_in,
};
use crate::hosts_file::HOSTS;
use crate::instance::JOURNALS;
use crate::{FileStatus, State};

pub(super) const PROMISES: &[Promise] = &[
    ("undo brings everything back to the byte", to_the_byte),
    ("undo where kreg wrote nothing is harmless", twice),
    (
        "undo leaves alone what others have changed, and names it",
        dirty,
    ),
    (
        "undo keeps lines that others have added to the hosts file",
        their_lines,
    ),
];

fn to_the_byte(bed: &Bed<'_>) -> Kept {
    bed.files.write(HOSTS_TOML, b"# theirs, no newline")?;
    let before = bed.look()?;
    bed.apply(&trust_in(CA)?.with_adopt(true))?;
    bed.apply(&trust_in(OTHER_CA)?.with_adopt(true))?;
    let receipt = bed.undo()?;
    ensure(receipt.state == State::Changed, || receipt.to_string())?;
    let found = difference(&before, &bed.look()?, false);
    ensure(found.is_empty(), || found.join("; "))
}

fn twice(bed: &Bed<'_>) -> Kept {
    bed.apply(&trust_in(CA)?)?;
    bed.undo()?;
    let before = bed.look()?;
    let receipt = bed.undo()?;
    ensure(receipt.state == State::Unchanged, || receipt.to_string())?;
    let found = difference(&before, &bed.look()?, true);
    ensure(found.is_empty(), || found.join("; "))
}

fn dirty(bed: &Bed<'_>) -> Kept {
    bed.apply(&trust_in(CA)?)?;
    bed.files.write(HOSTS_TOML, b"# theirs\n")?;
    let receipt = bed.undo()?;
    let dirty = receipt
        .files
        .iter()
        .filter(|file| file.status == FileStatus::Dirty);
    let dirty: Vec<&str> = dirty.map(|file| file.path.as_str()).collect();
    ensure(
        receipt.state == State::Dirty && dirty == [HOSTS_TOML],
        || format!("{receipt} {:?}", receipt.files),
    )?;
    let theirs = bed.read(HOSTS_TOML)?;
    ensure(theirs.as_deref() == Some("# theirs\n"), || {
        format!("{theirs:?}")
    })?;
    // The rest went back, and once theirs is gone too, so does what is left.
    let (ca, hosts) = (bed.read(CONTAINERD_CA)?, bed.read(HOSTS)?);
    ensure(ca.is_none() && hosts.as_deref() == Some(HOSTS_TEXT), || {
        format!("{CONTAINERD_CA} holds {ca:?}, {HOSTS} {hosts:?}")
    })?;
    bed.files.remove(HOSTS_TOML)?;
    let receipt = bed.undo()?;
    let left = bed.files.tree(JOURNALS)?;
    ensure(receipt.is_ok() && left.is_empty(), || {
        format!("{receipt}; left: {left:?}")
    })
}

fn their_lines(bed: &Bed<'_>) -> Kept {
    bed.apply(&trust_in(CA)?)?;
    let now = bed.read(HOSTS)?.unwrap_or_default();
    bed.files
        .write(HOSTS, format!("{now}10.9.9.9 new\n").as_bytes())?;
    let receipt = bed.undo()?;
    let now = bed.read(HOSTS)?.unwrap_or_default();
    ensure(
        receipt.is_ok() && now == format!("{HOSTS_TEXT}\n10.9.9.9 new\n"),
        || format!("{receipt}; {now:?}"),
    )
}
