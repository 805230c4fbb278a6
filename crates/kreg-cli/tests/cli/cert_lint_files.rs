//! `kreg cert lint` on files, as they come out of editors and of `cat`.

use kreg_pki::{Authority, AuthorityRequest, ExposeSecret as _, Issuer as _, LeafRequest};
use serde_json::Value;

use crate::sandbox::Sandbox;

/// What a fault does to a file.
type Change = fn(&str) -> String;

const FAULTS: [(&str, Change, &str, &[&str]); 5] = [
    (
        "mark",
        |pem| format!("\u{feff}{pem}"),
        "line 1: a byte order mark",
        &["go", "rustls"],
    ),
    (
        "header",
        |pem| pem.replacen('\n', "\nX-Comment: a longer one\n\n", 1),
        "line 2: a header",
        &["openssl", "rustls"],
    ),
    (
        "indent",
        |pem| pem.replace('\n', "\n  ").replacen('-', " -", 1),
        "is indented",
        &["go", "openssl", "rustls"],
    ),
    (
        "cr",
        |pem| pem.replace('\n', "\r"),
        "a carriage return alone",
        &["go", "openssl"],
    ),
    (
        "text",
        |pem| format!("text{pem}"),
        "text stands before BEGIN",
        &["go", "openssl", "rustls"],
    ),
];

fn lint(sandbox: &Sandbox, files: [&str; 3]) -> (Option<i32>, Value) {
    let [cert, ca, key] = files;
    let words = [
        "cert", "lint", "-o", "json", "--cert", cert, "--ca", ca, "--key", key,
    ];
    let assert = sandbox.untouched(&mut sandbox.kreg(words));
    let output = assert.get_output();
    let document = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code(), document)
}

#[test]
fn a_file_that_a_client_does_not_read_is_an_error_that_names_the_client() {
    let authority = Authority::generate(&AuthorityRequest::new("r")).expect("a CA");
    let request = LeafRequest::new("r").sans(["r".parse().expect("a name")]);
    let leaf = authority.issue(&request).expect("a leaf");
    let sandbox = Sandbox::new();
    let good = ["tls.crt", "ca.crt", "tls.key"];
    let texts = [
        leaf.chain_pem(),
        authority.certificate_pem(),
        leaf.key_pem().expose_secret().to_owned(),
    ];
    for (name, text) in good.iter().zip(&texts) {
        sandbox.write(name, text);
    }
    let (code, document) = lint(&sandbox, good);
    assert_eq!(
        (code, &document["errors"]),
        (Some(0), &Value::from(0)),
        "{document}"
    );
    let subjects = ["certificate file", "trust file", "key file"];
    for (fault, change, words, refused_by) in FAULTS {
        for (number, subject) in subjects.iter().enumerate() {
            sandbox.write("bad.pem", &change(&texts[number]));
            let mut files = good;
            files[number] = "bad.pem";
            let (code, document) = lint(&sandbox, files);
            assert_eq!(code, Some(1), "{fault} in the {subject}: {document}");
            let findings = document["findings"].as_array().expect("findings");
            let found = findings.iter().find(|one| one["code"] == "read-unevenly");
            let found = found.unwrap_or_else(|| panic!("{fault} in the {subject}: {document}"));
            let text = |key: &str| found[key].as_str().unwrap_or_default();
            assert!(text("subject").contains(subject), "{found}");
            assert!(text("message").contains(words), "{found}");
            assert!(text("remedy").contains("write it again"), "{found}");
            let mut wanted: Vec<&str> = refused_by.to_vec();
            // Only Go's bundles mind headers.
            if fault == "header" && number == 1 {
                wanted.insert(0, "go");
            }
            assert_eq!(found["refusedBy"], Value::from(wanted), "{fault}: {found}");
            assert!(!document.to_string().contains("PRIVATE KEY"), "{document}");
        }
    }
}
