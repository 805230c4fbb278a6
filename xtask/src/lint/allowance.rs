//! What is known not to be right yet: by crate and number, in the code, so that each improvement is recorded.

use std::collections::{BTreeMap, BTreeSet};

use crate::failure::{Failure, Result};

/// A list that only shrinks.
pub(super) struct Allowance {
    /// Name of its constant.
    pub(super) name: &'static str,
    /// Crate and number; none is written as no row.
    pub(super) known: &'static [(&'static str, usize)],
}

/// What was found, a line each, by crate.
pub(super) type Found = BTreeMap<String, Vec<String>>;

impl Allowance {
    /// Whether exactly as many were found as are known. Fewer are a failure too, until the list says so.
    pub(super) fn holds(&self, found: &Found) -> Result<()> {
        let known: BTreeMap<&str, usize> = self.known.iter().copied().collect();
        let crates: BTreeSet<&str> = found
            .keys()
            .map(String::as_str)
            .chain(known.keys().copied())
            .collect();
        let mut wrong = Vec::new();
        for name in crates {
            let lines = found.get(name).map_or([].as_slice(), Vec::as_slice);
            let allowed = known.get(name).copied().unwrap_or_default();
            if lines.len() > allowed {
                let lines = lines.join("\n    ");
                wrong.push(format!("{name}: {allowed} known, more found:\n    {lines}"));
            } else if lines.len() < allowed {
                let count = lines.len();
                wrong.push(format!(
                    "{name}: {allowed} known, only {count} found: write {count}"
                ));
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(
            Failure::new("find what is known and no more", wrong.join("\n")).next(format!(
                "fix what is new; lower {} in xtask/src/lint/mod.rs for what is gone",
                self.name
            )),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_and_fewer_than_known_are_both_failures() {
        let allowance = Allowance {
            name: "X",
            known: &[("a", 2)],
        };
        let found =
            |name: &str, count| Found::from([(name.to_owned(), vec!["x".to_owned(); count])]);
        assert!(allowance.holds(&found("a", 2)).is_ok());
        for (name, count, says) in [
            ("a", 3, "more found"),
            ("a", 1, "write 1"),
            ("b", 1, "b: 0 known"),
        ] {
            let failure = allowance
                .holds(&found(name, count))
                .unwrap_err()
                .to_string();
            assert!(failure.contains(says), "{failure}");
        }
    }
}
