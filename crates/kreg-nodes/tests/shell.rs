//! The node programs as shell text: judged by shellcheck, run by several shells, and compared
//! with the Rust code that says beforehand what they will do.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use common::{CA, SHELLS, Tree, answer, instance, node, plan, trust};
use kreg_nodes::hosts_file::Block;
use kreg_nodes::{LocalRoot, Marking, NodeProgram, ProbeRequest, State, StorageDir};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Every program, as it is sent to nodes.
fn programs() -> BTreeMap<&'static str, NodeProgram> {
    let storage = StorageDir::new("/tmp/repository").unwrap();
    let probe = ProbeRequest::new(&trust(CA)).with(["/etc/containerd/more/*.toml".to_owned()]);
    let restart = common::restart_plan(None);
    BTreeMap::from([
        ("restart", NodeProgram::restart(&restart).unwrap()),
        ("apply", NodeProgram::apply(&plan(&trust(CA)))),
        ("undo", NodeProgram::undo(&instance())),
        ("probe", NodeProgram::probe(&probe)),
        ("erase", NodeProgram::erase(&instance(), &storage)),
        (
            "mark",
            NodeProgram::mark(&instance(), &storage, Marking::Write),
        ),
        ("agent", NodeProgram::agent(&trust(CA))),
        ("watch", NodeProgram::watch()),
        ("receive", NodeProgram::receive()),
        ("ready", NodeProgram::ready()),
        ("pulse", NodeProgram::pulse()),
        (
            "vitals",
            NodeProgram::vitals(Some("10.96.0.50".parse().unwrap()), 5000),
        ),
    ])
}

#[test]
#[ignore = "needs shellcheck: run by cargo xtask test"]
fn shellcheck_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut found = String::new();
    for (name, program) in programs() {
        let file = folder.path().join(name);
        fs::write(&file, program.script()).unwrap();
        let ran = Command::new("shellcheck")
            .args(["--shell=sh", "--format=gcc"])
            .arg(&file)
            .output()
            .expect("shellcheck runs");
        assert!(ran.stderr.is_empty(), "{ran:?}");
        found += &String::from_utf8_lossy(&ran.stdout);
    }
    assert_eq!(found, "");
}

/// A file of lines that matter: others', kreg's own in and out of order, odd ends.
fn hosts_files() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "[ -~\t\r]{0,20}",
        1 => Just("# BEGIN kreg docker-registry".to_owned()),
        1 => Just("# END kreg docker-registry".to_owned()),
        1 => Just("10.0.0.1 docker-registry".to_owned()),
        1 => Just(
            "# BEGIN kreg docker-registry\n1.2.3.4 docker-registry\n# END kreg docker-registry"
                .to_owned()
        ),
        1 => "[\u{80}-\u{ff}\\\\%']{1,5}",
    ];
    let lines = prop::collection::vec((line, prop::bool::weighted(0.2)), 0..7);
    (lines, any::<bool>()).prop_map(|(lines, end)| {
        let text: Vec<String> = lines
            .into_iter()
            .map(|(line, cr)| line + if cr { "\r" } else { "" })
            .collect();
        let mut file = text.join("\n");
        if end && !file.is_empty() {
            file.push('\n');
        }
        file
    })
}

/// `apply` puts what `Block::put` says, or refuses where it refuses; `undo` brings the file
/// back to the byte.
fn agree_on_hosts(shell: &[&str], cases: u32) {
    let block = Block::new(
        &instance(),
        "10.96.0.50".parse().unwrap(),
        "docker-registry",
    );
    let apply = NodeProgram::apply(&plan(&trust(CA)));
    let undo = NodeProgram::undo(&instance());
    let mut config = Config::with_cases(cases);
    config.failure_persistence = None;
    let verdict = TestRunner::new(config).run(&hosts_files(), |file| {
        let file = file.into_bytes();
        let tree = Tree::with_hosts(&file);
        let local = tree.local().shell(shell.iter().copied());
        let applied = answer(&local, &node(), &apply);
        let now = tree.read("/etc/hosts");
        match block.put(&file) {
            Ok(wanted) => {
                prop_assert_eq!(
                    String::from_utf8_lossy(&now),
                    String::from_utf8_lossy(&wanted)
                );
                prop_assert_eq!(applied.state, State::Changed);
                // A block of kreg's name that no journal knows is kreg's all the same.
                let stripped = block.strip(&file).unwrap();
                let own = stripped != file;
                let undone = answer(&local, &node(), &undo);
                prop_assert_eq!(undone.state, State::Changed, "{:?}", undone);
                let now = tree.read("/etc/hosts");
                if own {
                    let kept = now == file || block.strip(&now).unwrap() == now;
                    prop_assert!(kept, "{:?}", String::from_utf8_lossy(&now));
                } else {
                    prop_assert_eq!(now, file);
                }
            }
            Err(e) => {
                prop_assert_eq!(now, file);
                prop_assert_eq!(applied.step.as_str(), "check", "{}", e);
                prop_assert!(
                    applied
                        .files
                        .iter()
                        .any(|f| f.path == "/etc/hosts" && f.detail.contains(&e.to_string())),
                    "{e}: {applied:?}"
                );
            }
        }
        Ok(())
    });
    if let Err(e) = verdict {
        panic!("{shell:?}: {e}");
    }
}

#[test]
fn apply_and_the_plan_agree_on_the_hosts_file() {
    agree_on_hosts(&["sh"], 24);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_agrees_on_the_hosts_file() {
    for shell in SHELLS {
        agree_on_hosts(shell, 16);
    }
}

#[test]
fn a_hosts_file_with_a_zero_byte_is_left_alone() {
    let tree = Tree::with_hosts(b"127.0.0.1 local\0host\n");
    let applied = answer(
        &tree.local(),
        &node(),
        &NodeProgram::apply(&plan(&trust(CA))),
    );
    assert_eq!(
        (applied.state, applied.step.as_str()),
        (State::Failed, "check")
    );
    assert_eq!(tree.read("/etc/hosts"), b"127.0.0.1 local\0host\n");
}

#[test]
fn a_root_that_is_not_there_is_said_by_the_programs_answer() {
    let local = LocalRoot::new("/nonexistent/root");
    let undone = answer(&local, &node(), &NodeProgram::undo(&instance()));
    assert_eq!(
        (undone.state, undone.step.as_str()),
        (State::Failed, "root")
    );
}
