//! The lock of a node: with `flock` and without, held by programs that run, that were killed, and
//! that ran before the machine was restarted.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{CA, SHELLS, Tree, node, trust};
use kreg_nodes::{Answer, NodeProgram, NodeTransport as _, Output, State};

/// What the programs ask is answered as by a system without it.
const NO_FLOCK: &str = "command() { [ \"$2\" != flock ] && type \"$2\" >/dev/null 2>&1; }\n";

const BASE: &str = "/var/lib/kreg";

/// The names of the locks that are on the node.
fn locks(tree: &Tree) -> Vec<String> {
    let names = fs::read_dir(tree.at(BASE)).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".lock.")).collect()
}

fn run(tree: &Tree, shell: &[&str], before: &str) -> Output {
    let program = NodeProgram::agent(&trust(CA));
    let script = format!("{before}{}", program.script());
    let local = tree.local().shell(shell.iter().copied());
    local
        .run(&node(), &script, Duration::from_secs(60))
        .unwrap()
}

/// Whether a program that waits this long gets the lock. It leaves none behind.
fn comes_through(tree: &Tree, shell: &[&str], before: &str, seconds: u32) -> bool {
    let there = locks(tree);
    let output = run(tree, shell, &format!("{before}KREG_LOCK_WAIT={seconds}\n"));
    let answer = Answer::read(&output).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    match answer.state {
        State::Changed => {
            assert_eq!(locks(tree), [""; 0], "{shell:?}");
            true
        }
        _ => {
            assert_eq!(answer.step, "lock", "{shell:?}: {answer:?}");
            assert_eq!(locks(tree), there, "{shell:?}: {answer:?}");
            false
        }
    }
}

fn until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A program that stops under way, with the lock, until the file `go` is there.
const STOPS: &str = "mv() {\n  : >\"$KREG_ROOT/held\"\n  \
    until [ -e \"$KREG_ROOT/go\" ]; do sleep 0.05; done\n  /bin/mv \"$@\"\n}\n";

fn one_at_a_time(holder: &[&str], other: &[&str]) {
    for (held_with, asked_with) in [
        ("", NO_FLOCK),
        (NO_FLOCK, ""),
        ("", ""),
        (NO_FLOCK, NO_FLOCK),
    ] {
        let tree = Tree::new();
        thread::scope(|scope| {
            let held = scope.spawn(|| run(&tree, holder, &format!("{held_with}{STOPS}")));
            until(|| tree.at("/held").exists());
            let came = comes_through(&tree, other, asked_with, 0);
            fs::write(tree.at("/go"), "").unwrap();
            let held = Answer::read(&held.join().unwrap()).unwrap();
            assert!(
                !came,
                "{holder:?} {held_with:?} and {other:?} {asked_with:?} worked at the same time"
            );
            assert_eq!(held.state, State::Changed, "{held:?}");
        });
        assert_eq!(locks(&tree), [""; 0]);
    }
}

/// Many at once at a lock that was left behind. `mkdir` fails for a program that is not the only one.
fn no_two_take_what_was_left(shells: &[&[&str]], contenders: usize) {
    let program = format!(
        "{NO_FLOCK}KREG_LOCK_WAIT=6000\nsleep() {{ /bin/sleep 0.0\"$1\"; }}\nprogram=apply\ninstance=r\n{}\n{}\n\
         take_lock\nmkdir \"$root/alone\" || {{ echo together; exit 1; }}\n/bin/sleep 0.01\nrmdir \"$root/alone\"\nfinish\n",
        include_str!("../src/program/answer.sh"),
        include_str!("../src/program/lock.sh"),
    );
    let tree = Tree::new();
    fs::create_dir_all(tree.at(BASE)).unwrap();
    for boot in ["gone", "gone-too"] {
        fs::write(tree.at(BASE).join(format!(".lock.{boot}.1.1.1.1")), "").unwrap();
    }
    thread::scope(|scope| {
        for number in 0..contenders {
            let (tree, program) = (&tree, &program);
            scope.spawn(move || {
                let local = tree
                    .local()
                    .shell(shells[number % shells.len()].iter().copied());
                for _ in 0..4 {
                    let ran = local
                        .run(&node(), program, Duration::from_secs(120))
                        .unwrap();
                    assert_eq!(ran.status, Some(0), "{ran:?}");
                }
            });
        }
    });
    assert!(!tree.at(BASE).exists(), "{:?}", locks(&tree));
}

fn a_killed_program_locks_nobody_out(shell: &[&str]) {
    for flock in ["", NO_FLOCK] {
        let tree = Tree::new();
        let killed = run(&tree, shell, &format!("{flock}mv() {{ kill -9 $$; }}\n"));
        assert_eq!(killed.status, None, "{shell:?}: {killed:?}");
        assert_eq!(locks(&tree).len(), 1, "{shell:?}");
        assert!(comes_through(&tree, shell, flock, 0), "{shell:?}");
    }
}

/// Killed before it had a journal: undo takes its lock away and leaves nothing.
fn undo_takes_away_what_a_killed_program_left(shell: &[&str]) {
    let tree = Tree::new();
    let killed = run(&tree, shell, "flock() { kill -9 $$; }\ncommand() { :; }\n");
    assert_eq!(killed.status, None, "{shell:?}: {killed:?}");
    assert_eq!(locks(&tree).len(), 1, "{shell:?}");
    let local = tree.local().shell(shell.iter().copied());
    let undone = common::answer(&local, &node(), &NodeProgram::undo(&common::instance()));
    assert_eq!(undone.state, State::Unchanged, "{shell:?}: {undone:?}");
    assert!(!tree.at(BASE).exists(), "{shell:?}");
}

fn only_an_owner_that_is_gone_gives_way(shell: &[&str]) {
    let read = |path: &str| fs::read_to_string(path).unwrap();
    let boot = read("/proc/sys/kernel/random/boot_id").trim().to_owned();
    let up = read("/proc/uptime");
    let up: i64 = up.split('.').next().unwrap().parse().unwrap();
    let space = fs::read_link("/proc/self/ns/pid").unwrap();
    let space = space.to_str().unwrap();
    let space = space.trim_start_matches("pid:[").trim_end_matches(']');
    let pid = std::process::id();
    let stat = read("/proc/self/stat");
    let start = stat.rsplit(") ").next().unwrap();
    let start = start.split(' ').nth(19).unwrap();
    let long_ago = up - 1000;
    for (owner, wanted) in [
        // This process, and what had its number before it.
        (format!("{boot}.{space}.{pid}.{start}.{up}"), false),
        (format!("{boot}.{space}.{pid}.{start}.{long_ago}"), false),
        (format!("{boot}.{space}.{pid}.1.{up}"), true),
        // Nobody has such a number.
        (format!("{boot}.{space}.4194305.7.{up}"), true),
        // Of another boot, and of a Pod that cannot be seen.
        (format!("another.{space}.{pid}.{start}.{up}"), true),
        (format!("{boot}.1.{pid}.{start}.{up}"), false),
        (format!("{boot}.1.{pid}.{start}.{long_ago}"), true),
        // Where nothing can be known, and names that kreg does not give.
        (format!("-.-.{pid}.-.0"), false),
        ("x".to_owned(), false),
        (format!("{boot}.1.{pid}.{start}.up"), false),
    ] {
        let tree = Tree::new();
        fs::create_dir_all(tree.at(BASE)).unwrap();
        fs::write(tree.at(BASE).join(format!(".lock.{owner}")), "").unwrap();
        for flock in ["", NO_FLOCK] {
            let came = comes_through(&tree, shell, flock, 0);
            assert_eq!(came, wanted, "{shell:?}: {owner:?}");
            if came {
                break;
            }
        }
    }
}

/// Ended, and its parent has not looked yet: it holds nothing any more.
#[test]
fn an_owner_that_is_dead_and_not_buried_gives_way() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    until(|| stat().contains(") Z "));
    let fields = stat();
    let start = fields.rsplit(") ").next().unwrap().split(' ').nth(19);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = fs::read_link("/proc/self/ns/pid").unwrap();
    let space = space.to_str().unwrap();
    let space = space.trim_start_matches("pid:[").trim_end_matches(']');
    let name = format!(".lock.{}.{space}.{pid}.{}.1", boot.trim(), start.unwrap());
    let tree = Tree::new();
    fs::create_dir_all(tree.at(BASE)).unwrap();
    fs::write(tree.at(BASE).join(name), "").unwrap();
    assert!(comes_through(&tree, &["sh"], "", 0));
    child.wait().unwrap();
}

#[test]
fn programs_with_flock_and_without_exclude_each_other() {
    one_at_a_time(&["sh"], &["sh"]);
}

#[test]
fn no_two_programs_take_a_lock_that_was_left() {
    no_two_take_what_was_left(&[&["sh"]], 8);
}

#[test]
fn a_killed_program_locks_nobody_out_of_a_node() {
    a_killed_program_locks_nobody_out(&["sh"]);
    undo_takes_away_what_a_killed_program_left(&["sh"]);
}

#[test]
fn no_lock_is_taken_from_an_owner_that_is_there() {
    only_an_owner_that_is_gone_gives_way(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_locks_alike() {
    for (number, shell) in SHELLS.into_iter().enumerate() {
        one_at_a_time(shell, SHELLS[(number + 1) % SHELLS.len()]);
        a_killed_program_locks_nobody_out(shell);
        undo_takes_away_what_a_killed_program_left(shell);
        only_an_owner_that_is_gone_gives_way(shell);
    }
    no_two_take_what_was_left(&SHELLS, 16);
}
