//! A certificate that was issued elsewhere: what is wrong with its flags, its keys in kreg.toml and its files.

use crate::sandbox::Sandbox;

#[test]
fn what_belongs_together_is_asked_for_and_what_does_not_is_refused() {
    let sandbox = Sandbox::new();
    for (words, says) in [
        (["--tls-cert", "a.crt"].as_slice(), "--tls-key"),
        (&["--tls-key", "a.key"], "--tls-cert"),
        (&["--ca", "ca.crt"], "--tls-cert"),
        (
            &["--tls-cert", "a", "--tls-key", "b", "--ca-key", "c"],
            "--ca-key",
        ),
        (&["--tls-secret", "a/b", "--ca-key", "c"], "--ca-key"),
        (
            &["--tls-secret", "a/b", "--tls-cert", "a", "--tls-key", "b"],
            "--tls-cert",
        ),
        (&["--tls-secret", "only-a-name"], "NAMESPACE/NAME"),
        (&["--tls-secret", "/name"], "NAMESPACE/NAME"),
        (&["--tls-secret", "namespace/"], "NAMESPACE/NAME"),
    ] {
        for command in ["up", "plan"] {
            let all = [&[command], words].concat();
            sandbox.refused(&mut sandbox.kreg(all), &[says]);
        }
    }
    for (text, says) in [
        ("cert = \"a\"", "cert and key"),
        ("key = \"a\"", "cert and key"),
        (
            "cert = \"a\"\nkey = \"b\"\nsecret = \"c/d\"",
            "cert and key",
        ),
        ("ca_key = \"a\"\nsecret = \"c/d\"", "ca_key"),
        ("secret = \"name\"", "NAMESPACE/NAME"),
    ] {
        sandbox.write("tls.toml", &format!("[tls]\n{text}\n"));
        sandbox.refused(&mut sandbox.kreg(["up", "--config", "tls.toml"]), &[says]);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_a_key_is_not_shown() {
    let sandbox = Sandbox::new();
    sandbox.write("here", "hunter2");
    for (cert, key) in [("absent", "here"), ("here", "absent")] {
        let words = ["up", "--tls-cert", cert, "--tls-key", key];
        let told = sandbox.refused(&mut sandbox.kreg(words), &["absent"]);
        assert!(!told.contains("hunter2"), "{told}");
    }
    let words = ["up", "--tls-cert", "here", "--tls-key", "here", "--ca"];
    sandbox.refused(
        &mut sandbox.kreg(words.into_iter().chain(["absent"])),
        &["absent"],
    );
}
