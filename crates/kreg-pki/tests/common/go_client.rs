//! The verdict of Go's libraries, by the small programs in `tests/go`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::case::Case;

pub(crate) fn verdicts(cases: &[Case], scratch: &Path) -> Vec<Option<String>> {
    let input: Vec<_> = cases.iter().map(Case::to_json).collect();
    let reasons: Vec<String> = ask(".", &input, scratch);
    let some = |reason: String| Some(reason).filter(|reason| !reason.is_empty());
    reasons.into_iter().map(some).collect()
}

/// Builds the program in that folder of `tests/go` and gives it `input` as JSON.
pub(crate) fn ask<I: Serialize, O: DeserializeOwned>(folder: &str, input: &I, scratch: &Path) -> O {
    let program = scratch.join("go-judge");
    let built = Command::new("go")
        // As the programs of the test cluster are built, flag for flag: Go's own packages are
        // compiled once.
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-gcflags", "all=-dwarf=false", "-o"])
        .arg(&program)
        .arg(folder)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go"))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
        .output()
        .expect("the `go` command is needed for this test");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = serde_json::to_vec(input).unwrap();
    child.stdin.take().unwrap().write_all(&text).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
