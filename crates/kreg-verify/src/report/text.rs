//! A report for a terminal.

use super::{CheckReport, Report};
use crate::check::Status;
use crate::table::table;

impl Report {
    /// A table with a line for each check; below it, each failure in whole with what was observed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let heads = ["", "CHECK", "NODE", "TIME", "FOUND"];
        let mut text = table(heads, self.checks.iter().map(row));
        for failure in self.failures() {
            text.push_str(&format!("\n\n{}", detail(failure)));
        }
        text
    }
}

fn row(check: &CheckReport) -> [String; 5] {
    let mark = match check.status {
        Status::Pass => "✓",
        Status::Fail => "✗",
        Status::Skipped => "-",
    };
    [
        mark.to_owned(),
        check.name.clone(),
        check.node.clone().unwrap_or_default(),
        format!("{:.2} s", check.seconds),
        short(check),
    ]
}

/// What was found, on the rest of one line; a failure stands below in whole.
fn short(check: &CheckReport) -> String {
    let line = check.message.lines().next().unwrap_or_default();
    let room = if check.status == Status::Fail {
        80
    } else {
        110
    };
    match line.char_indices().nth(room) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.to_owned(),
    }
}

fn detail(check: &CheckReport) -> String {
    let mut text = format!("✗ {}: {}", check.title, check.message);
    for evidence in &check.evidence {
        let seen = evidence.text.replace('\n', "\n    ");
        text.push_str(&format!("\n  {}: {seen}", evidence.label));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn the_table_has_a_line_a_check_and_a_failure_in_whole_below() {
        let long = format!("x509: {}\nsecond line", "very ".repeat(40));
        let check = |name: &str, node: Option<&str>, outcome: Outcome| {
            let title = format!("claim of {name}");
            CheckReport::new(name, title, node, outcome.with("event", "a\nb"), 0.25)
        };
        let mut report = Report::new("r:5000".to_owned(), String::new(), String::new());
        report.checks = vec![
            check("tls", None, Outcome::pass("valid")),
            check("node-pull", Some("w1"), Outcome::fail(&*long)),
            check("delete", None, Outcome::skipped("deletion is off")),
        ];
        let text = report.to_text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("CHECK") && lines[0].contains("FOUND"));
        for (line, words) in [
            (lines[1], &["✓", "tls", "0.25 s", "valid"] as &[_]),
            (lines[2], &["✗", "node-pull", "w1", "x509: very", "…"]),
            (lines[3], &["-", "delete", "deletion is off"]),
        ] {
            let all = words.iter().all(|word| line.contains(word));
            assert!(all, "{words:?}: {line}");
            assert!(line.chars().count() < 130, "{line}");
        }
        let below = lines[4..].join("\n");
        assert_eq!(
            below,
            format!("\n✗ claim of node-pull: {long}\n  event: a\n    b")
        );
    }
}
