//! Copies that snapd makes of what kreg wrote.

use std::collections::BTreeMap;

use super::{Found, JournalEntry, NodeFacts};

/// Enters every copy of a file in `entries`, as `copies.sh` does on the node. At each refresh of a
/// snap, snapd copies `/var/snap/NAME/REVISION` to the next revision, with kreg's files in it.
pub(super) fn enter(facts: &NodeFacts, entries: &mut BTreeMap<String, JournalEntry>) {
    let mut copies = Vec::new();
    for (path, entry) in entries.iter().filter(|(_, entry)| entry.kind == "file") {
        let (Some((snap, revision, rest)), Some(after)) = (parts(path), &entry.after) else {
            continue;
        };
        let folder = format!("{SNAPS}{snap}/");
        for (other, found) in facts.found.range(folder.clone()..) {
            if !other.starts_with(&folder) {
                break;
            }
            let copied = parts(other)
                .is_some_and(|(_, number, below)| below == rest && number != revision)
                && matches!(found, Found::File(file) if file.content == *after)
                && !facts.links.contains(other);
            if copied {
                copies.push((other.clone(), entry.clone()));
            }
        }
    }
    for (path, entry) in copies {
        entries.entry(path).or_insert(entry);
    }
}

/// Where snapd keeps the data of snaps.
const SNAPS: &str = "/var/snap/";

/// Name, revision and the rest of a path in a snap's data.
fn parts(path: &str) -> Option<(&str, &str, &str)> {
    let (snap, rest) = path.strip_prefix(SNAPS)?.split_once('/')?;
    let (revision, rest) = rest.split_once('/')?;
    Some((snap, revision, rest))
}
