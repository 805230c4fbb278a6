//! A report for CI servers.

use std::fmt::Write as _;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{CheckReport, Report};
use crate::check::Status;

/// A report that could not be written as JUnit XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report as JUnit XML")]
pub struct JunitError(#[source] quick_junit::SerializeError);

impl Report {
    /// The report as JUnit XML, in the form that Jenkins, GitLab and others read: a suite for the
    /// registry, and one for each node.
    ///
    /// # Errors
    /// [`JunitError`] if the XML cannot be written.
    pub fn to_junit(&self) -> Result<String, JunitError> {
        write(self)
    }
}

fn write(report: &Report) -> Result<String, JunitError> {
    let mut document = Document::new("kreg verify");
    document.set_time(Duration::from_secs_f64(report.seconds));
    document.add_test_suite(suite(report, &report.registry, report.of_registry()));
    for node in report.nodes() {
        document.add_test_suite(suite(report, &format!("node {node}"), report.of_node(node)));
    }
    document.to_string().map_err(JunitError)
}

fn suite<'a>(
    report: &Report,
    name: &str,
    checks: impl Iterator<Item = &'a CheckReport>,
) -> TestSuite {
    let mut suite = TestSuite::new(name);
    let mut seconds = 0.0;
    for check in checks {
        seconds += check.seconds;
        suite.add_test_case(case(name, check));
    }
    suite.set_time(Duration::from_secs_f64(seconds));
    suite
        .extra
        .insert("timestamp".into(), report.started.as_str().into());
    suite.add_property(("registry", report.registry.as_str()));
    suite.add_property(("image", report.image.as_str()));
    suite
}

fn case(suite: &str, check: &CheckReport) -> TestCase {
    let mut status = match check.status {
        Status::Pass => TestCaseStatus::success(),
        Status::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Skipped => TestCaseStatus::skipped(),
    };
    if check.status != Status::Pass {
        status.set_message(check.message.as_str());
        status.set_type(check.name.as_str());
    }
    if check.status == Status::Fail {
        status.set_description(told(check));
    }
    let mut case = TestCase::new(format!("{}: {}", check.name, check.title), status);
    case.set_classname(suite);
    case.set_time(Duration::from_secs_f64(check.seconds));
    if check.status == Status::Pass {
        case.set_system_out(told(check));
    }
    case
}

/// What was found, and every observation below it.
fn told(check: &CheckReport) -> String {
    let mut text = check.message.clone();
    for evidence in &check.evidence {
        let _ = write!(text, "\n{}: {}", evidence.label, evidence.text);
    }
    text
}
