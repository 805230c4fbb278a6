//! How a run ends: its exit code, and the document of an error for programs.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::sandbox::{Sandbox, text};

#[test]
fn an_error_is_a_document_on_stdout_where_one_was_asked_for() {
    let sandbox = Sandbox::new();
    let command = &mut sandbox.kreg(["up", "-o", "json", "--name", "No Label"]);
    let assert = sandbox.untouched(command).code(2);
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(document["schema"], "kreg/v1");
    assert_eq!(document["kind"], "Error");
    let error = &document["error"];
    assert_eq!(error["exitCode"], 2);
    assert!(error["message"].as_str().unwrap().contains("No Label"));
    assert!(!error["help"].as_str().unwrap().is_empty(), "{error}");
    assert_eq!(error["causes"], Value::Array(Vec::new()));
    // People still read it.
    let told = text(&assert.get_output().stderr);
    assert!(told.contains(error["message"].as_str().unwrap()), "{told}");
    let causes = ["up", "--output=json", "--config", "absent.toml"];
    let assert = sandbox.untouched(&mut sandbox.kreg(causes)).code(2);
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let causes = document["error"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1, "{document}");
    let yaml = ["up", "-o", "yaml", "--name", "No Label"];
    let assert = sandbox.untouched(&mut sandbox.kreg(yaml)).code(2);
    let document = text(&assert.get_output().stdout);
    assert!(document.contains("kind: Error"), "{document}");
    assert!(document.contains("exitCode: 2"), "{document}");
}

/// A command line that could not be read may not say what is to be printed either.
#[test]
fn a_command_line_that_cannot_be_read_is_answered_on_stderr_only() {
    let sandbox = Sandbox::new();
    let command = ["up", "--output", "json", "--port", "https"];
    sandbox.refused(&mut sandbox.kreg(command), &["https", "--port"]);
}

#[test]
fn a_result_that_cannot_be_written_ends_with_1() {
    for arguments in [["man"].as_slice(), &["init", "-"], &["completions", "zsh"]] {
        let ended = Command::new(env!("CARGO_BIN_EXE_kreg"))
            .args(arguments)
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(text(&ended.stderr).contains("cannot write to stdout"));
    }
}

#[test]
fn a_reader_that_has_left_is_not_an_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Command::new(env!("CARGO_BIN_EXE_kreg"))
        .arg("man")
        .stdout(Stdio::from(writer))
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
}

#[test]
fn certificates_with_errors_end_with_1_and_the_result_is_the_only_document() {
    let sandbox = Sandbox::new();
    sandbox.write("no.pem", "no certificate\n");
    let lint = [
        "cert", "lint", "-o", "json", "--cert", "no.pem", "--ca", "no.pem",
    ];
    let assert = sandbox.untouched(&mut sandbox.kreg(lint)).code(1);
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(document["kind"], "Lint");
    assert!(document["errors"].as_u64().unwrap() > 0, "{document}");
}

/// Refused connections are tried again; a limit of a second ends that.
#[test]
fn an_api_server_that_is_not_there_ends_with_1() {
    let sandbox = Sandbox::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: x, users: [], \
         clusters: [{{name: c, cluster: {{server: 'http://{free}'}}}}], \
         contexts: [{{name: x, context: {{cluster: c, user: ''}}}}]}}"
    );
    sandbox.write("gone", &text);
    let status = ["status", "--kubeconfig", "gone", "--timeout", "1s"];
    let assert = sandbox
        .untouched(&mut sandbox.kreg(status))
        .code(1)
        .stdout("");
    let told = crate::sandbox::text(&assert.get_output().stderr);
    assert!(told.contains("because:"), "{told}");
}
