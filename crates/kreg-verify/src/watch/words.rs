//! What a watch counted, in words.

use std::collections::BTreeMap;
use std::fmt;

use super::report::{NodeTally, WatchReport};
use crate::report::Verdict;

/// One line that says how it stands, such as `31 s: 42 pulls, 0 failed · control-plane 14 · worker 14`.
impl fmt::Display for WatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, undecided) = self.counts();
        let pulls = passed + failed;
        write!(f, "{:.0} s: {pulls} pulls, {failed} failed", self.seconds)?;
        if undecided > 0 {
            write!(f, ", {undecided} undecided")?;
        }
        for node in &self.nodes {
            write!(f, " · {} {}", node.node, node.passed)?;
            if node.failed > 0 {
                write!(f, " ({} failed)", node.failed)?;
            }
        }
        Ok(())
    }
}

impl WatchReport {
    /// Why it does not pass, with a line for each node that is at fault; `None` if it does.
    #[must_use]
    pub fn shortfall(&self) -> Option<String> {
        let (passed, failed, _) = self.counts();
        let (all, silent) = (
            self.nodes.len(),
            self.nodes.iter().filter(|node| node.passed == 0).count(),
        );
        let mut text = match (self.verdict, passed, failed) {
            (Verdict::Pass, ..) => return None,
            (_, 0, 0) => "not a single pull came to its end, so nothing is shown:".to_owned(),
            (_, _, 0) => format!(
                "on {silent} of {all} node{} not a single pull passed, so nothing is shown of them:",
                if all == 1 { "" } else { "s" }
            ),
            (_, passed, failed) => format!("{failed} of {} pulls failed:", passed + failed),
        };
        let at_fault = |node: &&NodeTally| node.failed > 0 || node.passed == 0;
        for node in self.nodes.iter().filter(at_fault) {
            let (words, causes) = (node.last_words.as_deref(), counted(&node.causes));
            let words = words.unwrap_or("no pull");
            text.push_str(&format!("\n- {}: {causes}; last: {words}", node.node));
        }
        Some(text)
    }
}

impl NodeTally {
    /// The mean of all passed pulls, in seconds; `None` if none passed.
    #[must_use]
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.passed > 0).then(|| self.total_seconds / self.passed as f64)
    }
}

/// Causes with their counts, such as `unreachable 3, pod 1`.
#[must_use]
pub fn counted(causes: &BTreeMap<String, u64>) -> String {
    let words = causes
        .iter()
        .map(|(cause, count)| format!("{cause} {count}"));
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn how_it_stands_is_one_line() {
        assert_eq!(
            report().to_string(),
            "10 s: 3 pulls, 1 failed, 1 undecided · a 2 · b 0 (1 failed)"
        );
    }

    #[test]
    fn a_shortfall_names_the_nodes_that_are_at_fault() {
        let mut report = report();
        assert_eq!(
            report.shortfall().unwrap(),
            "1 of 3 pulls failed:\n- b: pod 1, unreachable 1; last: no \"room\"\\\n"
        );
        report.nodes[1].failed = 0;
        let silent = report.shortfall().unwrap();
        assert!(
            silent.starts_with("on 1 of 2 nodes not a single"),
            "{silent}"
        );
        report.nodes.remove(0);
        let nothing = report.shortfall().unwrap();
        assert!(nothing.starts_with("not a single pull came"), "{nothing}");
        report.verdict = Verdict::Pass;
        assert_eq!(report.shortfall(), None);
    }

    #[test]
    fn the_mean_is_of_passed_pulls() {
        let report = report();
        let means = report.nodes.iter().map(NodeTally::mean_seconds);
        assert_eq!(means.collect::<Vec<_>>(), [Some(1.0), None]);
    }
}
