//! A report as a page for people: the answer, a node x check matrix, what failed, all evidence folded.
//!
//! It is to be kept, mailed and printed, so it refers to nothing outside itself; a policy in its head
//! keeps it so. Everything that was observed is text: `html!` escapes it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{CheckReport, Report, Verdict};
use crate::check::Status;

const STYLE: &str = include_str!("page.css");

impl Report {
    /// The report as one HTML page that needs nothing else: no script, no font, no picture.
    #[must_use]
    pub fn to_html(&self) -> String {
        page(self)
    }
}

fn page(report: &Report) -> String {
    let title = match report.verdict {
        Verdict::Pass => format!("{} works", report.registry),
        Verdict::Fail => format!("{}: not proved", report.registry),
    };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) " · kreg verify" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (head(report))
                    (matrix(report))
                    (failures(report))
                    (registry(report))
                    (nodes(report))
                }
                footer { "Written by kreg " (env!("CARGO_PKG_VERSION")) " · " (report.started) }
            }
        }
    };
    markup.into_string()
}

fn head(report: &Report) -> Markup {
    let (passed, failed, skipped) = report.counts();
    let (class, mark, answer) = match report.verdict {
        Verdict::Pass => ("pass", "✓", "The registry works."),
        Verdict::Fail if report.interrupted => ("fail", "✗", "The proof was interrupted."),
        Verdict::Fail => ("fail", "✗", "The proof does not hold."),
    };
    let nodes = report.nodes().len();
    html! {
        header class=(class) {
            p.seal aria-hidden="true" { (mark) }
            div {
                h1 { (answer) }
                p.registry { (report.registry) }
            }
            ul.counts aria-label="Checks" {
                li.pass { b { (passed) } " passed" }
                li.fail.none[failed == 0] { b { (failed) } " failed" }
                li.skip.none[skipped == 0] { b { (skipped) } " skipped" }
            }
        }
        dl.facts {
            div { dt { "Begun" } dd { time datetime=(report.started) { (moment(&report.started)) } } }
            div { dt { "Took" } dd { (seconds(report.seconds)) } }
            div { dt { "Nodes" } dd { (nodes) } }
            div.wide { dt { "Probe image, never seen before" } dd { code { (report.image) } } }
        }
    }
}

/// What a reader must know first.
fn failures(report: &Report) -> Markup {
    let failed: Vec<_> = report.failures().collect();
    html! {
        @if !failed.is_empty() {
            section aria-labelledby="failed" {
                h2 #failed { "What failed" }
                @for check in failed { (check_row(check, "f-")) }
            }
        }
    }
}

/// A row a node, a column a check that is about nodes.
fn matrix(report: &Report) -> Markup {
    let nodes = report.nodes();
    let mut columns: Vec<&str> = Vec::new();
    for check in report.checks.iter().filter(|check| check.node.is_some()) {
        if !columns.contains(&check.name.as_str()) {
            columns.push(&check.name);
        }
    }
    html! {
        @if !nodes.is_empty() {
            section aria-labelledby="nodes" {
                h2 #nodes { "Every node" }
                div.scroll tabindex="0" role="region" aria-labelledby="nodes" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Node" }
                                @for column in &columns { th scope="col" { (column) } }
                            }
                        }
                        tbody {
                            @for node in nodes {
                                tr {
                                    th scope="row" { (node) }
                                    @for column in &columns { (cell(report, node, column)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(report: &Report, node: &str, column: &str) -> Markup {
    match report.of_node(node).find(|check| check.name == column) {
        None => html! { td.skip { span.mark title="not asked for" { "·" } } },
        Some(check) => html! {
            td class=(class(check.status)) {
                a href={ "#" (anchor("", check)) } title=(check.message) {
                    (badge(check.status)) " "
                    span.time { (seconds(check.seconds)) }
                }
            }
        },
    }
}

fn registry(report: &Report) -> Markup {
    html! {
        section aria-labelledby="registry" {
            h2 #registry { "The registry" }
            @for check in report.of_registry() { (check_row(check, "")) }
        }
    }
}

fn nodes(report: &Report) -> Markup {
    html! {
        @for node in report.nodes() {
            section {
                h2 { "Node " (node) }
                @for check in report.of_node(node) { (check_row(check, "")) }
            }
        }
    }
}

/// One check: a line to read, its evidence below it.
fn check_row(check: &CheckReport, prefix: &str) -> Markup {
    html! {
        details class=(class(check.status)) id=(anchor(prefix, check)) {
            summary {
                (badge(check.status))
                span.claim {
                    (check.title)
                    " "
                    code { (check.name) }
                }
                span.time { (seconds(check.seconds)) }
                span.found { (check.message) }
            }
            @if check.evidence.is_empty() {
                p.nothing { "Nothing more was observed." }
            } @else {
                dl {
                    @for (place, evidence) in check.evidence.iter().enumerate() {
                        @if place == 0 || check.evidence[place - 1].label != evidence.label {
                            dt { (evidence.label) }
                        }
                        dd { pre { (evidence.text) } }
                    }
                }
            }
        }
    }
}

/// Shape and word, not colour alone.
fn badge(status: Status) -> Markup {
    let (mark, word) = match status {
        Status::Pass => ("✓", "passed"),
        Status::Fail => ("✗", "failed"),
        Status::Skipped => ("–", "skipped"),
    };
    html! { span.mark { span aria-hidden="true" { (mark) } span.word { (word) } } }
}

fn class(status: Status) -> &'static str {
    match status {
        Status::Pass => "pass",
        Status::Fail => "fail",
        Status::Skipped => "skip",
    }
}

/// An id from whatever names there are: what is no letter, digit or `-` becomes its code.
fn anchor(prefix: &str, check: &CheckReport) -> String {
    let mut id = format!("{prefix}c-");
    let parts = [
        check.name.as_str(),
        check.node.as_deref().unwrap_or(&check.title),
    ];
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 {
            id.push('_');
        }
        for character in part.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => id.push(character),
                other => id.push_str(&format!(".{:x}.", u32::from(other))),
            }
        }
    }
    id
}

fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 0.1 => format!("{s:.1} s"),
        s => format!("{:.0} ms", s * 1000.0),
    }
}

/// `2026-01-02T03:04:05.678Z` as `2026-01-02 03:04:05 UTC`; anything else as it is.
fn moment(started: &str) -> String {
    match (started.split_once('T'), started.ends_with('Z')) {
        (Some((day, time)), true) => {
            let time = time.split(['.', 'Z']).next().unwrap_or_default();
            format!("{day} {time} UTC")
        }
        _ => started.to_owned(),
    }
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
