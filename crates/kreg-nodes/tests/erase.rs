//! Erasing a registry's images: what goes, what stays, and what an erase refuses to go through.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::time::Duration;

use common::{SHELLS, Tree, instance, node};
use kreg_nodes::{
    Answer, InstanceId, Marking, NodeProgram, NodeTransport as _, RegistryId, STORAGE_MARKER,
    STORAGE_OWNER, State, StorageDir,
};

const STORAGE: &str = "/tmp/it's h\u{e9}re \\ $x";
const ID: &str = "3f6c1f2e-8a51";

fn id(text: &str) -> RegistryId {
    RegistryId::new(text).unwrap()
}

fn storage() -> StorageDir {
    StorageDir::new(STORAGE).unwrap()
}

/// A node with images in its registry's directory.
struct Bed {
    tree: Tree,
    shell: Vec<String>,
}

fn whose(id: Option<&RegistryId>) -> InstanceId {
    match id {
        Some(id) => instance().with_id(id.clone()),
        None => instance(),
    }
}

impl Bed {
    fn new(shell: &[&str]) -> Bed {
        let bed = Bed {
            tree: Tree::new(),
            shell: shell.iter().map(|&word| word.to_owned()).collect(),
        };
        fs::create_dir_all(bed.at("docker/registry/v2/blobs")).unwrap();
        fs::write(bed.at("docker/registry/v2/blobs/data"), "x").unwrap();
        bed
    }

    fn at(&self, path: &str) -> PathBuf {
        self.tree.at(STORAGE).join(path)
    }

    fn mark(&self, id: &str) {
        fs::write(self.at(STORAGE_MARKER), format!("{id}\n")).unwrap();
    }

    fn run(&self, before: &str, program: &NodeProgram) -> Answer {
        let local = self.tree.local().shell(self.shell.clone());
        let script = format!("{before}{}", program.script());
        let output = local
            .run(&node(), &script, Duration::from_secs(60))
            .unwrap();
        let answer = Answer::read(&output).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        assert!(!self.tree.at("/var/lib/kreg").exists(), "{answer:?}");
        answer
    }

    fn erase(&self, id: Option<&RegistryId>) -> Answer {
        self.run("", &NodeProgram::erase(&whose(id), &storage()))
    }

    fn marked(&self, id: &RegistryId, how: Marking) -> Answer {
        self.run("", &NodeProgram::mark(&whose(Some(id)), &storage(), how))
    }

    /// Nothing is erased, and `why` is said.
    fn refuses(&self, id: Option<&RegistryId>, why: &str) {
        let answer = self.erase(id);
        assert_eq!(
            (answer.state, answer.step.as_str()),
            (State::Failed, "erase"),
            "{answer:?}"
        );
        let said = &answer.files.last().unwrap().detail;
        assert!(said.contains(why), "{why}: {said}");
        assert!(self.at("docker/registry/v2/blobs/data").exists(), "{why}");
    }
}

fn only_the_registrys_tree_goes(shell: &[&str]) {
    let bed = Bed::new(shell);
    fs::write(bed.at("notes"), "mine").unwrap();
    assert_eq!(bed.erase(None).state, State::Changed);
    assert!(bed.at("notes").exists() && !bed.at("docker").exists());
    assert_eq!(bed.erase(None).state, State::Unchanged);

    let bed = Bed::new(shell);
    assert_eq!(bed.erase(None).state, State::Changed);
    assert!(!bed.at("").exists() && bed.tree.at("/tmp").exists());
}

fn only_below_its_marker(shell: &[&str]) {
    let (own, other) = (id(ID), id("another"));
    let bed = Bed::new(shell);
    bed.refuses(Some(&own), "has no .kreg-registry-id");
    bed.mark(other.as_str());
    // Another registry's: nothing in it is this one's, so there is nothing to erase.
    for id in [Some(&own), None] {
        let answer = bed.erase(id);
        assert_eq!(answer.state, State::Unchanged, "{answer:?}");
        let said = &answer.files.last().unwrap().detail;
        assert!(said.contains("the registry with the id another"), "{said}");
        assert!(bed.at("docker/registry/v2/blobs/data").exists());
    }
    bed.mark("");
    bed.refuses(Some(&own), "holds no registry's id");
    fs::remove_file(bed.at(STORAGE_MARKER)).unwrap();
    symlink("/etc/hostname", bed.at(STORAGE_MARKER)).unwrap();
    bed.refuses(Some(&own), "is a symbolic link");
    fs::remove_file(bed.at(STORAGE_MARKER)).unwrap();
    bed.mark(ID);
    assert_eq!(bed.erase(Some(&own)).state, State::Changed);
    assert!(!bed.at("").exists());
    assert_eq!(bed.erase(Some(&own)).state, State::Unchanged);
}

fn marks(shell: &[&str]) {
    let (own, other) = (id(ID), id("another"));
    let bed = Bed::new(shell);
    let looked = bed.marked(&own, Marking::Look);
    assert_eq!(looked.state, State::Unchanged, "{looked:?}");
    // Images of a registry that an earlier kreg made, say.
    let refused = bed.marked(&own, Marking::Fresh);
    assert_eq!(
        (refused.state, refused.step.as_str()),
        (State::Failed, "owner"),
        "{refused:?}"
    );
    assert!(!bed.at(STORAGE_MARKER).exists());
    assert_eq!(bed.marked(&own, Marking::Write).state, State::Changed);
    let text = fs::read_to_string(bed.at(STORAGE_MARKER)).unwrap();
    assert_eq!(text, format!("{ID}\n"));
    for how in [Marking::Look, Marking::Fresh, Marking::Write] {
        assert_eq!(bed.marked(&own, how).state, State::Unchanged);
        let refused = bed.marked(&other, how);
        assert_eq!(
            (refused.state, refused.step.as_str()),
            (State::Failed, "owner"),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read_to_string(bed.at(STORAGE_MARKER)).unwrap(), text);
    assert_eq!(bed.marked(&other, Marking::Adopt).state, State::Changed);
    assert_eq!(bed.marked(&other, Marking::Write).state, State::Unchanged);
    assert_eq!(bed.marked(&own, Marking::Adopt).state, State::Changed);
    // What it marks can be erased, and is gone with its marker.
    assert_eq!(bed.erase(Some(&own)).state, State::Changed);
    assert!(!bed.at("").exists());
    // Nor is a directory made that is not there.
    assert_eq!(bed.marked(&own, Marking::Write).state, State::Unchanged);
    assert!(!bed.at("").exists());
}

/// Somebody who may write to a directory on the way puts a link in its place between the look and the
/// erase.
fn a_swap_erases_nothing_elsewhere(shell: &[&str]) {
    let bed = Bed::new(shell);
    let victim = bed.tree.at("/srv/docker/registry/v2/blobs");
    fs::create_dir_all(&victim).unwrap();
    let swap = "rm() {\n  case $* in\n    *v2*)\n      /bin/mv \"$root$storage/docker\" \"$root/aside\"\n      \
                ln -s \"$root/srv/docker\" \"$root$storage/docker\"\n      ;;\n  esac\n  /bin/rm \"$@\"\n}\n";
    let answer = bed.run(swap, &NodeProgram::erase(&instance(), &storage()));
    assert!(victim.exists(), "{shell:?}: {answer:?}");
    assert!(!bed.tree.at("/aside/registry/v2").exists(), "{answer:?}");
}

fn no_way_that_others_may_change(shell: &[&str]) {
    for part in ["", "docker", "docker/registry", "docker/registry/v2"] {
        let bed = Bed::new(shell);
        let link = bed.tree.at("/elsewhere");
        fs::rename(
            bed.tree
                .at(STORAGE)
                .join(part)
                .components()
                .collect::<PathBuf>(),
            &link,
        )
        .unwrap();
        symlink(
            &link,
            bed.tree
                .at(STORAGE)
                .join(part)
                .components()
                .collect::<PathBuf>(),
        )
        .unwrap();
        bed.refuses(None, "is a symbolic link");

        let bed = Bed::new(shell);
        let mode =
            |mode| fs::set_permissions(bed.at(part), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o777);
        bed.refuses(None, "can be written to by others");
        // Where only an owner can rename what is his, as in /tmp.
        mode(0o1777);
        assert_eq!(bed.erase(None).state, State::Changed, "{part}");
    }
}

/// By owner: for root, who alone can give files away.
fn no_way_that_belongs_to_others(shell: &[&str]) {
    for part in ["", "docker", "docker/registry", "docker/registry/v2"] {
        let bed = Bed::new(shell);
        chown(bed.at(part), Some(4711), None).unwrap();
        bed.refuses(None, "belongs to user 4711");
        chown(bed.at(part), Some(STORAGE_OWNER), Some(4711)).unwrap();
        let mode =
            |mode| fs::set_permissions(bed.at(part), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o2775);
        bed.refuses(None, "can be written to by group 4711");
        chown(bed.at(part), None, Some(STORAGE_OWNER)).unwrap();
        mode(0o2775);
        assert_eq!(bed.erase(None).state, State::Changed, "{part}");
    }
}

/// A mount at or below what would be erased, even of the same file system.
fn what_is_mounted_stays(shell: &[&str]) {
    for part in ["docker", "docker/registry/v2", "docker/registry/v2/blobs"] {
        let mut bed = Bed::new(shell);
        let other = bed.tree.at("/other");
        fs::create_dir_all(other.join("registry/v2/blobs")).unwrap();
        fs::write(other.join("registry/v2/blobs/data"), "theirs").unwrap();
        let source = other.join(part.trim_start_matches("docker").trim_start_matches('/'));
        let shell = bed.shell.join(" ");
        bed.shell = ["unshare", "--mount", "sh", "-c"]
            .map(str::to_owned)
            .to_vec();
        bed.shell.push(format!(
            "mount --bind {} {} && exec {shell} -s",
            kreg_nodes::quote(source.to_str().unwrap()),
            kreg_nodes::quote(bed.at(part).to_str().unwrap()),
        ));
        bed.refuses(None, "is a mount point");
        assert!(other.join("registry/v2/blobs/data").exists());
    }
}

fn all(shell: &[&str]) {
    only_the_registrys_tree_goes(shell);
    only_below_its_marker(shell);
    marks(shell);
    a_swap_erases_nothing_elsewhere(shell);
    no_way_that_others_may_change(shell);
}

#[test]
fn images_are_erased_where_they_are_the_registrys() {
    all(&["sh"]);
}

#[test]
#[ignore = "needs root, unshare, dash, busybox and bash: run by cargo xtask test"]
fn every_shell_erases_alike() {
    for shell in SHELLS {
        all(shell);
        no_way_that_belongs_to_others(shell);
        what_is_mounted_stays(shell);
    }
}
