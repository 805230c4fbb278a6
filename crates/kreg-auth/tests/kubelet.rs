//! Pull secrets against the kubelet's own code (Kubernetes 1.37, `pkg/credentialprovider`).
//!
//! Run by `cargo xtask test`, or by hand where Go can fetch `k8s.io/kubernetes`:
//! `cargo test -p kreg-auth --test kubelet -- --ignored`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may panic"
)]

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kreg_auth::{PullSecret, PullSecretError};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

const CASES: usize = 4000;

struct Question {
    document: String,
    image: String,
}

/// Builds `tests/kubelet` and has it answer all questions at once.
fn ask_the_kubelet(questions: &[Question]) -> Vec<Value> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubelet-keyring");
    let built = Command::new("go")
        // As Kubernetes itself is built for the test cluster, flag for flag: what is compiled is
        // compiled once.
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-gcflags", "all=-dwarf=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubelet"))
        .output()
        .expect("Go is installed");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines: String = questions
        .iter()
        .map(|q| json!({"document": q.document, "image": q.image}).to_string() + "\n")
        .collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn samples<T>(strategy: &impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..CASES)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// Hosts that are close to one another, so that they match now and then.
fn host() -> impl Strategy<Value = String> {
    let label = prop_oneof![4 => "a", 1 => "[ab]{1,2}", 1 => "a\\*?", 1 => "\\*b?", 2 => "\\*"];
    let name = prop_oneof![
        12 => proptest::collection::vec(label, 1..3).prop_map(|labels| labels.join(".")),
        1 => Just("docker.io".to_owned()),
        1 => Just("index.docker.io".to_owned()),
        1 => Just("localhost".to_owned()),
        1 => Just("[fd00::1]".to_owned()),
        1 => "[a-c.*:%@ \\[\\]!~é]{0,5}",
    ];
    (
        name,
        prop_oneof![4 => Just(""), 4 => Just(":1"), 1 => Just(":"), 1 => Just(":22")],
    )
        .prop_map(|(name, port)| name + port)
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("/v1"),
        Just("/v2"),
        Just("/"),
        Just("/a"),
        Just("/ab"),
        Just("/library"),
        Just("/%61"),
        Just("/%6"),
        Just("?q"),
        Just("#f"),
    ];
    prop_oneof![
        Just(String::new()),
        proptest::collection::vec(part, 1..3).prop_map(|parts| parts.concat()),
    ]
}

fn key() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![4 => Just(""), 2 => Just("https://"), 1 => Just("http://"), 1 => Just("ftp://")];
    (scheme, host(), path()).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"))
}

fn image() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "a(\\.[ab])?(:1)?",
        Just("docker.io".to_owned()),
        Just("index.docker.io".to_owned()),
        Just("localhost".to_owned()),
        Just("[fd00::1]:1".to_owned()),
        Just("[fd00::1]".to_owned()),
    ];
    let tail = prop_oneof![
        Just(String::new()),
        Just(":v1".to_owned()),
        Just(format!("@sha256:{}", "0".repeat(64))),
        Just(format!(":v1@sha256:{}", "0".repeat(64))),
    ];
    prop_oneof![
        5 => (host, "(/a|/ab|/v2|/library){1,3}", tail.clone()).prop_map(|(h, p, t)| h + &p + &t),
        1 => ("[ab]{1,3}", tail).prop_map(|(name, tail)| name + &tail),
    ]
}

#[test]
#[ignore = "needs go and k8s.io/kubernetes: run by cargo xtask test"]
fn the_kubelet_finds_what_we_find() {
    let keys = proptest::collection::vec(key(), 2..8);
    let questions: Vec<Question> = samples(&(keys, image()))
        .into_iter()
        .map(|(keys, image)| {
            let entry = |(n, key): (usize, String)| (key, json!({"username": format!("u{n}")}));
            let auths: Map<String, Value> = keys.into_iter().enumerate().map(entry).collect();
            let document = json!({ "auths": auths }).to_string();
            Question { document, image }
        })
        .collect();
    let (mut matched, mut in_order) = (0, 0);
    for (question, answer) in questions.iter().zip(ask_the_kubelet(&questions)) {
        let Question { document, image } = question;
        assert_eq!(answer.get("badImage"), None, "{image}");
        let mut theirs: Vec<&str> = answer["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| u.as_str().unwrap())
            .collect();
        let secret = PullSecret::parse(document.as_bytes()).unwrap();
        let found = secret.credentials_for(image);
        let mut ours: Vec<&str> = found.iter().map(|auth| auth.username()).collect();
        matched += usize::from(!ours.is_empty());
        // Keys that are one to the kubelet come in no certain order.
        let distinct: HashSet<String> = secret.keys().map(bare).collect();
        if distinct.len() == secret.keys().count() {
            in_order += usize::from(ours.len() > 1);
        } else {
            ours.sort_unstable();
            theirs.sort_unstable();
        }
        assert_eq!(ours, theirs, "image {image}, secret {document}");
    }
    // Enough of them say something.
    assert!(
        matched > CASES / 10 && in_order > CASES / 400,
        "{matched} matched, {in_order} in order"
    );
}

/// At least as coarse as the kubelet's own filing.
fn bare(key: &str) -> String {
    let key = key.split(['#', '?']).next().unwrap_or_default();
    let key = key.replace("https://", "").replace("http://", "");
    let key = key
        .replace("/v1", "")
        .replace("/v2", "")
        .replace("%61", "a");
    key.rsplit('@').next().unwrap_or_default().replace('/', "")
}

/// Values of the right and of wrong types, `auth`s good and bad.
fn document() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        8 => Just(json!("u")),
        1 => Just(json!("")),
        1 => Just(Value::Null),
        1 => Just(json!(1)),
        1 => Just(json!(["x"])),
    ];
    let auth = prop_oneof![
        "[ab:]{0,7}".prop_map(|pair| json!(base64(&pair, true))),
        "[ab:]{0,7}".prop_map(|pair| json!(base64(&pair, false))),
        "[A-Za-z0-9+/=_ \\n-]{0,8}".prop_map(Value::from),
        Just(json!("YTpi\n")),
        Just(json!("YT\r\npi")),
        Just(json!("YTo=\n")),
        Just(json!(" YTpi")),
        Just(json!("YTp=")),
    ];
    let field = prop_oneof![
        (
            select(vec!["username", "username", "Username", "u\u{17f}ername"]),
            text.clone()
        ),
        (
            select(vec!["password", "password", "PassWord"]),
            text.clone()
        ),
        (Just("email"), text.clone()),
        (select(vec!["auth", "auth", "AUTH", "Auth"]), auth),
        (Just("other"), Just(json!([1]))),
    ];
    let fields = |pairs: Vec<(&str, Value)>| {
        Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    };
    let entry = prop_oneof![
        12 => proptest::collection::vec(field, 0..5).prop_map(fields),
        1 => Just(Value::Null),
        1 => Just(json!("x")),
        1 => Just(json!([])),
    ];
    let auths = prop_oneof![
        12 => entry.prop_map(|entry| json!({"a.b": entry})),
        1 => Just(Value::Null),
        1 => Just(json!([])),
    ];
    let headers = prop_oneof![
        8 => Just(json!({"A": "b"})),
        1 => Just(json!({"A": 1})),
        1 => Just(json!("x")),
        1 => Just(Value::Null),
    ];
    let top = prop_oneof![
        4 => (select(vec!["auths", "Auths"]), auths.clone()),
        1 => (select(vec!["HttpHeaders", "httpheaders"]), headers),
    ];
    prop_oneof![
        20 => (auths, proptest::collection::vec(top, 0..2)).prop_map(move |(auths, more)| {
            fields([vec![("auths", auths)], more].concat())
        }),
        1 => Just(json!([])),
        1 => Just(json!({})),
    ]
}

fn base64(text: &str, padded: bool) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    if padded {
        STANDARD.encode(text)
    } else {
        STANDARD_NO_PAD.encode(text)
    }
}

#[test]
#[ignore = "needs go and k8s.io/kubernetes: run by cargo xtask test"]
fn the_kubelet_reads_what_we_read() {
    let questions: Vec<Question> = samples(&document())
        .into_iter()
        .map(|document| Question {
            document: document.to_string(),
            image: "a.b/c".to_owned(),
        })
        .collect();
    let (mut refused, mut twice) = (0, 0);
    for (question, answer) in questions.iter().zip(ask_the_kubelet(&questions)) {
        let document = &question.document;
        match PullSecret::parse(document.as_bytes()) {
            // Stricter on purpose: what stands twice is not written back once.
            Err(PullSecretError::TwoCases { .. }) => twice += 1,
            Err(error) => {
                refused += 1;
                assert!(
                    answer.get("badDocument").is_some(),
                    "{document}: {error}, the kubelet: {answer}"
                );
            }
            Ok(secret) => {
                let found = secret.credentials_for("a.b/c");
                let ours: Vec<&str> = found.iter().map(|auth| auth.username()).collect();
                assert_eq!(json!(ours), answer["users"], "{document}: {answer}");
            }
        }
    }
    assert!((CASES / 10..CASES * 9 / 10).contains(&refused), "{refused}");
    assert!(twice < CASES / 4, "{twice}");
}
