//! What a node holds after trust was brought to it.

use super::bed::{
    Bed, CA, CONTAINERD_CA, DOCKER_CA, HOSTS_TEXT, HOSTS_TOML, Instead, JOURNAL, Kept, OTHER_CA,
    Promise, WRITTEN, difference, ensure, one, trust_in,
};
use super::files::Tree;
use crate::hosts_file::HOSTS;
use crate::{FileStatus, Receipt, RefusalKind, State};

pub(super) const PROMISES: &[Promise] = &[
    ("a probe reads files to the byte and writes nothing", probe),
    ("a plan writes nothing", plan),
    ("trust comes from nothing, whole", from_nothing),
    ("a second run touches nothing", again),
    (
        "a new CA reaches the files that hold it, and no other",
        changed_ca,
    ),
    (
        "an edit by others is seen, named, and mended; theirs is kept",
        drift,
    ),
    ("a file of others is not replaced", foreign),
    (
        "broken markers in the hosts file are not guessed at",
        markers,
    ),
    ("nothing secret is in what kreg writes", secrets),
];

fn probe(bed: &Bed<'_>) -> Kept {
    let odd: Vec<u8> = (0..=255).collect();
    bed.files.write(HOSTS, &odd)?;
    let before = bed.look()?;
    let (_, facts) = one(bed.access.facts(&trust_in(CA)?))?;
    let facts = facts.map_err(|receipt| Instead(receipt.to_string()))?;
    ensure(facts.content(HOSTS) == Some(&odd), || {
        format!("{HOSTS} came as {:?}", facts.content(HOSTS))
    })?;
    untouched(&before, bed)
}

fn plan(bed: &Bed<'_>) -> Kept {
    let before = bed.look()?;
    let receipt = bed.status(&trust_in(CA)?)?;
    ensure(receipt.state == State::Changed, || receipt.to_string())?;
    untouched(&before, bed)
}

fn from_nothing(bed: &Bed<'_>) -> Kept {
    let receipt = bed.apply(&trust_in(CA)?)?;
    let changed = receipt
        .files
        .iter()
        .filter(|file| file.status == FileStatus::Changed);
    let paths: Vec<&str> = changed.map(|file| file.path.as_str()).collect();
    ensure(receipt.state == State::Changed && paths == WRITTEN, || {
        format!("{receipt}: {paths:?}")
    })?;
    for path in [CONTAINERD_CA, DOCKER_CA] {
        let now = bed.read(path)?;
        ensure(now.as_deref() == Some(CA), || {
            format!("{path} holds {now:?}")
        })?;
    }
    let now = bed.read(HOSTS)?;
    let wanted = format!(
        "{HOSTS_TEXT}\n# BEGIN kreg kreg-conformance\n10.96.0.50 docker-registry\n# END kreg kreg-conformance\n"
    );
    ensure(now.as_deref() == Some(&wanted), || {
        format!("{HOSTS} holds {now:?}")
    })?;
    let tree = bed.look()?;
    let mode = |path: &str| tree.get(path).map(|seen| seen.mode);
    for (path, wanted) in [
        (CONTAINERD_CA, 0o644),
        (HOSTS_TOML, 0o644),
        (HOSTS, 0o644),
        ("/etc/containerd/certs.d", 0o755),
        (JOURNAL, 0o700),
    ] {
        ensure(mode(path) == Some(wanted), || {
            format!("{path} has mode {:o}", mode(path).unwrap_or_default())
        })?;
    }
    let left = tree.keys().find(|path| path.contains("/.kreg."));
    ensure(left.is_none(), || format!("{left:?} was left behind"))
}

fn again(bed: &Bed<'_>) -> Kept {
    let trust = trust_in(CA)?;
    let program = bed.program(&trust)?;
    bed.apply(&trust)?;
    let before = bed.look()?;
    let receipt = bed.apply(&trust)?;
    ensure(receipt.state == State::Unchanged, || receipt.to_string())?;
    untouched(&before, bed)?;
    // The script alone, as an agent runs it in a loop.
    let answer = bed.answer(&program)?;
    ensure(answer.state == State::Unchanged, || format!("{answer:?}"))?;
    untouched(&before, bed)
}

fn changed_ca(bed: &Bed<'_>) -> Kept {
    bed.apply(&trust_in(CA)?)?;
    let before = bed.look()?;
    let receipt = bed.apply(&trust_in(OTHER_CA)?)?;
    ensure(receipt.state == State::Changed, || receipt.to_string())?;
    for path in [CONTAINERD_CA, DOCKER_CA] {
        let now = bed.read(path)?;
        ensure(now.as_deref() == Some(OTHER_CA), || {
            format!("{path} holds {now:?}")
        })?;
    }
    let after = bed.look()?;
    for path in [HOSTS, HOSTS_TOML] {
        ensure(before.get(path) == after.get(path), || {
            format!("{path} was touched")
        })?;
    }
    let receipt = bed.status(&trust_in(OTHER_CA)?)?;
    ensure(receipt.state == State::Unchanged, || receipt.to_string())
}

fn drift(bed: &Bed<'_>) -> Kept {
    let trust = trust_in(CA)?;
    bed.apply(&trust)?;
    bed.files.write(HOSTS_TOML, b"# theirs\n")?;
    let seen = bed.status(&trust)?;
    ensure(
        seen.state == State::Changed && names(&seen, HOSTS_TOML),
        || format!("status says: {seen} {:?}", seen.files),
    )?;
    let mended = bed.apply(&trust)?;
    ensure(
        mended.state == State::Changed && names(&mended, HOSTS_TOML),
        || format!("{mended} {:?}", mended.files),
    )?;
    let now = bed.read(HOSTS_TOML)?.unwrap_or_default();
    ensure(now.contains("server"), || {
        format!("{HOSTS_TOML} holds {now:?}")
    })?;
    let report = mended.files.iter().find(|file| file.path == HOSTS_TOML);
    let kept = report
        .and_then(|file| file.detail.split_whitespace().last())
        .unwrap_or_default();
    let theirs = bed.read(kept)?;
    ensure(theirs.as_deref() == Some("# theirs\n"), || {
        format!("their version is said to be at `{kept}`, which holds {theirs:?}")
    })
}

fn foreign(bed: &Bed<'_>) -> Kept {
    bed.files.write(HOSTS_TOML, b"# theirs\n")?;
    let before = bed.look()?;
    let trust = trust_in(CA)?;
    let refused = bed.apply(&trust)?;
    let named = refused
        .reason
        .as_deref()
        .is_some_and(|reason| reason.contains(HOSTS_TOML));
    ensure(refused.state == State::Refused && named, || {
        format!("not {:?}: {refused}", RefusalKind::Foreign)
    })?;
    untouched(&before, bed)?;
    let receipt = bed.apply(&trust.with_adopt(true))?;
    ensure(receipt.state == State::Changed, || receipt.to_string())?;
    bed.undo()?;
    let now = bed.read(HOSTS_TOML)?;
    ensure(now.as_deref() == Some("# theirs\n"), || {
        format!("after undo: {now:?}")
    })
}

fn markers(bed: &Bed<'_>) -> Kept {
    let trust = trust_in(CA)?;
    let program = bed.program(&trust)?;
    let text = format!("# BEGIN kreg kreg-conformance\n{HOSTS_TEXT}\n");
    bed.files.write(HOSTS, text.as_bytes())?;
    let before = bed.look()?;
    let refused = bed.apply(&trust)?;
    let named = refused
        .reason
        .as_deref()
        .is_some_and(|reason| reason.contains(HOSTS));
    ensure(refused.state == State::Refused && named, || {
        refused.to_string()
    })?;
    untouched(&before, bed)?;
    // The script judges for itself.
    let answer = bed.answer(&program)?;
    let now = bed.read(HOSTS)?;
    ensure(
        answer.state == State::Failed && now.as_deref() == Some(&text),
        || format!("{answer:?}, and {HOSTS} holds {now:?}"),
    )
}

fn secrets(bed: &Bed<'_>) -> Kept {
    let with_key = format!("{CA}-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n");
    ensure(trust_in(&with_key).is_err(), || {
        "a private key was taken for nodes".to_owned()
    })?;
    bed.apply(&trust_in(CA)?)?;
    let tree = bed.look()?;
    let journal = tree.keys().filter(|path| path.starts_with(JOURNAL));
    for path in WRITTEN.into_iter().chain(journal.map(String::as_str)) {
        let Some(seen) = tree.get(path) else {
            return Err(Instead(format!("{path} was not written")));
        };
        if seen.sha256.is_empty() {
            continue;
        }
        let text = bed.read(path)?.unwrap_or_default().to_lowercase();
        for word in ["private", "password", "htpasswd", "auth"] {
            ensure(!text.contains(word), || format!("{path} holds `{word}`"))?;
        }
    }
    Ok(())
}

/// That nothing differs, times included.
fn untouched(before: &Tree, bed: &Bed<'_>) -> Kept {
    let found = difference(before, &bed.look()?, true);
    ensure(found.is_empty(), || found.join("; "))
}

fn names(receipt: &Receipt, path: &str) -> bool {
    let changed = receipt
        .files
        .iter()
        .filter(|file| file.status == FileStatus::Changed);
    changed.map(|file| file.path.as_str()).eq([path])
}
