//! The ways from a leaf to a trusted certificate.

use super::facts::Facts;

/// Longest chain that is looked at; real ones have two or three.
const MAX_DEPTH: usize = 6;

/// Leaf first, trusted certificate last; the leaf alone if it is trusted
/// itself.
pub(super) type Path<'a> = Vec<&'a Facts>;

/// Every path from `leaf` through `links` (what the server sends along) to
/// one of `anchors`.
pub(super) fn all<'a>(leaf: &'a Facts, links: &'a [Facts], anchors: &'a [Facts]) -> Vec<Path<'a>> {
    let mut found = Vec::new();
    extend(vec![leaf], links, anchors, &mut found);
    found
}

fn extend<'a>(path: Path<'a>, links: &'a [Facts], anchors: &'a [Facts], found: &mut Vec<Path<'a>>) {
    let Some(last) = path.last().copied() else {
        return;
    };
    if path.len() == 1 && is_in(last, anchors) {
        found.push(path.clone());
    }
    if path.len() == MAX_DEPTH {
        return;
    }
    let unused = |other: &&Facts| {
        !path
            .iter()
            .any(|used| used.certificate == other.certificate)
    };
    for anchor in anchors
        .iter()
        .filter(unused)
        .filter(|a| last.is_issued_by(a))
    {
        let mut longer = path.clone();
        longer.push(anchor);
        found.push(longer.clone());
        if !anchor.looks_self_signed() {
            extend(longer, links, anchors, found);
        }
    }
    let untrusted = |other: &&Facts| !is_in(other, anchors);
    for link in links
        .iter()
        .filter(unused)
        .filter(untrusted)
        .filter(|link| last.is_issued_by(link))
    {
        let mut longer = path.clone();
        longer.push(link);
        extend(longer, links, anchors, found);
    }
}

fn is_in(facts: &Facts, set: &[Facts]) -> bool {
    set.iter()
        .any(|other| other.certificate == facts.certificate)
}
