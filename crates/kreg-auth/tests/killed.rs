//! A program that is killed while it saves the users leaves the old file or the new one.
#![cfg(all(unix, feature = "file"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kreg_auth::Htpasswd;

/// Set in the program that is to be killed.
const TARGET: &str = "KREG_AUTH_TEST_WRITES_TO";
const KILLS: u32 = 60;
/// Few lines and long ones: the time is to go into writing, not into looking at them.
fn text(letter: char) -> String {
    format!("# {}\n", letter.to_string().repeat(5_000)).repeat(40)
}

/// Writes one text after the other until it is killed.
fn write_for_ever(path: &Path) {
    let files = ['a', 'b'].map(|letter| Htpasswd::parse(text(letter)));
    for turn in 0.. {
        files[turn % 2].save(path).unwrap();
    }
}

/// Waits until another file is at the path.
fn written_anew(path: &Path) -> Instant {
    let inode = || fs::metadata(path).unwrap().ino();
    let (before, limit) = (inode(), Instant::now() + Duration::from_secs(60));
    while inode() == before {
        assert!(Instant::now() < limit, "it never writes");
        thread::sleep(Duration::from_micros(50));
    }
    Instant::now()
}

#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new_file() {
    if let Some(path) = env::var_os(TARGET) {
        return write_for_ever(path.as_ref());
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("htpasswd");
    Htpasswd::parse(text('a')).save(&path).unwrap();
    let (mut seen, mut cut_short) = (BTreeSet::new(), 0);
    for kill in 0..KILLS {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "a_kill_at_any_moment_leaves_the_old_or_the_new_file",
            ])
            .env(TARGET, &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // It writes by now. Each kill falls a little later in the time that one writing takes.
        let begun = written_anew(&path);
        let took = written_anew(&path) - begun;
        thread::sleep(took.mul_f64(f64::from(kill) / f64::from(KILLS)));
        writer.kill().unwrap();
        writer.wait().unwrap();

        let found = fs::read_to_string(&path).unwrap();
        let whole = ['a', 'b'].into_iter().find(|letter| found == text(*letter));
        assert!(whole.is_some(), "{} bytes", found.len());
        seen.extend(whole);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // What a kill leaves beside it is no more open than the file.
        for entry in fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600
            );
            if entry.path() != path {
                cut_short += 1;
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    // Kills that always fell between two writings would show nothing.
    assert!(
        seen.len() == 2 && cut_short > 0,
        "{seen:?}, {cut_short} cut short"
    );
}
