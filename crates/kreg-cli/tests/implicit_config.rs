//! `./kreg.toml` as the program itself treats it: used, refused, or named.
#![allow(clippy::expect_used)] // a test may fail by it

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// A command that reads the configuration and needs no cluster.
fn kreg(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kreg"))
        .args(["export", "rbac"])
        .args(arguments)
        .current_dir(directory)
        .env_remove("KREG_CONFIG")
        .env("SUDO_UID", "1000")
        .output()
        .expect("kreg runs")
}

fn refused(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(output.stdout.is_empty());
    assert!(words.contains("--config ./kreg.toml"), "{words}");
    words
}

fn used(output: &Output) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    words
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
    let directory = tempfile::tempdir_in("/tmp").expect("a directory");
    std::fs::write(directory.path().join("kreg.toml"), "").expect("a file");
    let words = refused(&kreg(directory.path(), &[]));
    assert!(words.contains("/tmp has mode 1777"), "{words}");
    let words = used(&kreg(directory.path(), &["--config", "./kreg.toml"]));
    assert!(!words.contains("kreg.toml"), "{words}");
}

#[test]
fn in_a_safe_place_it_is_announced_and_sets_only_what_is_harmless() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = directory.path().join("kreg.toml");
    let write = |text| std::fs::write(&file, text).expect("a file");
    write("[registry]\nname = \"r2\"\n");
    if !is_safe(directory.path()) {
        refused(&kreg(directory.path(), &[]));
        panic!("this test needs a target directory that nobody else can write to or replace");
    }
    let words = used(&kreg(directory.path(), &[]));
    assert!(
        words.contains("the settings are those of ./kreg.toml"),
        "{words}"
    );

    write("[cluster]\ncontext = \"c\"\n[registry]\nimage = \"evil.example/i\"\n");
    let words = refused(&kreg(directory.path(), &[]));
    assert!(words.contains("cluster.context, registry.image"), "{words}");
    used(&kreg(directory.path(), &["--config", "kreg.toml"]));

    std::fs::rename(&file, directory.path().join("other.toml")).expect("a rename");
    used(&kreg(directory.path(), &[]));
    symlink("other.toml", &file).expect("a link");
    let words = refused(&kreg(directory.path(), &[]));
    assert!(words.contains("symbolic link"), "{words}");
}
