//! `lint` against the verification matrix, and the matrix against the three
//! TLS stacks that it speaks for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;

use common::case::Case;
use common::{go_client, openssl_client, openssl_rows, rows, rustls_client};
use kreg_pki::lint::{Client, Code, refused_by};

/// The verdict of one judge on every case: the reason, or `None` if accepted.
type Verdicts = Vec<Option<String>>;

#[test]
fn lint_says_what_the_table_says() {
    check_lint(&rows::all());
}

#[test]
fn rustls_agrees_with_lint() {
    let cases = rows::all();
    check_judge(Client::Rustls, &cases, &rustls_verdicts(&cases));
}

#[test]
#[ignore = "needs the openssl and go commands: run by cargo xtask test"]
fn openssl_go_and_rustls_agree_with_lint() {
    let scratch = tempfile::tempdir().unwrap();
    let mut cases = rows::all();
    cases.extend(openssl_rows::all(scratch.path()));
    assert!(
        cases.len() > 100,
        "the README promises a hundred, not {}",
        cases.len()
    );
    check_lint(&cases);
    check_judge(Client::Rustls, &cases, &rustls_verdicts(&cases));
    check_judge(
        Client::OpenSsl,
        &cases,
        &openssl_client::verdicts(&cases, scratch.path()),
    );
    check_judge(
        Client::Go,
        &cases,
        &go_client::verdicts(&cases, scratch.path()),
    );
}

#[test]
fn every_code_has_a_row_or_a_test_of_its_own() {
    let in_rows: BTreeSet<_> = rows::all()
        .into_iter()
        .flat_map(|case| case.codes)
        .collect();
    // Rows that only openssl can make, and files that are no certificates.
    let elsewhere = [
        Code::Unreadable,
        Code::ReadUnevenly,
        Code::KeyUnusable,
        Code::WeakKey,
        Code::WeakSignature,
        Code::BadSerial,
    ];
    for code in Code::ALL {
        assert!(
            in_rows.contains(code) || elsewhere.contains(code),
            "{code} is not tested"
        );
    }
}

#[test]
fn files_that_cannot_be_read_are_findings() {
    let good = &rows::all()[0];
    let cut = &good.trust[..good.trust.len() / 2];
    for (chain, trust) in [
        ("", good.trust.as_str()),
        (&good.chain, ""),
        (&good.chain, cut),
    ] {
        let mut case = Case::new("unreadable", chain, trust);
        case.endpoints.clear();
        let codes: BTreeSet<_> = case.lint().iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&Code::Unreadable), "{codes:?}");
    }
    let mut case = Case::new("bad key", &good.chain, &good.trust).with_key("no key");
    case.endpoints.clear();
    assert!(
        case.lint()
            .iter()
            .any(|finding| finding.code == Code::KeyUnusable)
    );
}

#[test]
fn findings_read_as_one_line_and_as_json() {
    let case = rows::all()
        .into_iter()
        .find(|case| case.name.contains("openssl req"))
        .unwrap();
    let finding = case.lint().remove(0);
    let text = finding.to_string();
    assert!(
        text.starts_with("error ca-as-leaf: CN=docker-registry.default: "),
        "{text}"
    );
    assert!(text.contains("refused by rustls"), "{text}");
    let json = serde_json::to_value(&finding).unwrap();
    assert_eq!(json["code"], "ca-as-leaf");
    assert_eq!(json["refused_by"][0], "rustls");
}

fn check_lint(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let findings = case.lint();
        let codes: BTreeSet<_> = findings.iter().map(|finding| finding.code).collect();
        if codes != case.codes || refused_by(&findings) != case.refused_by {
            let shown: Vec<_> = findings.iter().map(|f| format!("\n    {f}")).collect();
            wrong.push(format!(
                "{}: want {:?} refused by {:?}, got{}",
                case.name,
                case.codes,
                case.refused_by,
                shown.concat()
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn check_judge(judge: Client, cases: &[Case], verdicts: &Verdicts) {
    assert_eq!(cases.len(), verdicts.len());
    let mut wrong = Vec::new();
    for (case, verdict) in cases.iter().zip(verdicts) {
        if case.refused_by.contains(&judge) != verdict.is_some() {
            wrong.push(format!("{}: {judge} says {verdict:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn rustls_verdicts(cases: &[Case]) -> Verdicts {
    cases
        .iter()
        .map(|case| {
            let server = match &case.key {
                Some(key) => rustls_client::serve(&case.chain, key),
                None => Ok(()),
            };
            let handshake = match &case.handshake {
                Some(proof) => rustls_client::check_handshake(&case.chain, proof),
                None => Ok(()),
            };
            server
                .and(handshake)
                .and_then(|()| {
                    case.endpoints.iter().try_for_each(|endpoint| {
                        rustls_client::verify(&case.chain, &case.trust, endpoint, case.now)
                    })
                })
                .err()
        })
        .collect()
}
