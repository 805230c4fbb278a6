//! Whether a wanted edit may be made, and what it does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Change, Edit, EditKind, Refusal, RefusalKind};
use crate::facts::{Found, JournalEntry};
use crate::hosts_file::{Block, other_addresses};
use crate::instance::JOURNALS;
use crate::{Advice, InstanceId, NodeFacts, Trust};

/// The least free space, in KiB, that journal and files are sure to fit in.
const NEEDED_KIB: u64 = 256;

/// The edit of `kind`, judged by what is there now.
pub(super) fn edit(
    facts: &NodeFacts,
    trust: &Trust,
    journal: &BTreeMap<String, JournalEntry>,
    kind: EditKind,
    warnings: &mut Vec<String>,
) -> Result<Edit, Refusal> {
    let path = kind.path().to_owned();
    let now = current(facts, &path)?;
    let after = match &kind {
        EditKind::File { content, adopt, .. } => {
            let foreign = now.is_some_and(|now| now != content.as_bytes());
            if foreign && !journal.contains_key(&path) {
                if !adopt {
                    return Err(foreign_file(&path));
                }
                warnings.push(format!(
                    "{path} was written by others; it is replaced, and comes back on undo"
                ));
            }
            content.clone().into_bytes()
        }
        EditKind::Block { .. } => hosts(trust, &path, now.unwrap_or_default(), warnings)?,
    };
    let change = match now {
        Some(now) if now == after => Change::Keep,
        Some(_) => Change::Replace,
        None => Change::Create,
    };
    Ok(Edit {
        kind,
        change,
        before: now.map(|now| String::from_utf8_lossy(now).into_owned()),
        after: String::from_utf8_lossy(&after).into_owned(),
    })
}

/// The refusal for a damaged journal entry. Files that kreg wrote would be taken for those of others, and
/// what was there before them would be lost.
pub(super) fn journal(folder: &str) -> Refusal {
    Refusal::new(
        RefusalKind::BrokenJournal,
        format!(
            "{folder} is a damaged journal entry, so kreg does not know which file it is about"
        ),
        format!(
            "find the file on the node that holds what {folder}/after holds; put {folder}/before in its place, \
             or remove it where there is none; then remove {folder}"
        ),
    )
}

/// The refusal where the journal is that of another registry of the same name, such as one of a cluster that
/// no longer exists. The files that it is about are not this registry's.
pub(super) fn other_registry(instance: &InstanceId, id: &str) -> Refusal {
    let journal = instance.journal();
    Refusal::new(
        RefusalKind::Foreign,
        format!(
            "{journal} is the journal of another registry of this name: its id is {id}, that of this one is {}",
            instance.owner()
        ),
        "choose another name for this registry; or, if that registry no longer exists, let kreg take its files over: \
         what was there before both comes back on undo",
    )
    .with_advice(Some(Advice::Adopt))
}

/// The warning where that is allowed.
pub(super) fn taken_over(instance: &InstanceId, id: &str) -> String {
    let journal = instance.journal();
    format!(
        "{journal} is that of another registry of this name, with the id {id}; it is taken over"
    )
}

/// The bytes at `path`, none if there is nothing.
fn current<'a>(facts: &'a NodeFacts, path: &str) -> Result<Option<&'a [u8]>, Refusal> {
    let what = match facts.at(path) {
        _ if facts.links.contains(path) => "a symbolic link",
        None => return Ok(None),
        Some(Found::File(file)) => return Ok(Some(&file.content)),
        Some(Found::Directory) => "a directory",
        Some(Found::Big) => "larger than 1 MiB",
        Some(Found::Unreadable) => "not readable",
        Some(Found::Link | Found::Special) => "not a regular file",
    };
    Err(Refusal::new(
        RefusalKind::NotAFile,
        format!("{path} is {what}, and kreg writes regular files only"),
        "see what put it there; some systems generate such files from their own configuration, \
         and the change belongs there",
    ))
}

fn hosts(
    trust: &Trust,
    path: &str,
    now: &[u8],
    warnings: &mut Vec<String>,
) -> Result<Vec<u8>, Refusal> {
    let address = trust.endpoint().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    let name = trust.host().name();
    if now.contains(&0) {
        return Err(Refusal::new(
            RefusalKind::NotAFile,
            format!("{path} holds a zero byte, so it is no text"),
            format!("restore {path} from a backup"),
        ));
    }
    let others = other_addresses(now, name, address);
    if !others.is_empty() {
        warnings.push(format!(
            "{path} gives {name} other addresses too ({}); the first line wins, so remove those \
             that are stale",
            others.join(", ")
        ));
    }
    Block::new(trust.instance(), address, name).put(now).map_err(|e| {
        Refusal::new(
            RefusalKind::BrokenMarkers,
            format!("kreg's markers in {path} are broken: {e}"),
            format!(
                "mend the lines `# BEGIN kreg {0}` and `# END kreg {0}` in {path}, or remove both \
                 with what is between",
                trust.instance()
            ),
        )
    })
}

/// What is the matter with the node itself, given that something is to be written.
pub(super) fn node(facts: &NodeFacts, edits: &[Edit]) -> Vec<Refusal> {
    if facts.uid != 0 && facts.root.is_empty() {
        return vec![Refusal::new(
            RefusalKind::NotRoot,
            format!(
                "the node program runs as user id {}, not as root",
                facts.uid
            ),
            "log in as root, or let the user become root by `sudo -n`",
        )];
    }
    let mut places: Vec<&str> = vec![JOURNALS];
    places.extend(edits.iter().filter(|edit| !edit.is_kept()).map(Edit::path));
    let mut refusals: Vec<Refusal> = Vec::new();
    for place in places {
        let blocked = facts
            .not_writable
            .iter()
            .find(|dir| nearest(facts, place) == Some(dir));
        if let Some(dir) = blocked {
            let refusal = Refusal::new(
                RefusalKind::ReadOnly,
                format!("{dir} cannot be written to (read-only?), where {place} belongs"),
                "make it writable (`lsattr -d` shows whether it is immutable), or set this node up \
                 by its own means, such as the image that it is made from",
            );
            if refusals
                .iter()
                .all(|known| !known.reason.contains(dir.as_str()))
            {
                refusals.push(refusal);
            }
        }
    }
    let full = facts
        .free_kib
        .iter()
        .filter(|&(_, &free)| free < NEEDED_KIB);
    refusals.extend(full.map(|(point, free)| {
        Refusal::new(
            RefusalKind::NoSpace,
            format!("the file system at {point} has {free} KiB free; kreg needs {NEEDED_KIB}"),
            format!("free some space at {point}"),
        )
    }));
    refusals
}

/// The directory in `not_writable` that `path` would be written in: the longest that is
/// above it, unless a directory between is there and writable.
fn nearest<'a>(facts: &'a NodeFacts, path: &str) -> Option<&'a String> {
    let mut dir = path;
    while let Some((above, _)) = dir.rsplit_once('/') {
        dir = if above.is_empty() { "/" } else { above };
        if let Some(blocked) = facts.not_writable.get(dir) {
            return Some(blocked);
        }
        if facts.is_dir(dir) || dir == "/" {
            return None;
        }
    }
    None
}

fn foreign_file(path: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Foreign,
        format!("{path} exists and was not written by kreg"),
        "move it away, or let kreg replace it: it is kept and comes back on undo",
    )
    .with_advice(Some(Advice::Adopt))
}
