//! What kreg says of each reader of PEM files, compared with the readers themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod files;
mod judges;

use std::collections::BTreeSet;

use files::{File, Kind};
use kreg_pki::lint::{Client, Code, Finding, Lint, Severity};
use kreg_pki::{SecretString, readers};

/// Fingerprints of the certificates that were read, or that the file is refused.
type Answer = Result<Vec<String>, ()>;

/// What kreg says that `client` makes of it.
fn said(file: &File, client: Client) -> Answer {
    let certificates = match file.kind {
        Kind::Bundle => readers::bundle(&file.bytes, client),
        Kind::Chain => readers::chain(&file.bytes, client),
        Kind::Key => readers::key(&file.bytes, client).map(|()| Vec::new()),
    };
    let mut prints: Vec<_> = certificates
        .map_err(drop)?
        .iter()
        .map(|certificate| certificate.fingerprint().to_owned())
        .collect();
    if file.kind == Kind::Bundle {
        prints = prints
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
    }
    Ok(prints)
}

/// What lint finds wrong with the form of the file.
fn found(file: &File) -> Vec<Finding> {
    let good = files::leaf();
    let key = String::from_utf8(file.bytes.clone()).map(SecretString::from);
    let now = common::now();
    let lint = match (file.kind, &key) {
        (Kind::Bundle, _) => Lint::new(good, &file.bytes, now),
        (Kind::Chain, _) => Lint::new(&file.bytes, good, now),
        (Kind::Key, Ok(key)) => Lint::new(&file.other, &file.other, now).key(key),
        (Kind::Key, Err(_)) => return Vec::new(),
    };
    let form = [
        Code::ReadUnevenly,
        Code::Unreadable,
        Code::KeyUnusable,
        Code::PrivateKeyInBundle,
    ];
    let mut findings = lint.run();
    findings.retain(|finding| form.contains(&finding.code));
    findings
}

#[test]
fn lint_reports_each_file_that_clients_do_not_all_read() {
    let mut wrong = Vec::new();
    for file in files::matrix().iter().chain(&files::random(300)) {
        let said = Client::ALL.map(|client| said(file, client));
        let found = found(file);
        let is_uneven = said.iter().any(|one| one.is_err() || *one != said[0]);
        if is_uneven && found.is_empty() {
            wrong.push(format!("{}: {said:?}\n{}", file.name, file.shown()));
        }
        for finding in found {
            assert_eq!(finding.severity, Severity::Error, "{finding}");
            let named = Client::ALL.map(|client| finding.refused_by.contains(&client));
            if finding.code == Code::ReadUnevenly {
                assert!(
                    said.iter()
                        .zip(named)
                        .all(|(said, named)| named || said.is_ok()),
                    "{}: {finding}",
                    file.name
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As they come out of editors, YAML and `cat`.
#[test]
fn files_of_the_field_are_errors_with_the_clients_that_refuse_them() {
    const ALL: &[Client] = &Client::ALL;
    let (pem, go) = (files::leaf(), Client::Go);
    let indented: String = pem.lines().map(|line| format!("  {line}\n")).collect();
    for (text, refused_by, words) in [
        (
            format!("\u{feff}{pem}"),
            &[go, Client::Rustls][..],
            "line 1: a byte order mark",
        ),
        (
            pem.replace('\n', "\r"),
            &[go, Client::OpenSsl],
            "carriage return alone; Go reads 0 of 1",
        ),
        (
            format!("{}{pem}", pem.trim_end()),
            ALL,
            "on the same line; Go reads 0 of 2",
        ),
        (
            pem.replacen('\n', "\nX-Comment: hi\n\n", 1),
            ALL,
            "line 2: a header",
        ),
        (
            format!("ca.crt: |\n{indented}"),
            ALL,
            "line 2: the BEGIN line is indented",
        ),
        (
            format!("text before{pem}"),
            ALL,
            "line 1: text stands before BEGIN",
        ),
        (
            pem.replace("CERT", "TRUSTED CERT"),
            &[go, Client::Rustls],
            "OpenSSL alone reads; Go reads 0 of 1",
        ),
        (
            format!("{pem}{}", pem.replace("CERT", "TRUSTED CERT")),
            &[go, Client::Rustls],
            "Go reads 1 of 2",
        ),
    ] {
        let findings = Lint::new(pem, &text, common::now()).run();
        let finding = findings.iter().find(|one| one.code == Code::ReadUnevenly);
        let finding = finding.unwrap_or_else(|| panic!("{text}: {findings:?}"));
        assert_eq!(
            finding.refused_by,
            refused_by.iter().copied().collect(),
            "{finding}"
        );
        assert!(finding.to_string().contains(words), "{finding}");
    }
    for text in [
        pem.to_owned(),
        pem.replace('\n', "\r\n"),
        pem.trim_end().to_owned(),
        format!("a\n\n{pem}b"),
    ] {
        let findings = Lint::new(pem, &text, common::now()).run();
        assert!(
            findings.iter().all(|one| one.code != Code::ReadUnevenly),
            "{text}: {findings:?}"
        );
    }
}

fn compare(files: &[File], client: Client, answers: Vec<Answer>, wrong: &mut Vec<String>) {
    assert_eq!(files.len(), answers.len());
    for (file, is) in files.iter().zip(answers) {
        let said = said(file, client);
        if said != is {
            wrong.push(format!(
                "{client}, {}: kreg says {said:?}, it does {is:?}\n{}",
                file.name,
                file.shown()
            ));
        }
    }
}

fn check(files: &[File]) {
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    compare(files, Client::Rustls, judges::rustls(files), &mut wrong);
    compare(
        files,
        Client::OpenSsl,
        judges::openssl(files, scratch.path()),
        &mut wrong,
    );
    compare(
        files,
        Client::Go,
        judges::go(files, scratch.path()),
        &mut wrong,
    );
    let some = wrong.len().min(20);
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        files.len(),
        wrong[..some].join("\n\n")
    );
}

#[test]
#[ignore = "needs the go command and OpenSSL: run by cargo xtask test"]
fn each_fault_in_each_kind_of_file_is_judged_as_its_readers_do() {
    check(&files::matrix());
}

#[test]
#[ignore = "needs the go command and OpenSSL: run by cargo xtask test"]
fn files_that_nobody_planned_are_judged_as_their_readers_do() {
    check(&files::random(4000));
}

/// It opens files by another way, which reads more, and only the first certificate; a bundle it
/// reads as every program does.
#[test]
#[ignore = "needs the openssl command: run by cargo xtask test"]
fn the_openssl_command_reads_what_kreg_says() {
    let scratch = tempfile::tempdir().unwrap();
    let files = files::matrix();
    let leaf = &files::prints()[0];
    let mut wrong = Vec::new();
    for (file, is) in files
        .iter()
        .zip(judges::openssl_command(&files, scratch.path()))
    {
        let agrees = match (said(file, Client::OpenSsl), file.kind) {
            (Ok(prints), Kind::Bundle) => prints.contains(leaf) == is,
            (Ok(_), _) => is,
            (Err(()), Kind::Bundle) => !is,
            (Err(()), _) => true,
        };
        if !agrees {
            wrong.push(format!("{}: it says {is}\n{}", file.name, file.shown()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
