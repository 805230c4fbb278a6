//! What holds when something is in the way.

use std::thread;
use std::time::Duration;

use super::bed::{
    Bed, CA, HOSTS_TOML, JOURNAL, Kept, Promise, difference, ensure, instance, trust_in,
};
use crate::hosts_file::HOSTS;
use crate::{Answer, Node, NodeProgram, State};

pub(super) const PROMISES: &[Promise] = &[
    ("one kreg at a time works on a node", locked),
    (
        "what was there is in the journal before it is changed",
        journal_first,
    ),
    (
        "a step that fails is named, the node is left as it was found, and the next run goes through",
        failed_step,
    ),
];

fn locked(bed: &Bed<'_>) -> Kept {
    let program = bed.program(&trust_in(CA)?)?;
    let before = bed.look()?;
    let holder = NodeProgram::hold_lock(&instance()?, 5);
    let other = Node::new(format!("{}-other", bed.node.name), &bed.node.address);
    let limit = Duration::from_secs(60);
    let transport = bed.transport();
    thread::scope(|scope| {
        let holding = scope.spawn(|| transport.run(&other, &holder, limit));
        thread::sleep(Duration::from_secs(2));
        let answer = bed.answer(&format!(
            "KREG_LOCK_WAIT=0\nexport KREG_LOCK_WAIT\n{program}"
        ))?;
        ensure(
            answer.state == State::Failed && answer.step == "lock",
            || format!("it did not meet the lock: {answer:?}"),
        )?;
        // Waiting is rewarded.
        let waited = bed.answer(&program)?;
        ensure(waited.state == State::Changed, || format!("{waited:?}"))?;
        if let Ok(held) = holding.join() {
            held?;
        }
        bed.undo()?;
        let found = difference(&before, &bed.look()?, false);
        ensure(found.is_empty(), || found.join("; "))
    })
}

fn journal_first(bed: &Bed<'_>) -> Kept {
    bed.files.write(HOSTS_TOML, b"# theirs\n")?;
    let program = bed.program(&trust_in(CA)?.with_adopt(true))?;
    // As if the power went at the very moment of the change.
    let cut =
        "mv() {\n  case $* in *hosts.toml) kill -9 $$; exit 9 ;; esac\n  command mv \"$@\"\n}\n";
    let output = bed.run(&format!("{cut}{program}"), 60)?;
    ensure(Answer::read(&output).is_err(), || {
        format!("it was not killed: {output:?}")
    })?;
    let theirs = bed.read(HOSTS_TOML)?;
    ensure(theirs.as_deref() == Some("# theirs\n"), || {
        format!("{theirs:?}")
    })?;
    let journal = bed.files.tree(JOURNAL)?;
    let mut kept = false;
    for path in journal.keys().filter(|path| path.ends_with("/before")) {
        kept |= bed.read(path)?.as_deref() == Some("# theirs\n");
    }
    ensure(kept, || {
        format!("the journal does not hold it: {:?}", journal.keys())
    })?;
    bed.undo()?;
    let theirs = bed.read(HOSTS_TOML)?;
    ensure(theirs.as_deref() == Some("# theirs\n"), || {
        format!("after undo: {theirs:?}")
    })
}

fn failed_step(bed: &Bed<'_>) -> Kept {
    let program = bed.program(&trust_in(CA)?)?;
    let fault = "mv() {\n  case $* in */etc/hosts) echo 'mv: no luck' >&2; return 1 ;; esac\n  \
                 command mv \"$@\"\n}\n";
    let before = bed.look()?;
    let answer = bed.answer(&format!("{fault}{program}"))?;
    let named = answer
        .files
        .iter()
        .any(|file| file.path == HOSTS && file.detail.contains("no luck"));
    ensure(
        answer.state == State::Failed && answer.step == "rename" && named,
        || format!("{answer:?}"),
    )?;
    let found = difference(&before, &bed.look()?, false);
    ensure(found.is_empty(), || found.join("; "))?;
    let receipt = bed.apply(&trust_in(CA)?)?;
    ensure(receipt.state == State::Changed, || receipt.to_string())?;
    let receipt = bed.status(&trust_in(CA)?)?;
    ensure(receipt.state == State::Unchanged, || receipt.to_string())
}
