//! The cluster as it stands: every file that kreg could touch on every node, and every object of
//! the API. Two of them tell what a story changed.

mod files;
mod objects;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::Node;
use crate::e2e::world::{World, await_that};
use crate::failure::{Failure, Result};

/// How long the cluster may take to finish what a removal began: volumes and their directories are
/// removed by controllers, after the claim is gone.
const SETTLES: Duration = Duration::from_secs(60);

/// Key (`node:/path` or `kind namespace/name`) to a description that differs when the thing does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// Contents, modes, owners and link targets of files; identity and wish of objects.
    pub(crate) fn take(world: &World) -> Result<Self> {
        let mut all = BTreeMap::new();
        for node in &world.cluster.nodes {
            all.extend(files::of(world, node, files::Detail::Contents)?);
        }
        all.extend(objects::all(world)?);
        Ok(Self(all))
    }

    /// What a second `kreg up` must not even touch: files with their times, and the resourceVersion
    /// of every object that kreg manages.
    pub(crate) fn of_kregs_own(world: &World) -> Result<Self> {
        let Self(mut all) = Self::of_files(world)?;
        let own = objects::managed(world)?;
        if own.is_empty() {
            return Err(Failure::new(
                "see the objects that kreg manages",
                "none has the label app.kubernetes.io/managed-by=kreg",
            ));
        }
        all.extend(own);
        Ok(Self(all))
    }

    /// Files alone, with their times.
    pub(crate) fn of_files(world: &World) -> Result<Self> {
        let mut all = BTreeMap::new();
        for node in &world.cluster.nodes {
            all.extend(Self::of_files_on(world, node)?.0);
        }
        Ok(Self(all))
    }

    /// What it holds of nodes' files.
    pub(crate) fn files(&self) -> Self {
        let files = self.0.iter().filter(|(key, _)| is_file(key));
        Self(
            files
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        )
    }

    /// The same of one node.
    pub(crate) fn of_files_on(world: &World, node: &Node) -> Result<Self> {
        files::of(world, node, files::Detail::Times).map(Self)
    }

    /// Waits until the cluster is as in this snapshot; the failure lists every difference.
    pub(crate) fn await_return(&self, world: &World) -> Result<()> {
        await_that("the cluster is as it was before", SETTLES, || {
            let now = Self::take(world)?;
            Ok(match self.differences(&now) {
                none if none.is_empty() => Ok(()),
                some => Err(listed(&some)),
            })
        })
    }

    /// Fails with the list of differences, if there are any.
    pub(crate) fn same(&self, now: &Self) -> Result<()> {
        match self.differences(now) {
            none if none.is_empty() => Ok(()),
            some => Err(Failure::new("see that nothing was touched", listed(&some))),
        }
    }

    /// Removes what is new since this snapshot, so that one story's fault is not the next one's
    /// too. What is gone or different stays so: it cannot be made up.
    pub(crate) fn force_back(&self, world: &World) -> Result<()> {
        let now = Self::take(world)?;
        let new = now.0.keys().filter(|key| !self.0.contains_key(*key));
        for key in new {
            // Things vanish while their owners are removed; what matters is the next snapshot.
            match key.split_once(':') {
                Some((node, path)) if is_file(key) => files::remove(world, node, path)?,
                _ => objects::remove(world, key)?,
            }
        }
        Ok(())
    }

    /// `+` is new, `-` is gone, `~` is different.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let gone = self
            .0
            .iter()
            .filter(|(key, _)| !now.0.contains_key(*key))
            .map(|(key, _)| format!("- {key}"));
        let rest = now
            .0
            .iter()
            .filter_map(|(key, value)| match self.0.get(key) {
                None => Some(format!("+ {key}")),
                Some(before) if before != value => {
                    let (before, value) = excerpt(before, value);
                    Some(format!(
                        "~ {key}\n    before: {before}\n    now:    {value}"
                    ))
                }
                Some(_) => None,
            });
        gone.chain(rest).collect()
    }
}

fn is_file(key: &str) -> bool {
    key.split_once(':')
        .is_some_and(|(_, path)| path.starts_with('/'))
}

fn listed(differences: &[String]) -> String {
    format!(
        "{} differences\n{}",
        differences.len(),
        differences.join("\n")
    )
}

/// The neighbourhood of the first difference of two long descriptions.
fn excerpt<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    const AROUND: usize = 60;
    let same = one
        .char_indices()
        .zip(other.chars())
        .take_while(|((_, a), b)| a == b)
        .count();
    let cut = |text: &'a str| {
        let at = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
        &text[at(same.saturating_sub(AROUND))..at(same + AROUND)]
    };
    (cut(one), cut(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(entries: &[(&str, &str)]) -> Snapshot {
        Snapshot(
            entries
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn new_gone_and_different_things_are_listed() {
        let before = snapshot(&[("n:/a", "1"), ("n:/b", "1"), ("n:/c", "1")]);
        let now = snapshot(&[("n:/a", "1"), ("n:/b", "2"), ("n:/d", "1")]);
        let differences = before.differences(&now);
        assert_eq!(
            differences,
            ["- n:/c", "~ n:/b\n    before: 1\n    now:    2", "+ n:/d"]
        );
        assert!(before.same(&now).is_err() && before.same(&before).is_ok());
    }

    #[test]
    fn an_excerpt_shows_where_two_texts_part() {
        let (one, other) = (
            format!("{}x{}", "ä".repeat(100), "t".repeat(100)),
            "ä".repeat(100),
        );
        let (one, other) = excerpt(&one, &other);
        assert_eq!(one, format!("{}x{}", "ä".repeat(60), "t".repeat(59)));
        assert_eq!(other, "ä".repeat(60));
    }
}
