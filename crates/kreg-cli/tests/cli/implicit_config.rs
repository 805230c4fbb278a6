//! `./kreg.toml` as the program itself treats it: used, refused, or named.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use assert_cmd::Command;

use crate::sandbox::{Sandbox, text};

/// A command that reads the configuration and needs no cluster.
fn rbac(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.kreg(["export", "rbac"]);
    command.args(arguments).env("SUDO_UID", "1000");
    command
}

fn refused(sandbox: &Sandbox) -> String {
    sandbox.refused(&mut rbac(sandbox, &[]), &["--config ./kreg.toml"])
}

fn used(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let assert = sandbox.untouched(&mut rbac(sandbox, arguments)).success();
    text(&assert.get_output().stderr)
}

/// Whether only root and the caller can change what is in `directory`, strictly.
fn is_safe(directory: &Path) -> bool {
    let caller = directory.metadata().expect("stat").uid();
    let directory = directory.canonicalize().expect("a path");
    directory.ancestors().all(|one| {
        let one = one.metadata().expect("stat");
        (one.uid() == 0 || one.uid() == caller) && one.mode() & 0o022 == 0
    })
}

#[test]
fn below_tmp_it_is_refused_until_it_is_named() {
    let sandbox = Sandbox::below(Path::new("/tmp"));
    sandbox.write("kreg.toml", "");
    let words = refused(&sandbox);
    assert!(words.contains("/tmp has mode 1777"), "{words}");
    let words = used(&sandbox, &["--config", "./kreg.toml"]);
    assert!(!words.contains("kreg.toml"), "{words}");
}

#[test]
fn in_a_safe_place_it_is_announced_and_sets_only_what_is_harmless() {
    let sandbox = Sandbox::below(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let file = sandbox.write("kreg.toml", "[registry]\nname = \"r2\"\n");
    if !is_safe(file.parent().unwrap()) {
        refused(&sandbox);
        panic!("this test needs a target directory that nobody else can write to or replace");
    }
    let words = used(&sandbox, &[]);
    assert!(
        words.contains("the settings are those of ./kreg.toml"),
        "{words}"
    );

    let text = "[cluster]\ncontext = \"c\"\n[registry]\nimage = \"evil.example/i\"\n";
    sandbox.write("kreg.toml", text);
    let words = refused(&sandbox);
    assert!(words.contains("cluster.context, registry.image"), "{words}");
    used(&sandbox, &["--config", "kreg.toml"]);

    std::fs::rename(&file, sandbox.path("other.toml")).unwrap();
    used(&sandbox, &[]);
    symlink("other.toml", &file).unwrap();
    let words = refused(&sandbox);
    assert!(words.contains("symbolic link"), "{words}");
}
