//! The tests that are left out of a plain `cargo test`: with real programs, containers, a cluster.
//!
//! `cargo test` runs one test program after the other. Most of these wait, so those that need the
//! cluster run in one lane, and all others in two more beside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::ClusterHandle;
use crate::e2e;
use crate::failure::{Failure, Result, Tried as _};
use crate::parts::Generation;
use crate::passed::{Passed, Subject};

use crate::process::{cargo_program, wait_at_most};
use crate::progress::say;

/// Crates whose tests make objects in the cluster: these see each other's.
const ON_THE_CLUSTER: [&str; 2] = ["kreg-k8s", "kreg-verify"];

/// An older Kubernetes is built for its own tests alone: `cargo xtask test --kubernetes 1.20`.
const BUT_OLD: [&str; 2] = ["--skip", "1_20"];

/// A program of tests that runs longer hangs: the longest takes half of this on a busy machine.
const LONGEST: Duration = Duration::from_secs(25 * 60);

/// A program of tests, as cargo built it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestProgram {
    file: PathBuf,
    /// The folder of its crate, where cargo would run it.
    folder: PathBuf,
    target: String,
}

impl TestProgram {
    /// `kreg-nodes kill`.
    fn name(&self) -> String {
        format!("{} {}", self.package(), self.target)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Tests {
            package: self.package(),
            target: &self.target,
        }
    }

    fn package(&self) -> &str {
        let name = self.folder.file_name().and_then(OsStr::to_str);
        name.unwrap_or_default()
    }
}

/// The programs of tests among the messages of `cargo test --no-run --message-format=json`.
pub(crate) fn programs(messages: &str) -> Vec<TestProgram> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["profile"]["test"] == Value::Bool(true))
        .filter_map(|message| {
            let manifest = Path::new(message["manifest_path"].as_str()?);
            Some(TestProgram {
                file: message["executable"].as_str()?.into(),
                folder: manifest.parent()?.to_path_buf(),
                target: message["target"]["name"].as_str()?.to_owned(),
            })
        })
        .collect()
}

/// Runs the tests of kreg-k8s, and those of the parts of this generation.
pub(crate) fn run_of_generation(
    programs: Vec<TestProgram>,
    cluster: &ClusterHandle,
    generation: Generation,
) -> Result<()> {
    some(&programs)?;
    let name = generation.in_names("_");
    let failed = programs
        .iter()
        .filter_map(|program| match program.package() {
            "kreg-k8s" => Some((program, vec![])),
            "xtask" => Some((program, vec![name.as_str()])),
            _ => None,
        })
        .filter_map(|(program, chosen)| ignored_tests(program, &chosen, cluster).err());
    none(failed.collect())
}

/// Those that have not passed before, and the names of the others.
pub(crate) fn still_to_run(
    programs: Vec<TestProgram>,
    passed: &Passed,
) -> Result<(Vec<TestProgram>, Vec<String>)> {
    some(&programs)?;
    let (old, new): (Vec<_>, Vec<_>) = programs
        .into_iter()
        .partition(|program| passed.before(program.subject()));
    Ok((new, old.iter().map(TestProgram::name).collect()))
}

/// Runs the ignored tests of all of these; what each prints stays together.
pub(crate) fn run(
    programs: Vec<TestProgram>,
    cluster: &ClusterHandle,
    passed: &Passed,
) -> Result<()> {
    let (on_cluster, others): (Vec<_>, Vec<_>) = programs
        .into_iter()
        .partition(|program| ON_THE_CLUSTER.contains(&program.package()));
    let (on_cluster, others) = (Mutex::new(on_cluster), Mutex::new(others));
    let lane = |waiting: &Mutex<Vec<TestProgram>>| {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let failed = std::iter::from_fn(next).filter_map(|program| {
            ignored_tests(&program, &BUT_OLD, cluster)
                .and_then(|()| passed.note(program.subject()))
                .err()
        });
        failed.collect::<Vec<_>>()
    };
    let start = Instant::now();
    let failed: Vec<Failure> = std::thread::scope(|scope| {
        let lanes =
            [&on_cluster, &others, &others].map(|waiting| scope.spawn(move || lane(waiting)));
        let ended = lanes.into_iter().flat_map(|lane| {
            lane.join()
                .unwrap_or_else(|_| vec![Failure::new("run tests", "a lane of them panicked")])
        });
        ended.collect()
    });
    say(format!(
        "tests with real parts: {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    none(failed)
}

/// No program at all would pass every time.
fn some(programs: &[TestProgram]) -> Result<()> {
    match programs {
        [] => Err(Failure::new(
            "run the tests with real parts",
            "cargo named no program of tests",
        )),
        _ => Ok(()),
    }
}

/// One failure out of all.
fn none(mut failed: Vec<Failure>) -> Result<()> {
    match failed.len() {
        0 => Ok(()),
        1 => Err(failed.remove(0)),
        _ => {
            let all: Vec<_> = failed.iter().map(ToString::to_string).collect();
            Err(Failure::new(
                "pass the tests with real parts",
                all.join("\n"),
            ))
        }
    }
}

fn ignored_tests(program: &TestProgram, chosen: &[&str], cluster: &ClusterHandle) -> Result<()> {
    let name = program.name();
    let start = Instant::now();
    let why = || format!("run the tests of {name}");
    let kept = tempfile::NamedTempFile::new().tried(why)?;
    // One file for both, so that a panic stands where it happened.
    let mut running = Command::new(&program.file)
        .arg("--ignored")
        .args(chosen)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .env("CARGO", cargo_program())
        .env("KUBECONFIG", &cluster.kubeconfig)
        .env("KUBECTL", cluster.state.join("kubectl"))
        .stdin(Stdio::null())
        .stdout(kept.as_file().try_clone().tried(why)?)
        .stderr(kept.as_file().try_clone().tried(why)?)
        .spawn()
        .tried(why)?;
    let status = wait_at_most(&mut running, LONGEST).tried(why)?;
    let told = std::fs::read_to_string(kept.path()).tried(why)?;
    if !told.contains("\nrunning 0 tests\n") {
        let seconds = start.elapsed().as_secs_f64();
        e2e::print(&format!("{name}, {seconds:.1} s:\n{}", told.trim()));
    }
    let ended = match status {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => format!("it did not end within {} s", LONGEST.as_secs()),
    };
    Err(Failure::new(why(), format!("{ended}{}", panics(&told)))
        .next(format!("look for `failures:` above, below `{name}`")))
}

/// Where a program of tests panicked, with the first of its words, a line each.
fn panics(told: &str) -> String {
    let mut lines = told.lines();
    let mut all = String::new();
    while let Some(line) = lines.next() {
        let head = line.strip_prefix("thread '");
        if let Some((_, place)) = head.and_then(|head| head.split_once(" panicked at ")) {
            let words = lines.next().unwrap_or_default().chars().take(300);
            all.extend(["\n        ", place, " "]);
            all.extend(words);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_cargo_built_only_programs_of_tests_are_run() {
        let messages = r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/kreg-nodes/Cargo.toml","target":{"name":"kill"},"profile":{"test":true},"executable":"/t/kill-1"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/kreg-nodes/Cargo.toml","target":{"name":"ssh_nodes"},"profile":{"test":false},"executable":"/t/ssh_nodes"}
{"reason":"compiler-artifact","manifest_path":"/w/crates/kreg-nodes/Cargo.toml","target":{"name":"kreg_nodes"},"profile":{"test":true},"executable":null}
{"reason":"build-finished","success":true}
not JSON"#;
        let found = programs(messages);
        let names: Vec<_> = found.iter().map(TestProgram::name).collect();
        assert_eq!(names, ["kreg-nodes kill"]);
        assert_eq!(found[0].folder, Path::new("/w/crates/kreg-nodes"));
    }

    #[test]
    fn of_a_panic_its_place_and_first_words_are_told() {
        let told = "running 1 test\n\nthread 'pulls' (7) panicked at tests/a.rs:3:5:\nnot pulled\nmore\n\
                    thread 'x' panicked at tests/b.rs:1:1:\n";
        assert_eq!(
            panics(told),
            "\n        tests/a.rs:3:5: not pulled\n        tests/b.rs:1:1: "
        );
        assert_eq!(panics("test result: ok"), "");
    }
}
