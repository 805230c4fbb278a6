//! Words that no command takes: refused with 2 before anything is touched, and named.

use crate::commands::ALL;
use crate::sandbox::Sandbox;

/// Runs each; each is refused with these words.
fn all_refused(cases: &[(&[&str], &[&str])]) {
    let sandbox = Sandbox::new();
    for (arguments, words) in cases {
        sandbox.refused(&mut sandbox.kreg(arguments.iter().copied()), words);
    }
}

#[test]
fn every_command_refuses_an_unknown_flag_and_a_wrong_value() {
    let sandbox = Sandbox::new();
    for words in ALL.keys() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for (wrong, says) in [
            (["--no-such-flag"].as_slice(), ["--no-such-flag"].as_slice()),
            (&["--timeout", "5x"], &["5x", "--timeout"]),
            (&["--output", "xml"], &["xml", "--output", "json"]),
            (&["--color", "blue"], &["blue", "--color", "never"]),
            (&["--namespace"], &["--namespace"]),
        ] {
            let arguments = words.iter().chain(wrong).copied();
            sandbox.refused(&mut sandbox.kreg(arguments), says);
        }
    }
}

#[test]
fn an_unknown_command_is_named_and_the_nearest_shown() {
    all_refused(&[
        (&["statsu"], &["statsu", "status"]),
        (&["cert", "renwe"], &["renwe", "renew"]),
        (&["user", "delete"], &["delete"]),
    ]);
}

#[test]
fn a_name_that_is_not_a_dns_label_is_named() {
    let long = "x".repeat(64);
    let sandbox = Sandbox::new();
    for name in [
        "Docker_Registry",
        "-registry",
        "registry.example.com",
        &long,
        "",
    ] {
        let flag = format!("--name={name}");
        for command in [
            "up", "plan", "down", "status", "verify", "gc", "doctor", "tunnel",
        ] {
            sandbox.refused(&mut sandbox.kreg([command, &flag]), &[name, "DNS-1123"]);
        }
    }
    all_refused(&[
        (&["up", "--namespace", "Kreg"], &["Kreg", "DNS-1123"]),
        (&["status", "-n", "a.b"], &["a.b", "DNS-1123"]),
        (&["nodes", "trust", "--name", "A"], &["A", "DNS-1123"]),
        (&["cert", "show", "--name", "A"], &["A", "DNS-1123"]),
        (&["export", "rbac", "--name", "A"], &["A", "DNS-1123"]),
    ]);
}

#[test]
fn a_port_out_of_range_is_named() {
    let sandbox = Sandbox::new();
    for port in ["0", "65536", "-1", "https"] {
        let flag = format!("--port={port}");
        for command in ["up", "plan", "down", "status", "verify"] {
            sandbox.refused(&mut sandbox.kreg([command, &flag]), &[port, "--port"]);
        }
    }
    all_refused(&[
        (&["up", "--ssh-port=70000"], &["70000", "--ssh-port"]),
        (&["tunnel", "--local-port=x"], &["x", "--local-port"]),
    ]);
}

#[test]
fn a_user_whom_no_registry_would_let_in_is_named() {
    let sandbox = Sandbox::new();
    for user in ["a:b", "#a", "", "kreg-witness-1"] {
        let flag = format!("--user={user}");
        sandbox.refused(&mut sandbox.kreg(["up", &flag]), &[user]);
        let add = ["user", "add", "--password-stdin", "--", user];
        sandbox.refused(sandbox.kreg(add).write_stdin("secret-enough\n"), &[user]);
    }
}

/// The command line of a process is open to every user of the machine.
#[test]
fn a_password_is_not_taken_from_the_command_line_nor_shown_again() {
    let sandbox = Sandbox::new();
    for command in [
        ["up"].as_slice(),
        &["plan"],
        &["user", "add", "ann"],
        &["user", "passwd", "ann"],
        &["user", "check", "ann"],
    ] {
        let arguments = command.iter().copied().chain(["--password=hunter2"]);
        let told = sandbox.refused(&mut sandbox.kreg(arguments), &["--password"]);
        assert!(told.contains("--password-file"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_password_that_is_missing_or_too_long_is_refused() {
    let sandbox = Sandbox::new();
    let add = ["user", "add", "ann"];
    let told = sandbox.refused(&mut sandbox.kreg(add), &["ann", "--password-stdin"]);
    assert!(told.contains("--generate"), "{told}");
    let add = ["user", "add", "ann", "--password-stdin"];
    let long = "p".repeat(73);
    for password in ["", &long] {
        let told = sandbox.refused(sandbox.kreg(add).write_stdin(password), &["password"]);
        assert!(!told.contains("pppp"), "{told}");
    }
    let both = ["user", "add", "ann", "--password-stdin", "--generate"];
    sandbox.refused(&mut sandbox.kreg(both), &["--generate"]);
}

#[test]
fn what_the_registry_is_made_of_is_judged() {
    all_refused(&[
        (&["up", "--san", "a b"], &["a b"]),
        (&["plan", "--san", "10.0.0.256"], &["10.0.0.256"]),
        (&["up", "--storage", "nfs:/x"], &["nfs:/x", "hostpath:/DIR"]),
        (&["plan", "--storage", "claim"], &["claim", "s3:BUCKET"]),
        (&["up", "--storage", "hostpath:relative"], &["relative"]),
        (&["up", "--storage", "s3:No_Bucket"], &["No_Bucket"]),
        (&["up", "--size", "lots"], &["lots"]),
        (&["up", "--replicas", "0"], &["0"]),
        (&["up", "--replicas", "3"], &["3"]),
        (&["up", "--replicas", "-1"], &["-1"]),
        (&["up", "--cluster-ip", "10.96"], &["10.96", "--cluster-ip"]),
        (&["up", "--image", "Bad Image"], &["Bad Image"]),
        (&["up", "--startup-taint=not/a/key"], &["not/a/key"]),
        (&["up", "--profile", "other"], &["other", "tutorial"]),
        (&["up", "--nodes-by", "telnet"], &["telnet", "daemonset"]),
        (&["up", "--ssh-connect-timeout", "0s"], &["0s"]),
    ]);
}

#[test]
fn words_that_do_not_go_together_are_named() {
    all_refused(&[
        (&["verify", "--only", "no-such-check"], &["no-such-check"]),
        (&["verify", "--every", "5s"], &["--watch"]),
        (
            &["verify", "--watch", "--users", "f"],
            &["--watch", "--users"],
        ),
        (&["verify", "--report", "pdf=x"], &["pdf"]),
        (&["verify", "--report", "html="], &["html"]),
        (&["cert", "renew", "--grace", "1h"], &["--grace", "--ca"]),
        (&["cert", "renew", "--ca", "--if-due"], &["--if-due"]),
        (
            &["cert", "renew", "--ca", "--finish", "--roll-back"],
            &["--finish", "--roll-back"],
        ),
        (&["cert", "lint", "--cert", "x"], &["--ca"]),
        (&["cert", "lint", "--key", "x"], &["--cert"]),
        (&["cert", "lint", "--endpoint", "a b"], &["a b"]),
        (&["export", "rbac", "--for", "fun"], &["fun", "operation"]),
        (
            &["export", "rbac", "--namespaces", "a", "--all-namespaces"],
            &["--all-namespaces"],
        ),
        (&["export", "kustomize"], &["<FOLDER>"]),
        (&["nodes", "script", "dance"], &["dance", "untrust"]),
        (&["secret", "apply"], &["--all-namespaces"]),
        (&["tunnel", "--login"], &["--login"]),
        (&["tunnel", "--trust", "maybe"], &["maybe", "install"]),
        (&["tunnel", "--address", "here"], &["here", "--address"]),
    ]);
}
