//! Everything that this crate makes, judged by OpenSSL and Go, and keys that
//! OpenSSL makes, read by this crate.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::Path;

use common::case::Case;
use common::openssl_client::openssl;
use common::{go_client, now, openssl_client, rustls_client, san};
use kreg_pki::{
    Authority, AuthorityRequest, Issuer, KeyAlgorithm, LeafRequest, PrivateKey, SelfSigned,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use secrecy::ExposeSecret;

const NAMES: [&str; 3] = [
    "docker-registry",
    "docker-registry.kreg-system.svc",
    "10.96.0.50",
];

fn request(algorithm: KeyAlgorithm) -> LeafRequest {
    LeafRequest::new("docker-registry")
        .sans(NAMES.map(san))
        .algorithm(algorithm)
        .issued_at(now())
}

fn authority(algorithm: KeyAlgorithm) -> Authority {
    let request = AuthorityRequest::new("docker-registry").algorithm(algorithm);
    Authority::generate(&request.issued_at(now())).unwrap()
}

#[test]
#[ignore = "needs the openssl and go commands: run by cargo xtask test"]
fn openssl_and_go_accept_every_certificate_made_here() {
    let scratch = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let mut add = |issuer: &dyn Issuer, request: &LeafRequest| {
        let leaf = issuer.issue(request).unwrap();
        let mut case = Case::new("made here", leaf.chain_pem(), issuer.trust(&leaf).to_pem())
            .with_key(leaf.key_pem().expose_secret());
        case.endpoints = NAMES.to_vec();
        assert!(
            case.lint()
                .iter()
                .all(|finding| finding.refused_by.is_empty())
        );
        cases.push(case);
    };
    for ca_algorithm in KeyAlgorithm::ALL {
        let ca = authority(ca_algorithm);
        add(&ca, &request(KeyAlgorithm::EcdsaP256));
        add(&ca, &request(ca_algorithm));
        add(&SelfSigned, &request(ca_algorithm));
    }
    for verdicts in [
        openssl_client::verdicts(&cases, scratch.path()),
        go_client::verdicts(&cases, scratch.path()),
    ] {
        assert!(verdicts.iter().all(Option::is_none), "{verdicts:?}");
    }
}

#[test]
#[ignore = "needs the openssl command: run by cargo xtask test"]
fn openssl_finds_the_promised_profile_and_no_fault_in_strict_mode() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let leaf = ca.issue(&request(KeyAlgorithm::Rsa2048)).unwrap();
    let (ca_file, leaf_file) = (path("ca.crt"), path("tls.crt"));
    fs::write(&ca_file, ca.certificate_pem()).unwrap();
    fs::write(&leaf_file, leaf.chain_pem()).unwrap();

    let at = now().unix_timestamp().to_string();
    openssl(&[
        "verify",
        "-x509_strict",
        "-attime",
        &at,
        "-CAfile",
        &ca_file,
        &leaf_file,
    ])
    .unwrap();

    let text = |file: &str| openssl(&["x509", "-in", file, "-noout", "-text"]).unwrap();
    let ca_text = text(&ca_file);
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "Subject Key Identifier",
        "OU = docker-registry",
    ] {
        assert!(ca_text.contains(part), "{part} not in {ca_text}");
    }
    assert!(!ca_text.contains("Extended Key Usage"));
    let leaf_text = text(&leaf_file);
    for part in [
        "CA:FALSE",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication",
        "Authority Key Identifier",
        "Subject Key Identifier",
        "DNS:docker-registry, DNS:docker-registry.kreg-system.svc, IP Address:10.96.0.50",
        "Not Before: Nov 23 11:00:00 2026 GMT",
        "Not After : Dec 25 12:00:00 2027 GMT",
    ] {
        assert!(leaf_text.contains(part), "{part} not in {leaf_text}");
    }
    let shown = openssl(&[
        "x509",
        "-in",
        &leaf_file,
        "-noout",
        "-fingerprint",
        "-sha256",
    ])
    .unwrap();
    let digits: String = shown
        .split('=')
        .next_back()
        .unwrap()
        .trim()
        .replace(':', "");
    assert_eq!(digits.to_lowercase(), leaf.certificate().fingerprint());
}

#[test]
#[ignore = "needs the openssl command: run by cargo xtask test"]
fn every_key_form_of_openssl_is_read() {
    let scratch = tempfile::tempdir().unwrap();
    let key = |arguments: &[&str]| openssl_key(scratch.path(), arguments);
    let curve = |name: &'static str| format!("ec_paramgen_curve:{name}");
    let p384 = curve("P-384");
    let readable = [
        (key(&["genpkey", "-algorithm", "RSA"]), "BEGIN PRIVATE KEY"),
        (
            key(&["genrsa", "-traditional", "2048"]),
            "BEGIN RSA PRIVATE KEY",
        ),
        (
            key(&["ecparam", "-name", "prime256v1", "-genkey"]),
            "BEGIN EC PARAMETERS",
        ),
        (
            key(&["ecparam", "-name", "prime256v1", "-genkey", "-noout"]),
            "BEGIN EC PRIVATE KEY",
        ),
        (
            key(&["genpkey", "-algorithm", "EC", "-pkeyopt", &p384]),
            "BEGIN PRIVATE KEY",
        ),
    ];
    let file = scratch.path().join("read.key");
    for (pem, label) in readable {
        assert!(pem.contains(label), "{label}: {pem}");
        let read = PrivateKey::from_pem(&pem, "openssl's key").unwrap();
        fs::write(&file, read.to_pem().expose_secret()).unwrap();
        let of = |path: &str| openssl(&["pkey", "-in", path, "-pubout"]).unwrap();
        let original = scratch.path().join("made.key");
        fs::write(&original, &pem).unwrap();
        assert_eq!(of(file.to_str().unwrap()), of(original.to_str().unwrap()));
        assert!(
            read.to_pem()
                .expose_secret()
                .starts_with("-----BEGIN PRIVATE KEY-----")
        );
    }

    let p521 = curve("P-521");
    let refused = [
        (
            key(&["genrsa", "-aes128", "-passout", "pass:x", "2048"]),
            "encrypted",
        ),
        (
            key(&[
                "genrsa",
                "-traditional",
                "-aes128",
                "-passout",
                "pass:x",
                "2048",
            ]),
            "encrypted",
        ),
        (key(&["genpkey", "-algorithm", "ED25519"]), "P-256"),
        (
            key(&["genpkey", "-algorithm", "EC", "-pkeyopt", &p521]),
            "P-256",
        ),
        (key(&["genrsa", "1024"]), "2048"),
    ];
    for (pem, reason) in refused {
        let error = PrivateKey::from_pem(&pem, "openssl's key")
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
#[ignore = "needs the openssl command: run by cargo xtask test"]
fn an_authority_of_openssl_signs_leaves_that_openssl_accepts() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let (crt, key) = (path("ca.crt"), path("ca.key"));
    let make = |subject: &str| {
        openssl(&[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", subject,
            "-keyout", &key, "-out", &crt,
        ])
        .unwrap();
        Authority::from_pem(fs::read(&crt).unwrap(), fs::read(&key).unwrap())
    };
    let at = time::OffsetDateTime::now_utc() + time::Duration::MINUTE;
    for subject in [
        "/C=DE/ST=Bayern/L=M\u{fc}nchen/O=Firma/OU=IT/CN=Firma CA",
        "/CN=ca",
    ] {
        let ca = make(subject).unwrap();
        let leaf = ca
            .issue(&request(KeyAlgorithm::EcdsaP256).issued_at(at))
            .unwrap();
        let mut case = Case::new("under openssl's CA", leaf.chain_pem(), ca.certificate_pem())
            .at("docker-registry");
        case.now = at;
        let verdict = openssl_client::verdicts(&[case], scratch.path()).remove(0);
        assert_eq!(verdict, None, "{subject}");
    }
    // Two attributes of one kind do not survive the trip into a leaf.
    let error = make("/O=Firma/OU=A/OU=B/CN=ca").unwrap_err().to_string();
    assert!(
        error.contains("OU=B") && error.contains("make a new CA"),
        "{error}"
    );
}

/// What `covers` says of a leaf and a name, all three clients do.
#[test]
#[ignore = "needs the openssl and go commands: run by cargo xtask test"]
fn a_leaf_serves_its_names_and_no_other_for_all_three() {
    const CASES: usize = 150;
    const POOL: [&str; 12] = [
        "a.registry.example",
        "b.registry.example",
        "a.a.registry.example",
        "registry.example",
        "registry",
        "registry.default.svc",
        "10.0.0.1",
        "10.0.0.2",
        "fd00::1",
        "fd00::2",
        "*.registry.example",
        "*.default.svc",
    ];
    let scratch = tempfile::tempdir().unwrap();
    let ca = authority(KeyAlgorithm::EcdsaP256);
    let some = prop::sample::subsequence(POOL.to_vec(), 1..5);
    let mut runner = TestRunner::default();
    let mut expected = Vec::new();
    let mut cases = Vec::new();
    while cases.len() < CASES {
        let own = some.new_tree(&mut runner).unwrap().current();
        let asked = LeafRequest::new("unrelated").sans(own.iter().map(|n| san(n)));
        let leaf = ca.issue(&asked.issued_at(now())).unwrap();
        for endpoint in POOL.iter().filter(|name| !name.contains('*')) {
            let case = Case::new("names", leaf.chain_pem(), ca.certificate_pem()).at(endpoint);
            expected.push((leaf.covers(&san(endpoint)), own.clone(), *endpoint));
            cases.push(case);
        }
    }
    let rustls = |case: &Case| {
        rustls_client::verify(&case.chain, &case.trust, case.endpoints[0], now()).err()
    };
    for verdicts in [
        openssl_client::verdicts(&cases, scratch.path()),
        go_client::verdicts(&cases, scratch.path()),
        cases.iter().map(rustls).collect(),
    ] {
        for ((covered, own, endpoint), verdict) in expected.iter().zip(verdicts) {
            assert_eq!(
                *covered,
                verdict.is_none(),
                "{own:?} for {endpoint}: {verdict:?}"
            );
        }
    }
    let covered = expected.iter().filter(|(covered, ..)| *covered).count();
    assert!(
        covered > 10 && covered < expected.len() - 10,
        "a lopsided sample: {covered}"
    );
}

fn openssl_key(scratch: &Path, arguments: &[&str]) -> String {
    let out = scratch.join("new.key");
    let mut all = vec![arguments[0], "-out", out.to_str().unwrap()];
    all.extend(&arguments[1..]);
    openssl(&all).unwrap();
    fs::read_to_string(out).unwrap()
}
