//! The journals of a node: a damaged one, and those of registries that share directories and a
//! runtime's configuration.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{CA, OTHER_CA, SHELLS, Tree, answer, look, node};
use kreg_nodes::{
    Answer, FileStatus, Fleet, InstanceId, LocalRoot, NameMode, NodeProgram, State, Trust,
};

const CONFIG: &str = "/etc/containerd/config.toml";
/// A configuration that looks nowhere, with a last line that is not ended.
const SILENT: &str = "# ours\nversion = 2\n# the end";
const JOURNALS: &str = "/var/lib/kreg";

fn id(name: &str) -> InstanceId {
    InstanceId::new(name).unwrap()
}

/// The trust of a registry of that name.
fn registry(name: &str) -> Trust {
    Trust::new(id(name), format!("{name}:5000").parse().unwrap(), CA)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
        .with_names(NameMode::HostsFile)
        .with_docker_certs_d(true)
}

fn up(local: &LocalRoot, trust: &Trust) {
    let plan = Fleet::new(local)
        .plan(&[node()], trust)
        .remove(0)
        .result
        .unwrap();
    if let Some(restart) = NodeProgram::restart(&plan) {
        let ran = answer(local, &node(), &restart);
        assert_eq!(ran.state, State::Changed, "{ran:?}");
    }
    let ran = answer(local, &node(), &NodeProgram::apply(&plan));
    assert_eq!(ran.state, State::Changed, "{ran:?}");
}

fn down(local: &LocalRoot, name: &str) -> Answer {
    answer(local, &node(), &NodeProgram::undo(&id(name)))
}

fn entries(tree: &Tree, name: &str) -> Vec<String> {
    let folder = tree.at(JOURNALS).join(name);
    let names = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The entry of `path` in the journal of `name`.
fn entry(tree: &Tree, name: &str, path: &str) -> std::path::PathBuf {
    let folder = tree.at(JOURNALS).join(name);
    let found = entries(tree, name)
        .into_iter()
        .map(|number| folder.join(number));
    found
        .filter(|entry| entry.join("entry").exists())
        .find(|entry| {
            fs::read_to_string(entry.join("entry"))
                .unwrap()
                .lines()
                .nth(2)
                == Some(path)
        })
        .unwrap_or_else(|| panic!("{path} is not in the journal of {name}"))
}

const HOSTS_TOML: &str = "/etc/containerd/certs.d/a:5000/hosts.toml";

fn a_damaged_entry_is_told_and_kept(shell: &[&str]) {
    for damage in [
        "",
        "file\n",
        "file\nabsent\n",
        "other\nabsent\n/etc/x\n",
        "file\nabsent\netc\n",
        "file\nabsent\n/etc/x",
    ] {
        let tree = Tree::new();
        let local = tree.local().shell(shell.iter().copied());
        up(&local, &registry("a"));
        let damaged = entry(&tree, "a", HOSTS_TOML);
        fs::write(damaged.join("entry"), damage).unwrap();
        let named = damaged
            .strip_prefix(tree.path())
            .unwrap()
            .display()
            .to_string();

        // Who looks, who writes, and who takes back: each says so.
        for wanted in [registry("a"), registry("a").with_adopt(true)] {
            let seen = Fleet::new(&local).status(&[node()], &wanted).remove(0);
            assert_eq!(seen.state, State::Refused, "{shell:?} {damage:?}: {seen}");
            assert!(seen.to_string().contains(&named), "{seen}");
        }
        let before = look(&tree);
        let decided = answer(&local, &node(), &NodeProgram::agent(&registry("a")));
        let plan = common::plan(&registry("a"));
        let applied = answer(&local, &node(), &NodeProgram::apply(&plan));
        for ran in [decided, applied] {
            assert_eq!(
                (ran.state, ran.step.as_str()),
                (State::Dirty, "journal"),
                "{shell:?} {damage:?}: {ran:?}"
            );
            assert!(format!("/{named}") == ran.files[0].path, "{ran:?}");
        }
        assert_eq!(look(&tree), before);
        for _ in 0..2 {
            let undone = down(&local, "a");
            assert_eq!(
                undone.state,
                State::Dirty,
                "{shell:?} {damage:?}: {undone:?}"
            );
            let told = undone
                .files
                .iter()
                .find(|file| file.path.ends_with(&named))
                .unwrap();
            assert_eq!(told.status, FileStatus::Dirty);
            assert!(told.detail.contains("remove"), "{told:?}");
            assert!(damaged.join("after").exists() && tree.at(HOSTS_TOML).exists());
        }
        // What it says to do helps.
        fs::remove_file(tree.at(HOSTS_TOML)).unwrap();
        fs::remove_dir_all(&damaged).unwrap();
        assert_eq!(down(&local, "a").state, State::Changed);
        assert!(!tree.at(JOURNALS).exists() && !tree.at("/etc/containerd/certs.d").exists());
    }
}

/// A run that was cut off before its entry was complete had changed nothing.
fn an_entry_that_was_never_complete_goes(shell: &[&str]) {
    let tree = Tree::new();
    let local = tree.local().shell(shell.iter().copied());
    let before = look(&tree);
    let entry = tree.at(JOURNALS).join("a/1001");
    fs::create_dir_all(&entry).unwrap();
    fs::write(entry.join("before"), "x").unwrap();
    fs::write(entry.join("next"), "y").unwrap();
    assert_eq!(down(&local, "a").state, State::Unchanged, "{shell:?}");
    assert_eq!(look(&tree), before);
}

/// Every order in which registries that share directories come and go.
fn no_directory_is_left(shell: &[&str]) {
    for orders in [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "b", "a"],
        ["b", "a", "c"],
    ] {
        for bare in [false, true] {
            let tree = Tree::new();
            if bare {
                fs::remove_dir_all(tree.at("/var")).unwrap();
            }
            let local = tree.local().shell(shell.iter().copied());
            let before = look(&tree);
            for name in ["a", "b", "c"] {
                up(&local, &registry(name));
            }
            for (number, name) in orders.into_iter().enumerate() {
                let undone = down(&local, name);
                assert_eq!(undone.state, State::Changed, "{undone:?}");
                // Those that stay still work, and have nothing to do.
                for left in &orders[number + 1..] {
                    let seen = Fleet::new(&local)
                        .status(&[node()], &registry(left))
                        .remove(0);
                    assert_eq!(seen.state, State::Unchanged, "{shell:?} {orders:?}: {seen}");
                }
            }
            assert_eq!(look(&tree), before, "{shell:?} {orders:?}");
        }
    }
}

/// What one registry hands over does not stop the other from changing: its files move, and it goes on
/// numbering its entries.
fn a_registry_that_was_handed_something_changes(shell: &[&str]) {
    let tree = Tree::new();
    let local = tree.local().shell(shell.iter().copied());
    let before = look(&tree);
    up(&local, &registry("a"));
    up(&local, &registry("b"));
    assert_eq!(down(&local, "a").state, State::Changed);
    assert!(
        entries(&tree, "b")
            .iter()
            .any(|number| number.starts_with('0')),
        "{:?}",
        entries(&tree, "b")
    );
    let without_docker = Trust::new(id("b"), "b:5000".parse().unwrap(), OTHER_CA)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap());
    up(&local, &without_docker);
    assert!(!tree.at("/etc/docker").exists());
    up(&local, &registry("b"));
    assert!(tree.at("/etc/docker/certs.d/b:5000/ca.crt").exists());
    assert_eq!(down(&local, "b").state, State::Changed);
    assert_eq!(look(&tree), before, "{shell:?}");
}

/// Shims for a containerd that is well.
fn well() -> tempfile::TempDir {
    let shims = tempfile::tempdir().unwrap();
    for name in ["systemctl", "crictl", "journalctl"] {
        let path = shims.path().join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    shims
}

fn with_shims(tree: &Tree, shims: &Path, shell: &[&str]) -> LocalRoot {
    let path = std::env::var("PATH").unwrap();
    let local = tree.local().shell(shell.iter().copied());
    local.env("PATH", format!("{}:{path}", shims.display()))
}

fn config_stays_while_it_is_needed(shell: &[&str]) {
    let shims = well();
    for first in ["a", "b", "c"] {
        let tree = Tree::new();
        fs::write(tree.at(CONFIG), SILENT).unwrap();
        fs::set_permissions(tree.at(CONFIG), fs::Permissions::from_mode(0o640)).unwrap();
        let before = look(&tree);
        let local = with_shims(&tree, shims.path(), shell);
        let restart = NodeProgram::restart(&common::restart_plan(Some(SILENT))).unwrap();
        let text = restart.script().replace("docker-registry", "a");
        let ran = kreg_nodes::NodeTransport::run(
            &local,
            &node(),
            &text,
            std::time::Duration::from_secs(60),
        );
        let ran = Answer::read(&ran.unwrap()).unwrap();
        assert_eq!(ran.state, State::Changed, "{ran:?}");
        let set = tree.read(CONFIG);
        for name in ["a", "b", "c"] {
            up(&local, &registry(name));
        }
        let rest = ["a", "b", "c"].into_iter().filter(|name| *name != first);
        let order: Vec<&str> = [first].into_iter().chain(rest).collect();
        for (number, name) in order.iter().enumerate() {
            let undone = down(&local, name);
            assert_eq!(
                undone.state,
                State::Changed,
                "{shell:?} {order:?}: {undone:?}"
            );
            if number < 2 {
                assert!(
                    tree.read(CONFIG) == set,
                    "{shell:?} {order:?}: gone with {name}"
                );
                let config = undone.files.iter().find(|file| file.path == CONFIG);
                if let Some(file) = config {
                    assert_eq!(file.status, FileStatus::Unchanged, "{file:?}");
                    assert!(file.detail.contains("still needs it"), "{file:?}");
                }
                for left in &order[number + 1..] {
                    let seen = Fleet::new(&local)
                        .status(&[node()], &registry(left))
                        .remove(0);
                    assert_eq!(seen.state, State::Unchanged, "{shell:?} {order:?}: {seen}");
                }
            }
        }
        assert_eq!(look(&tree), before, "{shell:?} {order:?}");
    }
}

/// A registry that does not read containerd's directory needs none of its settings.
fn config_goes_where_nobody_needs_it(shell: &[&str]) {
    let shims = well();
    let tree = Tree::new();
    fs::write(tree.at(CONFIG), SILENT).unwrap();
    let local = with_shims(&tree, shims.path(), shell);
    let restart = NodeProgram::restart(&common::restart_plan(Some(SILENT))).unwrap();
    assert_eq!(answer(&local, &node(), &restart).state, State::Changed);
    let other = tree.at(JOURNALS).join("b/1001");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("entry"), "hosts\nfile\n/etc/hosts\n").unwrap();
    let undone = answer(&local, &node(), &NodeProgram::undo(&common::instance()));
    assert_eq!(undone.state, State::Changed, "{undone:?}");
    assert_eq!(tree.read(CONFIG), SILENT.as_bytes());
}

/// A runtime that does not come back goes back to its old configuration, even if another registry needs the new one.
fn a_failed_restart_hands_nothing_over(shell: &[&str]) {
    let shims = well();
    let systemctl = shims.path().join("systemctl");
    fs::write(
        &systemctl,
        "#!/bin/sh\ncase $1 in restart) ! grep -q certs.d \"$CONFIG\" ;; esac\n",
    )
    .unwrap();
    let tree = Tree::new();
    let local = with_shims(&tree, shims.path(), shell);
    up(&local, &registry("b"));
    fs::write(tree.at(CONFIG), SILENT).unwrap();
    let local = local
        .env("CONFIG", tree.at(CONFIG).display().to_string())
        .env("KREG_RESTART_WAIT", "2");
    let restart = NodeProgram::restart(&common::restart_plan(Some(SILENT))).unwrap();
    let ran = answer(&local, &node(), &restart);
    assert_eq!(
        (ran.state, ran.step.as_str()),
        (State::Failed, "restart"),
        "{ran:?}"
    );
    assert_eq!(tree.read(CONFIG), SILENT.as_bytes());
}

fn all(shell: &[&str]) {
    an_entry_that_was_never_complete_goes(shell);
    a_registry_that_was_handed_something_changes(shell);
    config_stays_while_it_is_needed(shell);
    config_goes_where_nobody_needs_it(shell);
    a_failed_restart_hands_nothing_over(shell);
}

#[test]
fn a_damaged_journal_is_told_and_kept() {
    a_damaged_entry_is_told_and_kept(&["sh"]);
}

#[test]
fn registries_that_share_directories_leave_none() {
    no_directory_is_left(&["sh"]);
}

#[test]
fn what_registries_share_stays_until_the_last_one_goes() {
    all(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn every_shell_keeps_its_journals_alike() {
    for shell in SHELLS {
        a_damaged_entry_is_told_and_kept(shell);
        no_directory_is_left(shell);
        all(shell);
    }
}
