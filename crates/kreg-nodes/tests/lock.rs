//! The lock of nodes without `flock`: a directory, which outlives an owner that is killed.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::time::Duration;

use common::{CA, SHELLS, Tree, node, trust};
use kreg_nodes::{Answer, NodeProgram, NodeTransport as _, Output, State};

/// What the programs ask is answered as by a system without it.
const NO_FLOCK: &str = "command() { [ \"$2\" != flock ] && type \"$2\" >/dev/null 2>&1; }\n";

const LOCK: &str = "/var/lib/kreg/lock";

fn run(tree: &Tree, shell: &[&str], before: &str) -> Output {
    let program = NodeProgram::agent(&trust(CA));
    let script = format!("{NO_FLOCK}{before}{}", program.script());
    let local = tree.local().shell(shell.iter().copied());
    local
        .run(&node(), &script, Duration::from_secs(60))
        .unwrap()
}

/// Whether a look with so much patience comes through, which leaves no lock behind.
fn comes_through(tree: &Tree, shell: &[&str], seconds: u32) -> bool {
    let output = run(tree, shell, &format!("KREG_LOCK_WAIT={seconds}\n"));
    let answer = Answer::read(&output).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    match answer.state {
        State::Changed => {
            assert!(!tree.at(LOCK).exists(), "{shell:?}");
            true
        }
        _ => {
            assert_eq!(answer.step, "lock", "{shell:?}: {answer:?}");
            false
        }
    }
}

fn a_killed_agent_locks_nobody_out(shell: &[&str]) {
    let tree = Tree::new();
    let killed = run(&tree, shell, "mv() { kill -9 $$; }\n");
    assert_eq!(killed.status, None, "{shell:?}: {killed:?}");
    assert!(tree.at(LOCK).join("owner").exists(), "{shell:?}");
    assert!(comes_through(&tree, shell, 0), "{shell:?}");
}

/// A lock of that owner: does it give way?
fn gives_way(owner: &str, shell: &[&str], seconds: u32) -> bool {
    let tree = Tree::new();
    fs::create_dir_all(tree.at(LOCK)).unwrap();
    if !owner.is_empty() {
        fs::write(tree.at(LOCK).join("owner"), format!("{owner}\n")).unwrap();
    }
    comes_through(&tree, shell, seconds)
}

fn only_an_owner_that_is_gone_gives_way(shell: &[&str]) {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let boot = read("/proc/sys/kernel/random/boot_id").trim().to_owned();
    let up: i64 = read("/proc/uptime")
        .split('.')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let space = fs::read_link("/proc/self/ns/pid").unwrap();
    let space = space.display();
    let pid = std::process::id();
    let stat = read("/proc/self/stat");
    let start = stat.rsplit(") ").next().unwrap();
    let start = start.split(' ').nth(19).unwrap();
    let long_ago = up - 1000;
    for (owner, wanted) in [
        // This process, and what had its number before it.
        (format!("{boot} {up} {space} {pid} {start}"), false),
        (format!("{boot} {long_ago} {space} {pid} {start}"), false),
        (format!("{boot} {up} {space} {pid} 1"), true),
        // Nobody has such a number.
        (format!("{boot} {up} {space} 4194305 7"), true),
        // Of another boot, and of a Pod that cannot be seen.
        (format!("another {up} {space} {pid} {start}"), true),
        (format!("{boot} {up} pid:[1] {pid} {start}"), false),
        (format!("{boot} {long_ago} pid:[1] {pid} {start}"), true),
        // Where nothing can be known, and of whom nothing is known yet.
        (format!("- 0 - {pid} -"), false),
        (String::new(), false),
    ] {
        assert_eq!(gives_way(&owner, shell, 0), wanted, "{shell:?}: {owner:?}");
    }
}

#[test]
fn a_killed_agent_locks_nobody_out_of_a_node() {
    a_killed_agent_locks_nobody_out(&["sh"]);
}

#[test]
fn no_lock_is_taken_from_an_owner_that_is_there() {
    only_an_owner_that_is_gone_gives_way(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_tells_owners_that_are_gone() {
    for shell in SHELLS {
        a_killed_agent_locks_nobody_out(shell);
        only_an_owner_that_is_gone_gives_way(shell);
    }
    // Killed before it said whose the lock is: ten looks are patience enough.
    assert!(gives_way("", &["dash"], 20));
}
