//! Both ways against Apache's own `htpasswd`: what one writes the other verifies.
//!
//! Run by `cargo xtask test`, or by hand with Debian's `apache2-utils`:
//! `cargo test -p kreg-auth --test apache -- --ignored`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kreg_auth::{Cost, Credentials, Htpasswd, Verdict, check_password, check_username};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Both directions together are twice as many.
const CASES: usize = 600;

/// Runs `htpasswd` with the password on standard input and gives its exit code: 0 written or
/// verified, 3 wrong password, 6 no such user.
fn htpasswd(args: &[&str], file: &Path, username: &str, password: &str) -> i32 {
    let mut child = Command::new("htpasswd")
        .args(args)
        .args([file.as_os_str(), OsStr::new(username)])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("htpasswd of apache2-utils is installed");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(password.as_bytes())
        .unwrap();
    child.wait().unwrap().code().unwrap()
}

/// Users with passwords, ASCII and beyond, of every length up to 72 bytes.
fn cases() -> BTreeMap<String, String> {
    let name = prop_oneof!["[a-zA-Z0-9._@ -]{1,20}", "\\PC{1,16}", "[а-яé漢字🦀]{1,12}"]
        // `htpasswd` would take it for an option.
        .prop_filter("an option", |name| !name.starts_with('-'))
        .prop_filter("refused", |name| check_username(name).is_ok());
    let password = prop_oneof![
        "[ -~]{1,72}",
        "[!-~]{70,72}",
        "\\PC{1,24}",
        "[а-яé漢字🦀 :]{1,18}"
    ]
    .prop_filter("refused", |password| {
        check_password(&password.as_str().into()).is_ok()
    });
    let mut runner = TestRunner::deterministic();
    let mut cases = BTreeMap::new();
    while cases.len() < CASES {
        let case = (&name, &password).new_tree(&mut runner).unwrap().current();
        cases.insert(case.0, case.1);
    }
    cases
}

/// Another password of the same length: the last character differs.
fn another(password: &str) -> String {
    let mut other = password.to_owned();
    let last = other.pop();
    other.push(if last == Some('x') { 'y' } else { 'x' });
    other
}

#[test]
#[ignore = "needs htpasswd of apache2-utils: run by cargo xtask test"]
fn apache_verifies_what_we_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let mut file = Htpasswd::parse("# ours\r\n\r\n");
    for (name, password) in &cases() {
        let user = Credentials::new(name, password.as_str()).unwrap();
        file.add(&user, Cost::MIN).unwrap();
    }
    fs::write(&path, file.to_bytes()).unwrap();
    for (name, password) in &cases() {
        assert_eq!(
            htpasswd(&["-vi"], &path, name, password),
            0,
            "{name:?} {password:?}"
        );
        let wrong = another(password);
        assert_eq!(
            htpasswd(&["-vi"], &path, name, &wrong),
            3,
            "{name:?} {wrong:?}"
        );
    }
}

#[test]
#[ignore = "needs htpasswd of apache2-utils: run by cargo xtask test"]
fn we_verify_what_apache_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    fs::write(&path, "# theirs\n").unwrap();
    for (name, password) in &cases() {
        assert_eq!(
            htpasswd(&["-iB", "-C", "4"], &path, name, password),
            0,
            "{name:?} {password:?}"
        );
    }
    let bytes = fs::read(&path).unwrap();
    let file = Htpasswd::parse(&bytes);
    assert_eq!(file.to_bytes(), bytes);
    assert_eq!(file.users().len(), CASES);
    assert_eq!(file.findings(), []);
    for (name, password) in &cases() {
        assert!(
            file.check(name, &password.as_str().into()).is_accepted(),
            "{name:?} {password:?}"
        );
        let wrong = file.check(name, &another(password).into());
        assert_eq!(wrong, Verdict::WrongPassword, "{name:?} {password:?}");
    }
}

/// The other kinds that `htpasswd` writes are told apart and reported.
#[test]
#[ignore = "needs htpasswd of apache2-utils: run by cargo xtask test"]
fn the_other_formats_are_reported() {
    use kreg_auth::{HashKind, Problem};
    let dir = tempfile::tempdir().unwrap();
    for (option, kind) in [
        ("-im", HashKind::Apr1),
        ("-is", HashKind::Sha1),
        ("-i2", HashKind::Sha256Crypt),
        ("-i5", HashKind::Sha512Crypt),
        ("-id", HashKind::Other),
        ("-ip", HashKind::Other),
    ] {
        let path = dir.path().join(option);
        fs::write(&path, "").unwrap();
        assert_eq!(htpasswd(&[option], &path, "u", "secret"), 0, "{option}");
        let file = Htpasswd::parse(fs::read(&path).unwrap());
        assert_eq!(
            file.findings()[0].problem,
            Problem::NotAccepted(kind),
            "{option}"
        );
        assert_eq!(
            file.check("u", &"secret".into()),
            Verdict::NotAccepted(kind)
        );
    }
}

/// Apache's editor and ours, on the same file, leave the same lines alone.
#[test]
#[ignore = "needs htpasswd of apache2-utils: run by cargo xtask test"]
fn deleting_a_user_leaves_what_apache_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let text = "# team\n\na:$apr1$x$y\nb:{SHA}z\n# b:old\nc:plain\n";
    fs::write(&path, text).unwrap();
    let deleted = Command::new("htpasswd")
        .arg("-D")
        .arg(&path)
        .arg("b")
        .output()
        .unwrap();
    assert!(deleted.status.success());
    let mut ours = Htpasswd::parse(text);
    ours.remove("b").unwrap();
    assert_eq!(ours.to_bytes(), fs::read(&path).unwrap());
}
