//! Files that a command is given and cannot use: seen before the cluster is asked, and named.

use crate::sandbox::Sandbox;

#[test]
fn a_file_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    for command in [
        ["up", "--password-file", "absent"].as_slice(),
        &["plan", "--password-file", "absent"],
        &["user", "add", "ann", "--password-file", "absent"],
        &["user", "passwd", "ann", "--password-file", "absent"],
        &["user", "check", "ann", "--password-file", "absent"],
        &["verify", "--users", "absent"],
        &["verify", "--report", "html=absent/x.html"],
        &["cert", "lint", "--cert", "absent", "--ca", "absent"],
    ] {
        sandbox.refused(&mut sandbox.kreg(command.iter().copied()), &["absent"]);
    }
}

#[test]
fn a_file_of_the_wrong_kind_is_named_and_what_is_in_it_not_shown() {
    let sandbox = Sandbox::new();
    let users = sandbox.write("users", "ann:good-enough\nhunter2\n");
    let users = users.to_str().unwrap();
    let told = sandbox.refused(&mut sandbox.kreg(["verify", "--users", users]), &["line 2"]);
    assert!(!told.contains("hunter2"), "{told}");
    let report = ["verify", "--report", "html=."];
    sandbox.refused(&mut sandbox.kreg(report), &["directory"]);
    for (text, words) in [("hunter2", "no-json"), ("{\"nodes\":[]}", "no-json")] {
        sandbox.write("no-json", text);
        let command = ["nodes", "trust", "--only-failed", "no-json"];
        let told = sandbox.refused(&mut sandbox.kreg(command), &[words]);
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn keys_of_s3_come_in_pairs_and_from_a_file_that_has_them() {
    let sandbox = Sandbox::new();
    let up = ["up", "--storage", "s3:images"];
    let mut half = sandbox.kreg(up);
    sandbox.refused(
        half.env("KREG_S3_ACCESS_KEY", "AKIA"),
        &["KREG_S3_SECRET_KEY"],
    );
    for (key, content) in [("credentials_file", "[other]\n"), ("ca_file", "no PEM")] {
        sandbox.write("given", content);
        sandbox.write("s3.toml", &format!("[storage.s3]\n{key} = \"given\"\n"));
        let command = up.into_iter().chain(["--config", "s3.toml"]);
        sandbox.refused(&mut sandbox.kreg(command), &[key, "given"]);
    }
}
