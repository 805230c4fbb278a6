//! What a watch counted, as a table.

use super::report::{NodeTally, WatchReport};
use super::words::counted;
use crate::table::table;

impl WatchReport {
    /// A line for each node; below them what became of the pushes, and what could not be removed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let row = |node: &NodeTally| {
            let mean = node.mean_seconds();
            [
                node.node.clone(),
                node.passed.to_string(),
                node.failed.to_string(),
                node.undecided.to_string(),
                node.late.to_string(),
                mean.map_or(String::new(), |mean| format!("{mean:.1} s")),
                format!("{:.1} s", node.slowest_seconds),
                counted(&node.causes),
            ]
        };
        let heads = [
            "NODE",
            "PASSED",
            "FAILED",
            "UNDECIDED",
            "LATE",
            "MEAN",
            "SLOWEST",
            "CAUSES",
        ];
        let mut text = table(heads, self.nodes.iter().map(row));
        let pushes = &self.pushes;
        text.push_str(&format!(
            "\n\n{} images pushed, {} could not be ({:.0} s, one every {:.1} s)",
            pushes.pushed, pushes.failed, self.seconds, self.every
        ));
        if pushes.failed > 0 {
            text.push_str(&format!(": {}", counted(&pushes.causes)));
        }
        if !self.left.is_empty() {
            text.push_str(&format!("\nnot removed: {}", self.left.join(", ")));
        }
        text
    }
}
