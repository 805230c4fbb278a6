use scraper::{Html, Selector};

use super::*;
use crate::check::Outcome;

const NASTY: &str = "</pre><script>alert(1)</script>\" onload='x' &amp; ]]> \u{1b}[31m";

fn report() -> Report {
    let mut report = Report::new(
        "docker-registry:5000".into(),
        "docker-registry:5000/kreg/verify@sha256:0".into(),
        "2026-01-02T03:04:05.678Z".into(),
    );
    let check = |name: &str, title: &str, node: Option<&str>, outcome: Outcome| {
        CheckReport::new(name, title, node, outcome, 0.25)
    };
    report.checks = vec![
        check(
            "tls",
            "the certificate is good",
            None,
            Outcome::pass("valid"),
        ),
        check(
            "login",
            "the user gets in",
            None,
            Outcome::skipped("left out"),
        ),
        check("user", NASTY, None, Outcome::fail(NASTY).with(NASTY, NASTY)),
        check(
            "node-route",
            "n1 is on the way",
            Some("n1"),
            Outcome::pass("reached"),
        ),
        check(
            "node-route",
            "n2 is on the way",
            Some("n2.example"),
            Outcome::pass("reached"),
        ),
        check(
            "node-pull",
            "n1 pulls",
            Some("n1"),
            Outcome::pass("pulled").with("event", "Pulled"),
        ),
        check(
            "node-pull",
            "n2 pulls",
            Some("n2.example"),
            Outcome::fail("x509"),
        ),
    ];
    report.conclude(4.2);
    report
}

fn texts(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    let found = page.select(&selector);
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<String>();
    found
        .map(|element| {
            text(element)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

#[test]
fn the_page_is_html5_without_an_error_and_refers_to_nothing_outside() {
    let text = report().to_html();
    let page = Html::parse_document(&text);
    assert_eq!(page.errors, Vec::<String>::new());
    for outside in [
        "script", "link", "img", "iframe", "object", "form", "[src]", "[onload]",
    ] {
        assert_eq!(texts(&page, outside), Vec::<String>::new(), "{outside}");
    }
    let selector = Selector::parse("a[href]").unwrap();
    let links = page.select(&selector);
    let mut count = 0;
    for link in links {
        let id = link.attr("href").unwrap().strip_prefix('#').unwrap();
        let targets = texts(&page, &format!("[id=\"{id}\"]"));
        assert_eq!(targets.len(), 1, "{id}");
        count += 1;
    }
    assert_eq!(count, 4, "one for each cell");
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
}

#[test]
fn what_was_observed_is_text_and_nothing_else() {
    let page = Html::parse_document(&report().to_html());
    let shown = texts(&page, ".found");
    let wanted = NASTY.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(shown.iter().filter(|text| **text == wanted).count(), 2);
    assert_eq!(
        texts(&page, "pre")
            .iter()
            .filter(|text| **text == wanted)
            .count(),
        2
    );
    assert_eq!(
        texts(&page, "dt")
            .iter()
            .filter(|text| **text == wanted)
            .count(),
        2
    );
}

#[test]
fn the_matrix_has_a_row_a_node_and_a_column_a_check() {
    let page = Html::parse_document(&report().to_html());
    assert_eq!(
        texts(&page, "thead th"),
        ["Node", "node-route", "node-pull"]
    );
    assert_eq!(texts(&page, "tbody th"), ["n1", "n2.example"]);
    assert_eq!(
        texts(&page, "tbody td"),
        [
            "✓passed 0.2 s",
            "✓passed 0.2 s",
            "✓passed 0.2 s",
            "✗failed 0.2 s"
        ]
    );
    assert_eq!(
        texts(&page, ".counts li"),
        ["4 passed", "2 failed", "1 skipped"]
    );
    assert_eq!(texts(&page, "h1"), ["The proof does not hold."]);
    assert_eq!(texts(&page, "time"), ["2026-01-02 03:04:05 UTC"]);
    // Folded; what failed is told twice, once in its place.
    assert_eq!(texts(&page, "details").len(), 9);
    assert_eq!(texts(&page, "details[open]").len(), 0);
    assert_eq!(texts(&page, "h2")[..2], ["Every node", "What failed"]);
}

#[test]
fn a_good_report_says_so_and_shows_no_failures() {
    let mut report = report();
    report.checks.retain(|check| check.status == Status::Pass);
    report.conclude(4.2);
    let page = Html::parse_document(&report.to_html());
    assert_eq!(texts(&page, "h1"), ["The registry works."]);
    assert!(!texts(&page, "h2").contains(&"What failed".to_owned()));
    assert_eq!(
        texts(&page, "title"),
        ["docker-registry:5000 works · kreg verify"]
    );
}

#[test]
fn the_junit_document_is_read_back_by_another_reader() {
    let report = report();
    let xml = report.to_junit().unwrap();
    let read = junit_parser::from_reader(xml.as_bytes()).unwrap();
    assert_eq!((read.tests, read.failures, read.errors), (7, 2, 0));
    let suites: Vec<_> = read
        .suites
        .iter()
        .map(|suite| suite.name.as_str())
        .collect();
    assert_eq!(
        suites,
        ["docker-registry:5000", "node n1", "node n2.example"]
    );
    assert_eq!(
        read.suites[0].timestamp.as_deref(),
        Some("2026-01-02T03:04:05.678Z")
    );
    let cases = &read.suites[0].cases;
    assert_eq!(cases[0].original_name, "tls: the certificate is good");
    assert!(cases[0].status.is_success() && cases[1].status.is_skipped());
    assert_eq!(cases[0].system_out.as_deref(), Some("valid"));
    // Control characters cannot stand in XML 1.0; all else comes back as it was.
    let junit_parser::TestStatus::Failure(failure) = &cases[2].status else {
        panic!("{:?}", cases[2]);
    };
    assert!(
        failure.message.contains("</pre><script>alert(1)</script>"),
        "{failure:?}"
    );
    // This reader takes a text apart at each entity, so only its words can be looked for.
    assert!(failure.text.contains("alert(1)"), "{failure:?}");
    assert_eq!(read.suites[1].cases[1].time, 0.25);
}
