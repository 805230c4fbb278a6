//! A watch's counts for Prometheus, in its text format 0.0.4.

use std::fmt::{Display, Write as _};

use super::report::{NodeTally, WatchReport};

impl WatchReport {
    /// The counts as Prometheus reads them; for node_exporter's textfile collector, for one.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.as_str();
        head(
            &mut text,
            "kreg_watch_pulls_total",
            "counter",
            "Pulls by node and result.",
        );
        for node in &self.nodes {
            for (result, count) in [
                ("passed", node.passed),
                ("failed", node.failed),
                ("undecided", node.undecided),
            ] {
                let labels = [
                    ("registry", registry),
                    ("node", node.node.as_str()),
                    ("result", result),
                ];
                line(&mut text, "kreg_watch_pulls_total", &labels, count);
            }
        }
        head(
            &mut text,
            "kreg_watch_pull_causes_total",
            "counter",
            "Pulls that did not pass, by node and cause.",
        );
        for node in &self.nodes {
            for (cause, count) in &node.causes {
                let labels = [
                    ("registry", registry),
                    ("node", node.node.as_str()),
                    ("cause", cause.as_str()),
                ];
                line(&mut text, "kreg_watch_pull_causes_total", &labels, count);
            }
        }
        let each: [Series; 2] = [
            (
                "kreg_watch_late_total",
                "counter",
                "Beats missed because the pull before was not done.",
                |node| node.late as f64,
            ),
            (
                "kreg_watch_pull_slowest_seconds",
                "gauge",
                "The slowest passed pull, from a Pod's creation to its end.",
                |node| node.slowest_seconds,
            ),
        ];
        for (name, kind, help, value) in each {
            head(&mut text, name, kind, help);
            for node in &self.nodes {
                let labels = [("registry", registry), ("node", node.node.as_str())];
                line(&mut text, name, &labels, value(node));
            }
        }
        let name = "kreg_watch_pull_seconds";
        head(
            &mut text,
            name,
            "summary",
            "Passed pulls, from a Pod's creation to its end.",
        );
        for node in &self.nodes {
            let labels = [("registry", registry), ("node", node.node.as_str())];
            line(
                &mut text,
                &format!("{name}_sum"),
                &labels,
                node.total_seconds,
            );
            line(&mut text, &format!("{name}_count"), &labels, node.passed);
        }
        head(
            &mut text,
            "kreg_watch_pushes_total",
            "counter",
            "Fresh images pushed, by result.",
        );
        for (result, count) in [
            ("passed", self.pushes.pushed),
            ("failed", self.pushes.failed),
        ] {
            let labels = [("registry", registry), ("result", result)];
            line(&mut text, "kreg_watch_pushes_total", &labels, count);
        }
        text
    }
}

/// Name, type, help, and a node's value.
type Series = (
    &'static str,
    &'static str,
    &'static str,
    fn(&NodeTally) -> f64,
);

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &[(&str, &str)], value: impl Display) {
    let labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
        .collect();
    let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
}

/// The format's own three escapes in label values.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use prometheus_parse::{Scrape, Value};

    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn another_reader_finds_every_count_in_it() {
        let text = report().to_prometheus();
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).unwrap();
        let find = |name: &str, wanted: &[(&str, &str)]| {
            let mut found = scrape.samples.iter().filter(|sample| {
                let has = |(key, value): &(&str, &str)| sample.labels.get(key) == Some(*value);
                sample.metric == name && wanted.iter().all(has)
            });
            let value = found.next().map(|sample| sample.value.clone());
            assert!(found.next().is_none(), "{name} {wanted:?} is there twice");
            match value {
                Some(Value::Counter(v) | Value::Gauge(v) | Value::Untyped(v)) => v,
                other => panic!("{name} {wanted:?}: {other:?}"),
            }
        };
        let pulls = "kreg_watch_pulls_total";
        assert_eq!(find(pulls, &[("node", "a"), ("result", "passed")]), 2.0);
        assert_eq!(find(pulls, &[("node", "b"), ("result", "failed")]), 1.0);
        assert_eq!(find(pulls, &[("node", "b"), ("result", "undecided")]), 1.0);
        let causes = "kreg_watch_pull_causes_total";
        assert_eq!(
            find(causes, &[("node", "b"), ("cause", "unreachable")]),
            1.0
        );
        assert_eq!(find("kreg_watch_late_total", &[("node", "b")]), 3.0);
        assert_eq!(
            find("kreg_watch_pull_slowest_seconds", &[("node", "a")]),
            1.5
        );
        assert_eq!(
            find("kreg_watch_pushes_total", &[("result", "failed")]),
            1.0
        );
        assert!(text.contains("kreg_watch_pull_seconds_sum{registry=\"r:5000\",node=\"a\"} 2\n"));
        assert!(scrape.docs.contains_key(pulls));
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\\\"b\nc"), "a\\\\\\\"b\\nc");
    }
}
