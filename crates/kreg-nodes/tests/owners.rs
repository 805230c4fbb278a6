//! Whose journal it is: registries of one name with different ids, and journals that an earlier kreg wrote.
//!
//! `recorded/*.json` holds nodes as kreg 0.1.0 of 30 November 2026 left them, before journals held an id:
//! what was there before it (`before`) and after its `kreg up` (`after`). `default` and `tutorial` are set
//! up over SSH, `tutorial` with a file that was there before (`--adopt`), `agents` by an agent.
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
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{CA, OTHER_CA, SHELLS, Tree, answer, look, node};
use kreg_nodes::{
    Answer, Fleet, InstanceId, LocalRoot, NodeProgram, RefusalKind, RegistryId, State, Trust,
};
use serde::Deserialize;

const NAME: &str = "docker-registry";
const JOURNAL: &str = "/var/lib/kreg/docker-registry";
const ID: &str = "11111111111111111111111111111111";
const OTHER: &str = "22222222222222222222222222222222";

fn named() -> InstanceId {
    InstanceId::new(NAME).unwrap()
}

fn of(id: &str) -> InstanceId {
    named().with_id(RegistryId::new(id).unwrap())
}

fn trust(instance: InstanceId, ca: &str) -> Trust {
    Trust::new(instance, "docker-registry:5000".parse().unwrap(), ca)
        .unwrap()
        .with_endpoint("10.96.0.50".parse().unwrap())
}

/// By the plan, as over SSH; `Err` holds why it is refused.
fn planned(local: &LocalRoot, trust: &Trust) -> Result<Answer, String> {
    let plan = Fleet::new(local).plan(&[node()], trust).remove(0);
    match plan.result {
        Ok(plan) => Ok(answer(local, &node(), &NodeProgram::apply(&plan))),
        Err(receipt) => {
            assert_eq!(receipt.state, State::Refused);
            Err(receipt.reason.clone().unwrap())
        }
    }
}

fn undo(local: &LocalRoot, instance: &InstanceId) -> Answer {
    answer(local, &node(), &NodeProgram::undo(instance))
}

fn agent(local: &LocalRoot, trust: &Trust) -> Answer {
    answer(local, &node(), &NodeProgram::agent(trust))
}

fn holder(tree: &Tree) -> String {
    fs::read_to_string(tree.at(JOURNAL).join("id")).unwrap_or_default()
}

/// Neither plan, program, agent nor undo of another id changes anything.
fn another_of_the_name_changes_nothing(shell: &[&str]) {
    let tree = Tree::new();
    let local = tree.local().shell(shell.iter().copied());
    let empty = look(&tree);
    let ours = planned(&local, &trust(of(ID), CA)).unwrap();
    assert_eq!(ours.state, State::Changed, "{ours:?}");
    assert_eq!(holder(&tree), format!("{ID}\n"));
    let held = look(&tree);

    let theirs = trust(of(OTHER), OTHER_CA);
    let why = planned(&local, &theirs).unwrap_err();
    assert!(
        why.contains(JOURNAL) && why.contains(ID) && why.contains(OTHER),
        "{why}"
    );
    // A plan that was made before the other registry came.
    let early = common::plan(&theirs);
    let late = answer(&local, &node(), &NodeProgram::apply(&early));
    assert_eq!(late.state, State::Failed, "{late:?}");
    assert!(late.files.last().unwrap().detail.contains(ID), "{late:?}");
    let late = agent(&local, &theirs);
    assert!(
        matches!(late.state, State::Failed | State::Refused),
        "{late:?}"
    );
    for other in [of(OTHER), of(NAME)] {
        let left = undo(&local, &other);
        assert_eq!(left.state, State::Unchanged, "{left:?}");
        assert!(left.files.last().unwrap().detail.contains(ID), "{left:?}");
    }
    assert_eq!(look(&tree), held);

    let gone = undo(&local, &of(ID));
    assert_eq!(gone.state, State::Changed, "{gone:?}");
    assert_eq!(look(&tree), empty);
}

/// Taken over, the files follow the new registry, and its undo brings back what was there before both.
fn what_is_adopted_goes_back_to_the_first_state(shell: &[&str]) {
    for by_agent in [false, true] {
        let tree = Tree::new();
        let local = tree.local().shell(shell.iter().copied());
        let empty = look(&tree);
        planned(&local, &trust(of(ID), CA)).unwrap();
        let theirs = trust(of(OTHER), OTHER_CA).with_adopt(true);
        let taken = match by_agent {
            true => agent(&local, &theirs),
            false => planned(&local, &theirs).unwrap(),
        };
        assert_eq!(taken.state, State::Changed, "{taken:?}");
        assert_eq!(holder(&tree), format!("{OTHER}\n"));
        let ca = tree.read("/etc/containerd/certs.d/docker-registry:5000/ca.crt");
        assert_eq!(ca, OTHER_CA.as_bytes());
        assert_eq!(undo(&local, &of(OTHER)).state, State::Changed);
        assert_eq!(look(&tree), empty);
    }
}

/// Without a record nobody knows the id: the operator who says `untrust` means what is there.
fn an_undo_without_an_id_takes_back_any(shell: &[&str]) {
    let tree = Tree::new();
    let local = tree.local().shell(shell.iter().copied());
    let empty = look(&tree);
    planned(&local, &trust(of(ID), CA)).unwrap();
    assert_eq!(undo(&local, &named()).state, State::Changed);
    assert_eq!(look(&tree), empty);
}

/// A run that was cut off between the journal and its id leaves nothing that stands in the way.
fn a_journal_without_entries_is_nobodys(shell: &[&str]) {
    let tree = Tree::new();
    let local = tree.local().shell(shell.iter().copied());
    let empty = look(&tree);
    for left in ["", "id", "id.new"] {
        fs::create_dir_all(tree.at(JOURNAL)).unwrap();
        if !left.is_empty() {
            fs::write(tree.at(JOURNAL).join(left), "").unwrap();
        }
        let ran = planned(&local, &trust(of(ID), CA)).unwrap();
        assert_eq!(ran.state, State::Changed, "{left}: {ran:?}");
        assert_eq!(holder(&tree), format!("{ID}\n"));
        assert_eq!(undo(&local, &of(ID)).state, State::Changed);
        assert_eq!(look(&tree), empty);
    }
}

#[derive(Deserialize)]
struct Recorded {
    before: BTreeMap<String, Kept>,
    after: BTreeMap<String, Kept>,
}

/// A file, or a directory, which has no text.
#[derive(Deserialize)]
struct Kept {
    mode: String,
    text: Option<String>,
}

fn recorded(name: &str) -> Recorded {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/recorded/{name}.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn laid_out(files: &BTreeMap<String, Kept>) -> Tree {
    let tree = Tree::new();
    for (path, kept) in files {
        let at = tree.at(path);
        match &kept.text {
            Some(text) => {
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::write(&at, text).unwrap();
            }
            None => fs::create_dir_all(&at).unwrap(),
        }
        let mode = u32::from_str_radix(&kept.mode, 8).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
    }
    tree
}

/// What an earlier kreg wrote: its record goes by the name, and so does its journal.
fn what_an_earlier_kreg_wrote(name: &str, shell: &[&str]) {
    let before = look(&laid_out(&recorded(name).before));
    let there = || laid_out(&recorded(name).after);
    let host = "docker-registry:5000".parse().unwrap();
    let newer = Trust::new(of(NAME), host, OTHER_CA)
        .unwrap()
        .with_endpoint("10.96.0.51".parse().unwrap());

    // By the record that was taken over, and without one.
    for instance in [of(NAME), named()] {
        let tree = there();
        let local = tree.local().shell(shell.iter().copied());
        let gone = undo(&local, &instance);
        assert_eq!(gone.state, State::Changed, "{name}: {gone:?}");
        assert_eq!(look(&tree), before, "{name}");
    }
    // Kept up to date by this kreg, and then taken away.
    let tree = there();
    let local = tree.local().shell(shell.iter().copied());
    let ran = planned(&local, &newer).unwrap();
    assert_eq!(ran.state, State::Changed, "{name}: {ran:?}");
    assert_eq!(holder(&tree), "", "an older kreg can still undo it");
    assert_eq!(undo(&local, &of(NAME)).state, State::Changed);
    assert_eq!(look(&tree), before, "{name}");
    // A registry of the same name that is not the one taken over.
    let tree = there();
    let local = tree.local().shell(shell.iter().copied());
    let held = look(&tree);
    planned(&local, &trust(of(ID), CA)).unwrap_err();
    assert_eq!(undo(&local, &of(ID)).state, State::Unchanged);
    assert_eq!(look(&tree), held, "{name}");
}

fn all(shell: &[&str]) {
    another_of_the_name_changes_nothing(shell);
    what_is_adopted_goes_back_to_the_first_state(shell);
    an_undo_without_an_id_takes_back_any(shell);
    a_journal_without_entries_is_nobodys(shell);
    for name in ["default", "tutorial", "agents"] {
        what_an_earlier_kreg_wrote(name, shell);
    }
}

#[test]
fn a_journal_is_one_registrys() {
    all(&["sh"]);
}

#[test]
#[ignore = "needs dash, busybox and bash: run by cargo xtask test"]
fn a_journal_is_one_registrys_in_every_shell() {
    for shell in SHELLS {
        all(shell);
    }
}

#[test]
fn a_plan_says_which_kind_of_reason_it_has() {
    let tree = Tree::new();
    let local = tree.local();
    planned(&local, &trust(of(ID), CA)).unwrap();
    let theirs = trust(of(OTHER), CA);
    let facts = Fleet::new(&local).facts(&[node()], &theirs).remove(0);
    let refused = kreg_nodes::NodePlan::decide(&facts.1.unwrap(), &theirs).unwrap_err();
    assert!(refused.0.iter().any(|one| one.kind == RefusalKind::Foreign));
}
